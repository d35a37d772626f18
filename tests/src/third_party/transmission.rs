use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::client_process::CompletionCheck;
use super::{ClientProcess, Encryption, NetworkLocation, TorrentClient, find_program};
use crate::eventually::{DEFAULT_TIMEOUT, wait_until};
use crate::free_port::free_port;
use crate::output_lines::OutputLines;

/// Transmission's daemon, controlled by its remote control.
///
/// It does not dial loopback addresses, so peers on the loopback must dial it.
#[derive(Debug)]
pub struct TransmissionClient {
    encryption: Encryption,
    location: NetworkLocation,
}

const DAEMON: &str = "transmission-daemon";
const REMOTE: &str = "transmission-remote";
const SHOW: &str = "transmission-show";

/// Settings of every daemon; everything else keeps its default.
const SETTINGS: &str = r#"{
    "encryption": ENCRYPTION, SWITCHES
    "bind-address-ipv4": "ADDRESS", "bind-address-ipv6": "::1", "rpc-bind-address": "127.0.0.1",
    "rpc-authentication-required": false, "rpc-host-whitelist-enabled": false
}"#;

/// Disables peer discovery beyond this machine.
const NO_DISCOVERY_SETTINGS: &str =
    r#""dht-enabled": false, "lpd-enabled": false, "port-forwarding-enabled": false,"#;

/// Disables what a client of plain BEP 3 over TCP does not have.
const TCP_ONLY_SETTINGS: &str = r#""pex-enabled": false, "utp-enabled": false,"#;

impl TransmissionClient {
    /// Finds the program.
    pub fn find(encryption: Encryption, location: &NetworkLocation) -> Option<Self> {
        let is_here = [DAEMON, REMOTE, SHOW].iter().all(|program| find_program(program).is_some());
        is_here.then(|| Self { encryption, location: location.clone() })
    }

    fn settings(&self) -> String {
        let encryption = match self.encryption {
            Encryption::Off => "0",
            Encryption::Default => "1",
            Encryption::Required => "2",
        };
        let mut switches = String::new();
        if self.location.is_loopback() {
            switches.push_str(NO_DISCOVERY_SETTINGS);
        }
        if self.encryption == Encryption::Off {
            switches.push_str(TCP_ONLY_SETTINGS);
        }
        let address = self.location.address().to_string();
        SETTINGS.replace("ENCRYPTION", encryption).replace("SWITCHES", &switches).replace("ADDRESS", &address)
    }
}

impl TorrentClient for TransmissionClient {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        let own = tempfile::tempdir().expect("a temporary folder");
        fs::write(own.path().join("settings.json"), self.settings()).expect("a file");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let control = RemoteControl { address, location: self.location.clone() };
        let mut command = self.location.command(DAEMON);
        command.args(["--foreground", "--log-info", "--port", &address.port().to_string()]);
        command.args(["--peerport", &free_port().to_string(), "--config-dir"]).arg(own.path());
        command.arg("--download-dir").arg(folder);
        let running = ClientProcess::start(self.name(), command, own, Box::new(control.clone()));
        wait_until("transmission to add a torrent", DEFAULT_TIMEOUT, || {
            let mut add = control.command();
            add.arg("--add").arg(torrent);
            add.status().is_ok_and(|status| status.success())
        });
        running
    }

    fn dials_loopback(&self) -> bool {
        !self.location.is_loopback()
    }

    fn read_infohash(&self, torrent: &Path) -> String {
        let output = Command::new(SHOW).arg(torrent).output().expect("transmission-show runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hash = text.lines().find_map(|line| line.trim().strip_prefix("Hash: "));
        hash.unwrap_or_else(|| panic!("transmission cannot read {}: {text}", torrent.display())).to_owned()
    }
}

/// The address and options of the daemon's remote control.
#[derive(Debug, Clone)]
struct RemoteControl {
    address: SocketAddr,
    location: NetworkLocation,
}

impl RemoteControl {
    fn command(&self) -> Command {
        let mut command = self.location.command(REMOTE);
        command
            .arg(self.address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn show(&self) -> String {
        let output = self.command().args(["--torrent", "1", "--info"]).stdout(Stdio::piped()).output();
        String::from_utf8_lossy(&output.expect("transmission-remote runs").stdout).into_owned()
    }
}

impl CompletionCheck for RemoteControl {
    fn is_complete(&self, _output: &OutputLines) -> bool {
        let text = self.show();
        // While a torrent is being verified, its unverified data counts as present.
        text.contains("Percent Done: 100%")
            && (text.contains("State: Idle") || text.contains("State: Seeding"))
    }

    fn diagnostics(&self) -> String {
        self.show()
    }
}
