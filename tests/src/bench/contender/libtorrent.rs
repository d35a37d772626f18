use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::super::original::NAME;
use super::super::receiver::{Input, Receiver};
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::{Contender, not_installed};

/// libtorrent (rasterbar), through its Python bindings.
#[derive(Debug)]
pub(super) struct Libtorrent;

const PROGRAM: &str = include_str!("libtorrent.py");

impl Contender for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn about(&self) -> &'static str {
        "libtorrent through Python, seeders and leecher with its high-performance settings, from the creation of the \
         session until the torrent is complete and its files are written; loading Python does not count; SHA-1 pieces of \
         1 MiB; not synced"
    }

    fn missing(&self) -> Option<String> {
        not_installed(&["python3"]).or_else(|| {
            let mut command = Command::new("python3");
            command.args(["-c", "import libtorrent"]).stdin(Stdio::null()).stderr(Stdio::null());
            let works = command.status().is_ok_and(|status| status.success());
            (!works).then(|| "libtorrent for python3".into())
        })
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        stage.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new("python3");
            command.args(["-c", PROGRAM, "seed"]).arg(&stage.torrent).arg(stage.home(self.name(), number)?);
            senders.start(command)?;
        }
        stage.tracker.wait_for(count, stage.limit)?;
        Ok(senders)
    }

    fn receiver(&self, stage: &Stage, _senders: &Senders, folder: &Path) -> Result<Receiver> {
        let mut receiver = Receiver::new(&["python3", "-c", PROGRAM, "fetch"], NAME);
        receiver.command.extend([(&stage.torrent).into(), folder.into()]);
        receiver.input = Input::Go;
        receiver.said = Some(("finished", 1));
        Ok(receiver)
    }
}
