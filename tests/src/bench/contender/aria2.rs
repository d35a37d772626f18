use std::path::Path;

use anyhow::Result;

use super::super::nginx;
use super::super::original::NAME;
use super::super::receiver::Receiver;
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::curl::verify;
use super::{Contender, not_installed};

/// aria2 over HTTP, from several nginx servers at once.
#[derive(Debug)]
pub(super) struct Aria2 {
    /// Whether it verifies the file itself, or openssl does.
    pub(super) own_check: bool,
}

impl Contender for Aria2 {
    fn name(&self) -> &'static str {
        if self.own_check { "aria2" } else { "aria2+openssl" }
    }

    fn about(&self) -> &'static str {
        if self.own_check {
            "aria2c over HTTP from one nginx for each source, at least four connections, with its own --checksum=sha-256; not synced"
        } else {
            "aria2c over HTTP from one nginx for each source, at least four connections, then openssl dgst -sha256; not synced"
        }
    }

    fn missing(&self) -> Option<String> {
        not_installed(&["nginx", "aria2c", "openssl"])
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        nginx::start(stage, count)
    }

    fn receiver(&self, stage: &Stage, senders: &Senders, _folder: &Path) -> Result<Receiver> {
        let urls: Vec<String> =
            senders.addresses.iter().map(|address| format!("http://{address}/{NAME}")).collect();
        let checksum = if self.own_check {
            format!("--checksum=sha-256={}", stage.original.digest)
        } else {
            format!("&& {}", verify(stage))
        };
        let (before, after) = if self.own_check { (checksum.as_str(), "") } else { ("", checksum.as_str()) };
        // A single connection is slower than several, also to one server.
        let split = urls.len().max(4);
        let script = format!(
            "aria2c --no-conf -q --async-dns=false --file-allocation=falloc -k1M -s{split} -x16 \
             {before} -o {NAME} {} {after}",
            urls.join(" ")
        );
        Ok(Receiver::new(&["sh", "-c", &script], NAME))
    }
}
