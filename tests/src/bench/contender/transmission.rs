use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::super::bench_setup::BenchSetup;
use super::super::original::FILE_NAME;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::{TransferContender, not_installed};
use crate::free_port::free_port;

/// Transmission.
#[derive(Debug)]
pub(super) struct Transmission;

/// The contender's name.
pub(super) const CONTENDER_NAME: &str = "transmission";

const PROGRAM: &str = "transmission-cli";

const SETTINGS: &str = r#"{
    "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
    "port-forwarding-enabled": false, "rpc-enabled": false, "encryption": 0, "cache-size-mb": 64,
    "preallocation": 1, "upload-slots-per-torrent": 64, "speed-limit-up-enabled": false,
    "speed-limit-down-enabled": false, "ratio-limit-enabled": false, "blocklist-enabled": false
}"#;

/// The script that Transmission runs when the torrent is complete.
const COMPLETION_SCRIPT: &str = "#!/bin/sh\necho transmission: finished\n";

impl TransferContender for Transmission {
    fn name(&self) -> &'static str {
        CONTENDER_NAME
    }

    fn description(&self) -> &'static str {
        "transmission-cli, seeder and leecher, until its script for finished torrents runs; SHA-1 pieces of 1 MiB; not \
         synced. Its seeder unchokes a new peer every ten seconds, and that wait counts; 3.00 asks a peer for \
         512 blocks of 16 KiB a second. It keeps one peer per address, so several on one machine would count as one source"
    }

    fn missing_requirement(&self) -> Option<String> {
        let address = || {
            non_loopback_address()
                .is_none()
                .then(|| "a non-loopback address (it refuses loopback peers)".into())
        };
        not_installed(&[PROGRAM]).or_else(address)
    }

    fn max_senders(&self) -> usize {
        1
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        setup.tracker.reset(non_loopback_address().context("no address")?);
        let mut senders = Senders::default();
        for number in 0..count {
            let own = setup.private_folder(self.name(), &format!("state-{number}"))?;
            fs::write(own.join("settings.json"), SETTINGS)?;
            let mut command = Command::new(PROGRAM);
            command.args(["-M", "-et", "-v", "-p", &free_port().to_string()]).arg("-g").arg(own);
            command.arg("-w").arg(setup.sender_folder(self.name(), number)?).arg(&setup.torrent);
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
        let own = folder.join("own");
        fs::create_dir(&own)?;
        fs::write(own.join("settings.json"), SETTINGS)?;
        let script = own.join("finished");
        fs::write(&script, COMPLETION_SCRIPT)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let mut receiver =
            ReceiverCommand::new(&[PROGRAM, "-M", "-et", "-p", &free_port().to_string(), "-w"], FILE_NAME);
        receiver.command.push(folder.into());
        receiver.command.extend([
            "-g".into(),
            own.into(),
            "-f".into(),
            script.into(),
            (&setup.torrent).into(),
        ]);
        receiver.done_line = Some(("transmission: finished", 1));
        Ok(receiver)
    }
}

/// Returns an address of this machine outside the loopback network. Packets to it still stay on the machine.
fn non_loopback_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Connecting a UDP socket sends nothing; it only selects a route.
    socket.connect("198.51.100.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
        _ => None,
    }
}
