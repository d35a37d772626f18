use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use protocol::digest::Digest;

use super::demo_file::DemoFile;
use super::demo_setup::DemoSetup;
use crate::content::digest_of_file;
use crate::output_lines::OutputLines;
use crate::peer::CommandOutput;
use crate::process::Process;

const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The result of a download.
#[derive(Debug)]
pub(super) struct DownloadReport {
    /// Bytes received from each source.
    pub(super) sources: Vec<(SocketAddr, u64)>,
    /// The rate reported by the peer.
    pub(super) rate: String,
    /// The digest of the downloaded file, read again from disk.
    pub(super) digest: Digest,
}

/// Runs the fourth peer, which searches for the file and downloads it. The peer inherits our standard error, so a
/// terminal shows its progress.
pub(super) fn fetch(setup: &DemoSetup, original: &DemoFile) -> Result<DownloadReport> {
    setup.check()?;
    let share_dir = setup.create_share_dir(4)?;
    let mut command = setup.peer_command(&share_dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::try_spawn("peer-node", command)?;
    let mut input = process.take_stdin();
    let output = OutputLines::collect(process.child().stdout.take().context("no pipe")?);

    let search = format!("search {}", original.search_words());
    println!("\n> {search}");
    writeln!(input, "{search}")?;
    let wanted = original.digest.to_string();
    let hit = output.find(0, SEARCH_TIMEOUT, |line| line.contains(&wanted));
    let hits = CommandOutput(output.lines_from(hit.context("the search returned nothing")?)).hits();
    let hit =
        hits.iter().find(|hit| hit.digest == original.digest).context("the search did not find the file")?;
    println!(
        "{}  {}  {} bytes  {} sources  {}",
        hit.number,
        hit.name,
        hit.size,
        hit.sources,
        hit.digest.short()
    );

    println!("> download {}", hit.number);
    writeln!(input, "download {}", hit.number)?;
    // After the last command the peer exits, and its status shows the result.
    drop(input);
    while process.is_running() {
        setup.check()?;
        thread::sleep(POLL_INTERVAL);
    }
    let status = process.wait(POLL_INTERVAL);
    output.wait_for_end(SEARCH_TIMEOUT);
    let answer = CommandOutput(output.lines_from(0));
    let done = answer.completed_downloads().into_iter().find(|done| done.digest == original.digest);
    let Some(done) = done.filter(|_| status.success()) else {
        bail!("the download failed ({status}): {}", answer.text());
    };
    let path = only_file(&share_dir)?;
    let digest = digest_of_file(&path)?;
    Ok(DownloadReport { sources: done.sources, rate: done.rate, digest })
}

/// Finds the downloaded file in the peer's folder.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [file] => Ok(file.clone()),
        _ => bail!("the download left {} files in {}", found.len(), folder.display()),
    }
}
