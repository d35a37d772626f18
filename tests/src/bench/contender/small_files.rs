//! Contenders for many small files in one transfer.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::super::bench_setup::BenchSetup;
use super::super::nginx;
use super::super::original::{SMALL_FILE_COUNT, TREE_NAME, sha256_lines, small_file_names};
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::{TransferContender, not_installed, ours};

/// Peerdex's native transfer of a folder.
#[derive(Debug)]
pub(super) struct OursTree;

impl TransferContender for OursTree {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn description(&self) -> &'static str {
        "a new peer-node with `browse PEER` and `download small/` on its standard input, until the last `done` line; \
         SHA-256 and syncing each file included. Senders: the source and the index"
    }

    fn missing_requirement(&self) -> Option<String> {
        None
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        ours::start_index_and_sources(setup, count)
    }

    fn receiver_command(
        &self,
        _stage: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        let [_index, peer, ..] = senders.addresses.as_slice() else { bail!("no source") };
        let script = format!("browse {peer}\ndownload {TREE_NAME}/\n");
        Ok(ours::script_receiver(senders, folder, script, SMALL_FILE_COUNT, TREE_NAME))
    }
}

/// curl with one nginx connection for all files.
#[derive(Debug)]
pub(super) struct CurlTree {
    /// The program that verifies the files afterwards.
    pub(super) verifier: Option<&'static str>,
}

impl TransferContender for CurlTree {
    fn name(&self) -> &'static str {
        match self.verifier {
            None => "curl",
            Some("openssl") => "curl+openssl",
            Some(_) => "curl+sha256sum",
        }
    }

    fn description(&self) -> &'static str {
        match self.verifier {
            None => {
                "curl -K with all URLs over one kept-alive connection to nginx; neither verified nor synced"
            }
            Some("openssl") => "the same, then one openssl dgst -sha256 over all files; not synced",
            Some(_) => "the same, then one sha256sum -c; not synced",
        }
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["nginx", "curl"]).or_else(|| not_installed(&[self.verifier?]))
    }

    fn start_senders(&self, setup: &BenchSetup, _count: usize) -> Result<Senders> {
        nginx::start(setup, 1)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        let address = senders.addresses.first().context("a server")?;
        let mut urls = String::new();
        for name in small_file_names() {
            writeln!(urls, "url = \"http://{address}/{TREE_NAME}/{name}\"\noutput = \"{TREE_NAME}/{name}\"")?;
        }
        fs::write(folder.join("urls"), urls)?;
        fs::create_dir(folder.join(TREE_NAME))?;
        let fetch = ["curl", "-sf", "-K", "urls"];
        let Some(verifier) = self.verifier else { return Ok(ReceiverCommand::new(&fetch, TREE_NAME)) };
        let sums = sha256_lines(&setup.original.folder.join(TREE_NAME))?;
        let verify = if verifier == "openssl" {
            fs::write(folder.join("sums"), sums.replace("  ", " *"))?;
            "openssl dgst -sha256 -r *.bin | cmp - ../sums"
        } else {
            fs::write(folder.join("sums"), sums)?;
            "sha256sum -c --quiet ../sums"
        };
        let script = format!("{} && cd {TREE_NAME} && {verify}", fetch.join(" "));
        Ok(ReceiverCommand::new(&["sh", "-c", &script], TREE_NAME))
    }
}
