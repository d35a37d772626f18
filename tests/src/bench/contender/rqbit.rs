use std::env;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::bench_setup::BenchSetup;
use super::super::original::FILE_NAME;
use super::super::receiver::{ReceiverCommand, ReceiverInput};
use super::super::senders::Senders;
use super::{TransferContender, find_program};
use crate::free_port::free_port;

/// rqbit.
#[derive(Debug)]
pub(super) struct Rqbit;

const OPTIONS: [&str; 7] = [
    "-v",
    "error",
    "--disable-dht",
    "--disable-lsd",
    "--disable-upnp-port-forward",
    "--listen-ip",
    "127.0.0.1",
];

impl TransferContender for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn description(&self) -> &'static str {
        "rqbit download, seeders and leecher, until it exits (-e); SHA-1 pieces of 1 MiB; not synced"
    }

    fn missing_requirement(&self) -> Option<String> {
        find_rqbit()
            .is_none()
            .then(|| "rqbit (cargo install rqbit; or set RQBIT to the program's path)".into())
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        setup.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new(find_rqbit().context("no rqbit")?);
            let port = free_port().to_string();
            command.args(OPTIONS).args(["--listen-port", &port, "--announce-port", &port]);
            command.args(["download", "--disable-http-api", "--overwrite", "-o"]);
            command.arg(setup.sender_folder(self.name(), number)?).arg(&setup.torrent);
            senders.start(command)?;
        }
        setup.tracker.wait_for_seeders(count, setup.limit)?;
        Ok(senders)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        _senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        let mut command: Vec<OsString> = vec![find_rqbit().context("no rqbit")?.into()];
        command.extend(OPTIONS.map(Into::into));
        command.extend(["--listen-port".into(), free_port().to_string().into()]);
        command.extend(["download", "--disable-http-api", "-e", "-o"].map(Into::into));
        command.extend([folder.into(), (&setup.torrent).into()]);
        Ok(ReceiverCommand {
            command,
            input: ReceiverInput::Nothing,
            done_line: None,
            result: FILE_NAME.into(),
        })
    }
}

/// Returns the path of rqbit: from `RQBIT`, else from `PATH`, else from cargo's folder of installed programs.
fn find_rqbit() -> Option<PathBuf> {
    let installed = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo/bin/rqbit"));
    let named = env::var_os("RQBIT").map(PathBuf::from);
    named.or_else(|| find_program("rqbit")).or_else(installed).filter(|path| path.is_file())
}
