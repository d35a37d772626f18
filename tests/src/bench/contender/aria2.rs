use std::path::Path;

use anyhow::Result;

use super::super::bench_setup::BenchSetup;
use super::super::nginx;
use super::super::original::FILE_NAME;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::curl::verify_command;
use super::{TransferContender, not_installed};

/// aria2 over HTTP, from several nginx servers at once.
#[derive(Debug)]
pub(super) struct Aria2 {
    /// True if aria2 verifies the file itself, false if openssl does.
    pub(super) verifies_itself: bool,
}

impl TransferContender for Aria2 {
    fn name(&self) -> &'static str {
        if self.verifies_itself { "aria2" } else { "aria2+openssl" }
    }

    fn description(&self) -> &'static str {
        if self.verifies_itself {
            "aria2c over HTTP from one nginx for each source, at least four connections, with its own --checksum=sha-256; not synced"
        } else {
            "aria2c over HTTP from one nginx for each source, at least four connections, then openssl dgst -sha256; not synced"
        }
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["nginx", "aria2c", "openssl"])
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        nginx::start(setup, count)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        _folder: &Path,
    ) -> Result<ReceiverCommand> {
        let urls: Vec<String> =
            senders.addresses.iter().map(|address| format!("http://{address}/{FILE_NAME}")).collect();
        let checksum = if self.verifies_itself {
            format!("--checksum=sha-256={}", setup.original.digest)
        } else {
            format!("&& {}", verify_command(setup))
        };
        let (before, after) =
            if self.verifies_itself { (checksum.as_str(), "") } else { ("", checksum.as_str()) };
        // Several connections are faster than one, even to a single server.
        let split = urls.len().max(4);
        let script = format!(
            "aria2c --no-conf -q --async-dns=false --file-allocation=falloc -k1M -s{split} -x16 \
             {before} -o {FILE_NAME} {} {after}",
            urls.join(" ")
        );
        Ok(ReceiverCommand::new(&["sh", "-c", &script], FILE_NAME))
    }
}
