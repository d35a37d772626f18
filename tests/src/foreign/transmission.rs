use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::running::Watch;
use super::{Client, Running, find};
use crate::eventually::{SOON, until};
use crate::free_port::free_port;
use crate::lines::Lines;

/// Transmission's daemon, told what to do by its remote control.
///
/// It does not dial addresses of the loopback, so whoever is to meet it there must dial it.
#[derive(Debug)]
pub struct Transmission;

const DAEMON: &str = "transmission-daemon";
const REMOTE: &str = "transmission-remote";
const SHOW: &str = "transmission-show";

const SETTINGS: &str = r#"{
    "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
    "port-forwarding-enabled": false, "encryption": 0, "blocklist-enabled": false,
    "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "rpc-bind-address": "127.0.0.1",
    "rpc-authentication-required": false, "rpc-host-whitelist-enabled": false,
    "speed-limit-up-enabled": false, "speed-limit-down-enabled": false, "ratio-limit-enabled": false
}"#;

impl Transmission {
    /// Finds it.
    pub fn find() -> Option<Self> {
        [DAEMON, REMOTE, SHOW].iter().all(|program| find(program).is_some()).then_some(Self)
    }
}

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn join(&self, torrent: &Path, folder: &Path) -> Running {
        let own = tempfile::tempdir().expect("a temporary folder");
        fs::write(own.path().join("settings.json"), SETTINGS).expect("a file");
        let control = Control(SocketAddr::from(([127, 0, 0, 1], free_port())));
        let mut command = Command::new(DAEMON);
        command.args(["--foreground", "--log-info", "--port", &control.0.port().to_string()]);
        command.args(["--peerport", &free_port().to_string(), "--config-dir"]).arg(own.path());
        command.arg("--download-dir").arg(folder);
        let running = Running::start(self.name(), command, own, Box::new(control));
        until("transmission to take a torrent", SOON, || {
            let mut add = control.command();
            add.arg("--add").arg(torrent);
            add.status().is_ok_and(|status| status.success())
        });
        running
    }

    fn dials(&self) -> bool {
        false
    }

    fn infohash(&self, torrent: &Path) -> String {
        let output = Command::new(SHOW).arg(torrent).output().expect("a program that was found");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hash = text.lines().find_map(|line| line.trim().strip_prefix("Hash: "));
        hash.unwrap_or_else(|| panic!("transmission does not read {}: {text}", torrent.display())).to_owned()
    }
}

/// Where the daemon is told what to do.
#[derive(Debug, Clone, Copy)]
struct Control(SocketAddr);

impl Control {
    fn command(self) -> Command {
        let mut command = Command::new(REMOTE);
        command.arg(self.0.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn show(self) -> String {
        let output = self.command().args(["--torrent", "1", "--info"]).stdout(Stdio::piped()).output();
        String::from_utf8_lossy(&output.expect("a program that was found").stdout).into_owned()
    }
}

impl Watch for Control {
    fn is_complete(&self, _output: &Lines) -> bool {
        let text = self.show();
        // A torrent that is being verified counts what it has not looked at yet.
        text.contains("Percent Done: 100%")
            && (text.contains("State: Idle") || text.contains("State: Seeding"))
    }

    fn more(&self) -> String {
        self.show()
    }
}
