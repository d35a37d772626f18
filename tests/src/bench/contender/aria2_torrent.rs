use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::bench_setup::BenchSetup;
use super::super::original::FILE_NAME;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::{TransferContender, not_installed};
use crate::free_port::free_port;

/// aria2 as a BitTorrent client.
#[derive(Debug)]
pub(super) struct Aria2Torrent;

/// Restricts aria2 to the torrent's trackers and keeps its reports short.
pub(in crate::bench) const OPTIONS: [&str; 9] = [
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--bt-max-peers=0",
    "--disk-cache=64M",
    "--file-allocation=none",
    "--async-dns=false",
];

impl TransferContender for Aria2Torrent {
    fn name(&self) -> &'static str {
        "aria2-torrent"
    }

    fn description(&self) -> &'static str {
        "aria2c as BitTorrent, seeders and leecher, until it reports completion; SHA-1 pieces of 1 MiB; not \
         synced. It checks its peers once a second, and that wait counts"
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["aria2c"])
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        setup.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new("aria2c");
            command.args(OPTIONS).args([
                "--seed-ratio=0.0",
                "--bt-seed-unverified=true",
                "--allow-overwrite=true",
            ]);
            command.arg(format!("--listen-port={}", free_port()));
            command.arg("-d").arg(setup.sender_folder(self.name(), number)?).arg(&setup.torrent);
            senders.start(command)?;
        }
        setup.tracker.wait_for_seeders(count, setup.limit)?;
        Ok(senders)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        _senders: &Senders,
        _folder: &Path,
    ) -> Result<ReceiverCommand> {
        let mut receiver = ReceiverCommand::new(&["aria2c"], FILE_NAME);
        receiver.command.extend(OPTIONS.map(Into::into));
        receiver.command.push(format!("--listen-port={}", free_port()).into());
        receiver.command.extend(["--seed-time=0", "--show-console-readout=false", "-d", "."].map(Into::into));
        receiver.command.push((&setup.torrent).into());
        receiver.done_line = Some(("Download complete:", 1));
        Ok(receiver)
    }
}
