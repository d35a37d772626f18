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

/// aria2 as BitTorrent.
#[derive(Debug)]
pub(super) struct Aria2Torrent;

/// What keeps it to the trackers of the torrent, and its reports short.
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
        "aria2c as BitTorrent, seeders and leecher, until it says that it is complete; SHA-1 pieces of 1 MiB; not \
         synced. It looks at its peers once a second, and waiting for that counts"
    }

    fn missing_requirement(&self) -> Option<String> {
        not_installed(&["aria2c"])
    }

    fn start_senders(&self, stage: &BenchSetup, count: usize) -> Result<Senders> {
        stage.tracker.reset(Ipv4Addr::LOCALHOST);
        let mut senders = Senders::default();
        for number in 0..count {
            let mut command = Command::new("aria2c");
            command.args(OPTIONS).args([
                "--seed-ratio=0.0",
                "--bt-seed-unverified=true",
                "--allow-overwrite=true",
            ]);
            command.arg(format!("--listen-port={}", free_port()));
            command.arg("-d").arg(stage.sender_folder(self.name(), number)?).arg(&stage.torrent);
            senders.start(command)?;
        }
        stage.tracker.wait_for_seeders(count, stage.limit)?;
        Ok(senders)
    }

    fn receiver_command(
        &self,
        stage: &BenchSetup,
        _senders: &Senders,
        _folder: &Path,
    ) -> Result<ReceiverCommand> {
        let mut receiver = ReceiverCommand::new(&["aria2c"], FILE_NAME);
        receiver.command.extend(OPTIONS.map(Into::into));
        receiver.command.push(format!("--listen-port={}", free_port()).into());
        receiver.command.extend(["--seed-time=0", "--show-console-readout=false", "-d", "."].map(Into::into));
        receiver.command.push((&stage.torrent).into());
        receiver.done_line = Some(("Download complete:", 1));
        Ok(receiver)
    }
}
