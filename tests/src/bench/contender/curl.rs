use std::path::Path;

use anyhow::{Context, Result};

use super::super::bench_setup::BenchSetup;
use super::super::nginx;
use super::super::original::FILE_NAME;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::{TransferContender, not_installed};

/// nginx and curl, and openssl for the SHA-256. It has one source, however many there are.
#[derive(Debug)]
pub(super) struct Curl {
    /// Whether the hash is taken from a pipe while the bytes come, or from the file afterwards.
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

    fn start_senders(&self, stage: &BenchSetup, _count: usize) -> Result<Senders> {
        nginx::start(stage, 1)
    }

    fn receiver_command(
        &self,
        stage: &BenchSetup,
        senders: &Senders,
        _folder: &Path,
    ) -> Result<ReceiverCommand> {
        let address = senders.addresses.first().context("a server")?;
        let url = format!("http://{address}/{FILE_NAME}");
        let script = if self.hashes_from_pipe {
            format!(
                "curl -sf {url} | tee {FILE_NAME} | openssl dgst -sha256 -r > sum; {}",
                compare_command(stage)
            )
        } else {
            format!("curl -sf -o {FILE_NAME} {url} && {}", verify_command(stage))
        };
        Ok(ReceiverCommand::new(&["sh", "-c", &script], FILE_NAME))
    }
}

/// Makes a shell command that verifies the file.
pub(super) fn verify_command(stage: &BenchSetup) -> String {
    format!("openssl dgst -sha256 -r {FILE_NAME} > sum && {}", compare_command(stage))
}

fn compare_command(stage: &BenchSetup) -> String {
    format!("read digest _ < sum && [ $digest = {} ]", stage.original.digest)
}
