use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use protocol::digest::Digest;

use super::original::Original;
use super::stage::Stage;
use crate::content::digest_of_file;
use crate::lines::Lines;
use crate::peer::Answer;
use crate::process::Process;

const SEARCH_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// How a download went.
#[derive(Debug)]
pub(super) struct Report {
    /// Who gave how many bytes.
    pub(super) givers: Vec<(SocketAddr, u64)>,
    /// The rate as the peer says it.
    pub(super) rate: String,
    /// The digest of the file as it lies there now.
    pub(super) digest: Digest,
}

/// Starts the fourth peer, which searches for the file and downloads it. What it writes to its standard error goes where
/// ours does: at a terminal, that is its progress.
pub(super) fn fetch(stage: &Stage, original: &Original) -> Result<Report> {
    stage.check()?;
    let share_dir = stage.share_dir(4)?;
    let mut command = stage.peer(&share_dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::try_spawn("peer-node", command)?;
    let mut input = process.take_stdin();
    let output = Lines::of(process.child().stdout.take().context("no pipe")?);

    let search = format!("search {}", original.search_words());
    println!("\n> {search}");
    writeln!(input, "{search}")?;
    let wanted = original.digest.to_string();
    let hit = output.find(0, SEARCH_WITHIN, |line| line.contains(&wanted));
    let hits = Answer(output.since(hit.context("the search has no answer")?)).hits();
    let hit = hits.iter().find(|hit| hit.digest == original.digest).context("the search did not find it")?;
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
    // At the end of its commands the peer ends as well, and its status tells how it went.
    drop(input);
    while process.is_running() {
        stage.check()?;
        thread::sleep(PAUSE);
    }
    let status = process.wait(PAUSE);
    output.ended(SEARCH_WITHIN);
    let said = Answer(output.since(0));
    let done = said.done().into_iter().find(|done| done.digest == original.digest);
    let Some(done) = done.filter(|_| status.success()) else {
        bail!("the download failed ({status}): {}", said.text());
    };
    let place = only_file(&share_dir)?;
    let digest = digest_of_file(&place)?;
    Ok(Report { givers: done.givers, rate: done.rate, digest })
}

/// Finds the file that the download left in the peer's folder.
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
