use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::bench_setup::BenchSetup;
use super::super::original::FILE_NAME;
use super::super::receiver::{ReceiverCommand, ReceiverInput};
use super::super::senders::Senders;
use super::{TransferContender, ours};
use crate::programs::programs;

/// Peerdex's BitTorrent client.
#[derive(Debug)]
pub(super) struct OursTorrent;

impl TransferContender for OursTorrent {
    fn name(&self) -> &'static str {
        "ours-torrent"
    }

    fn description(&self) -> &'static str {
        "peer-node torrent download, and torrent seed, until its `done` line; asking the tracker, SHA-1 pieces of 1 MiB and \
         syncing the file included"
    }

    fn missing_requirement(&self) -> Option<String> {
        None
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        setup.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new(&programs().peer_node);
            command.args(["torrent", "seed", "--listen-host", "127.0.0.1"]).arg(&setup.torrent);
            command.arg("--dir").arg(setup.sender_folder(self.name(), number)?);
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
        let mut command: Vec<OsString> = vec![(&programs().peer_node).into()];
        command.extend(["torrent", "download", "--no-seed-after"].map(Into::into));
        command.extend([(&setup.torrent).into(), "--dir".into(), folder.into()]);
        Ok(ReceiverCommand {
            command,
            input: ReceiverInput::Nothing,
            done_line: Some(("done\t", 1)),
            result: FILE_NAME.into(),
        })
    }

    fn reported_rate(&self, line: &str) -> Option<f64> {
        ours::parse_reported_rate(line)
    }
}
