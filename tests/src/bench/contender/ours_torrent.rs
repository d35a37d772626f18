use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::original::NAME;
use super::super::receiver::{Input, Receiver};
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::{Contender, ours};
use crate::programs::programs;

/// Our own BitTorrent.
#[derive(Debug)]
pub(super) struct OursTorrent;

impl Contender for OursTorrent {
    fn name(&self) -> &'static str {
        "ours-torrent"
    }

    fn about(&self) -> &'static str {
        "peer-node torrent download, and torrent seed, until its `done` line; asking the tracker, SHA-1 pieces of 1 MiB and \
         syncing the file included"
    }

    fn missing(&self) -> Option<String> {
        None
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        stage.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new(&programs().peer_node);
            command.args(["torrent", "seed", "--listen-host", "127.0.0.1"]).arg(&stage.torrent);
            command.arg("--dir").arg(stage.home(self.name(), number)?);
            senders.start(command)?;
        }
        stage.tracker.wait_for(count, stage.limit)?;
        Ok(senders)
    }

    fn receiver(&self, stage: &Stage, _senders: &Senders, folder: &Path) -> Result<Receiver> {
        let mut command: Vec<OsString> = vec![(&programs().peer_node).into()];
        command.extend(["torrent", "download", "--no-seed-after"].map(Into::into));
        command.extend([(&stage.torrent).into(), "--dir".into(), folder.into()]);
        Ok(Receiver { command, input: Input::Nothing, said: Some(("done\t", 1)), result: NAME.into() })
    }

    fn own_rate(&self, said: &str) -> Option<f64> {
        ours::own_rate(said)
    }
}
