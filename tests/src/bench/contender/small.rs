//! Many small files in one go.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::super::nginx;
use super::super::original::{SMALL_FILES, TREE, small_names, sums};
use super::super::receiver::Receiver;
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::{Contender, not_installed, ours};

/// Our own transfer of a folder.
#[derive(Debug)]
pub(super) struct OurTree;

impl Contender for OurTree {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn about(&self) -> &'static str {
        "a new peer-node with `browse PEER` and `download small/` on its standard input, until the last `done` line; \
         SHA-256 and syncing each file included. Senders: the source and the index"
    }

    fn missing(&self) -> Option<String> {
        None
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        ours::start(stage, count)
    }

    fn receiver(&self, _stage: &Stage, senders: &Senders, folder: &Path) -> Result<Receiver> {
        let [_index, peer, ..] = senders.addresses.as_slice() else { bail!("no source") };
        let script = format!("browse {peer}\ndownload {TREE}/\n");
        Ok(ours::receiver(senders, folder, script, SMALL_FILES, TREE))
    }
}

/// curl with one connection to nginx for all files.
#[derive(Debug)]
pub(super) struct CurlTree {
    /// What verifies them afterwards.
    pub(super) verifier: Option<&'static str>,
}

impl Contender for CurlTree {
    fn name(&self) -> &'static str {
        match self.verifier {
            None => "curl",
            Some("openssl") => "curl+openssl",
            Some(_) => "curl+sha256sum",
        }
    }

    fn about(&self) -> &'static str {
        match self.verifier {
            None => {
                "curl -K with all URLs over one kept-alive connection to nginx; neither verified nor synced"
            }
            Some("openssl") => "the same, then one openssl dgst -sha256 over all files; not synced",
            Some(_) => "the same, then one sha256sum -c; not synced",
        }
    }

    fn missing(&self) -> Option<String> {
        not_installed(&["nginx", "curl"]).or_else(|| not_installed(&[self.verifier?]))
    }

    fn senders(&self, stage: &Stage, _count: usize) -> Result<Senders> {
        nginx::start(stage, 1)
    }

    fn receiver(&self, stage: &Stage, senders: &Senders, folder: &Path) -> Result<Receiver> {
        let address = senders.addresses.first().context("a server")?;
        let mut urls = String::new();
        for name in small_names() {
            writeln!(urls, "url = \"http://{address}/{TREE}/{name}\"\noutput = \"{TREE}/{name}\"")?;
        }
        fs::write(folder.join("urls"), urls)?;
        fs::create_dir(folder.join(TREE))?;
        let fetch = ["curl", "-sf", "-K", "urls"];
        let Some(verifier) = self.verifier else { return Ok(Receiver::new(&fetch, TREE)) };
        let sums = sums(&stage.original.folder.join(TREE))?;
        let verify = if verifier == "openssl" {
            fs::write(folder.join("sums"), sums.replace("  ", " *"))?;
            "openssl dgst -sha256 -r *.bin | cmp - ../sums"
        } else {
            fs::write(folder.join("sums"), sums)?;
            "sha256sum -c --quiet ../sums"
        };
        let script = format!("{} && cd {TREE} && {verify}", fetch.join(" "));
        Ok(Receiver::new(&["sh", "-c", &script], TREE))
    }
}
