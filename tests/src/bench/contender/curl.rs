use std::path::Path;

use anyhow::{Context, Result};

use super::super::nginx;
use super::super::original::NAME;
use super::super::receiver::Receiver;
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::{Contender, not_installed};

/// nginx and curl, and openssl for the SHA-256. It has one source, however many there are.
#[derive(Debug)]
pub(super) struct Curl {
    /// Whether the hash is taken from a pipe while the bytes come, or from the file afterwards.
    pub(super) piped: bool,
}

impl Contender for Curl {
    fn name(&self) -> &'static str {
        if self.piped { "curl|openssl" } else { "curl+openssl" }
    }

    fn about(&self) -> &'static str {
        if self.piped {
            "curl | tee FILE | openssl dgst -sha256, from one nginx (sendfile); not synced"
        } else {
            "curl from one nginx (sendfile) to a file, then openssl dgst -sha256 of it; not synced"
        }
    }

    fn missing(&self) -> Option<String> {
        not_installed(&["nginx", "curl", "openssl"])
    }

    fn senders(&self, stage: &Stage, _count: usize) -> Result<Senders> {
        nginx::start(stage, 1)
    }

    fn receiver(&self, stage: &Stage, senders: &Senders, _folder: &Path) -> Result<Receiver> {
        let address = senders.addresses.first().context("a server")?;
        let url = format!("http://{address}/{NAME}");
        let script = if self.piped {
            format!("curl -sf {url} | tee {NAME} | openssl dgst -sha256 -r > sum; {}", compare(stage))
        } else {
            format!("curl -sf -o {NAME} {url} && {}", verify(stage))
        };
        Ok(Receiver::new(&["sh", "-c", &script], NAME))
    }
}

/// Makes a shell command that verifies the file.
pub(super) fn verify(stage: &Stage) -> String {
    format!("openssl dgst -sha256 -r {NAME} > sum && {}", compare(stage))
}

fn compare(stage: &Stage) -> String {
    format!("read digest _ < sum && [ $digest = {} ]", stage.original.digest)
}
