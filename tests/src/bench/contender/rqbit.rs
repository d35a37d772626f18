use std::env;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::original::NAME;
use super::super::receiver::{Input, Receiver};
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::{Contender, find};
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

impl Contender for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn about(&self) -> &'static str {
        "rqbit download, seeders and leecher, until it has ended (-e); SHA-1 pieces of 1 MiB; not synced"
    }

    fn missing(&self) -> Option<String> {
        program().is_none().then(|| "rqbit (cargo install rqbit; RQBIT can name the program)".into())
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        stage.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new(program().context("no rqbit")?);
            let port = free_port().to_string();
            command.args(OPTIONS).args(["--listen-port", &port, "--announce-port", &port]);
            command.args(["download", "--disable-http-api", "--overwrite", "-o"]);
            command.arg(stage.home(self.name(), number)?).arg(&stage.torrent);
            senders.start(command)?;
        }
        stage.tracker.wait_for(count, stage.limit)?;
        Ok(senders)
    }

    fn receiver(&self, stage: &Stage, _senders: &Senders, folder: &Path) -> Result<Receiver> {
        let mut command: Vec<OsString> = vec![program().context("no rqbit")?.into()];
        command.extend(OPTIONS.map(Into::into));
        command.extend(["--listen-port".into(), free_port().to_string().into()]);
        command.extend(["download", "--disable-http-api", "-e", "-o"].map(Into::into));
        command.extend([folder.into(), (&stage.torrent).into()]);
        Ok(Receiver { command, input: Input::Nothing, said: None, result: NAME.into() })
    }
}

/// Finds the program: what `RQBIT` names, else on the `PATH`, else where cargo installs it.
fn program() -> Option<PathBuf> {
    let installed = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo/bin/rqbit"));
    let named = env::var_os("RQBIT").map(PathBuf::from);
    named.or_else(|| find("rqbit")).or_else(installed).filter(|path| path.is_file())
}
