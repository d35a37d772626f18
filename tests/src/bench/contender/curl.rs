use std::path::Path;

use anyhow::{Context, Result};

use super::super::bench_setup::BenchSetup;
use super::super::nginx;
use super::super::original::FILE_NAME;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::{TransferContender, not_installed};

/// nginx and curl, with openssl for the SHA-256. Always downloads from one source.
#[derive(Debug)]
pub(super) struct Curl {
    /// True if the file is hashed from a pipe during the download, false if afterwards.
    pub(super) hashes_from_pipe: bool,
}

impl TransferContender for Curl {
    fn name(&self) -> &'static str {
        if self.hashes_from_pipe { "curl|openssl" } else { "curl+openssl" }
    }

    fn description(&self) -> &'static str {
        if self.hashes_from_pipe {
            "curl | tee FILE | openssl dgst -sha256, from one nginx (sendfile); not synced"
        } else {
            "curl from one nginx (sendfile) to a file, then openssl dgst -sha256 of it; not synced"
        }
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["nginx", "curl", "openssl"])
    }

    fn start_senders(&self, setup: &BenchSetup, _count: usize) -> Result<Senders> {
        nginx::start(setup, 1)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        _folder: &Path,
    ) -> Result<ReceiverCommand> {
        let address = senders.addresses.first().context("a server")?;
        let url = format!("http://{address}/{FILE_NAME}");
        let script = if self.hashes_from_pipe {
            format!(
                "curl -sf {url} | tee {FILE_NAME} | openssl dgst -sha256 -r > sum; {}",
                compare_command(setup)
            )
        } else {
            format!("curl -sf -o {FILE_NAME} {url} && {}", verify_command(setup))
        };
        Ok(ReceiverCommand::new(&["sh", "-c", &script], FILE_NAME))
    }
}

/// Returns a shell command that verifies the file.
pub(super) fn verify_command(setup: &BenchSetup) -> String {
    format!("openssl dgst -sha256 -r {FILE_NAME} > sum && {}", compare_command(setup))
}

fn compare_command(setup: &BenchSetup) -> String {
    format!("read digest _ < sum && [ $digest = {} ]", setup.original.digest)
}
