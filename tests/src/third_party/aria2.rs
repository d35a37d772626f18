use std::path::Path;
use std::process::Command;

use super::client_process::CompletionLine;
use super::{ClientProcess, Encryption, TorrentClient, find_program};
use crate::free_port::free_port;

/// aria2. It tries encryption first when it dials, and falls back to plaintext unless encryption is required.
#[derive(Debug)]
pub struct Aria2Client {
    encryption: Encryption,
}

const PROGRAM: &str = "aria2c";

const OPTIONS: [&str; 12] = [
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--disable-ipv6=true",
    "--interface=127.0.0.1",
    "--file-allocation=none",
    "--async-dns=false",
    "--show-console-readout=false",
    "--check-integrity=true",
    // Seed without a time limit.
    "--seed-ratio=0.0",
];

impl Aria2Client {
    /// Finds the program.
    pub fn find(encryption: Encryption) -> Option<Self> {
        find_program(PROGRAM).map(|_| Self { encryption })
    }

    /// Returns true for the output line of `echo`, which aria2 runs on completion with a number of 16 digits, a count
    /// and a path.
    fn is_complete(line: &str) -> bool {
        let mut words = line.split(' ');
        let number = words.next().unwrap_or_default();
        number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit()) && words.count() >= 2
    }
}

impl TorrentClient for Aria2Client {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        let own = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(PROGRAM);
        command.args(OPTIONS).arg(format!("--listen-port={}", free_port()));
        if self.encryption == Encryption::Required {
            command.args(["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]);
        }
        let echo = find_program("echo").expect("echo on the PATH");
        command.arg(format!("--on-bt-download-complete={}", echo.display()));
        command.arg("--dir").arg(folder).arg(torrent);
        ClientProcess::start(self.name(), command, own, Box::new(CompletionLine(Self::is_complete)))
    }

    fn supports_udp_trackers(&self) -> bool {
        // aria2 opens its UDP tracker socket only together with the DHT.
        false
    }

    fn read_infohash(&self, torrent: &Path) -> String {
        let output = Command::new(PROGRAM).args(["--no-conf", "--show-files"]).arg(torrent).output();
        let text = String::from_utf8_lossy(&output.expect("aria2 runs").stdout).into_owned();
        let hash = text.lines().find_map(|line| line.strip_prefix("Info Hash: "));
        hash.unwrap_or_else(|| panic!("aria2 cannot read {}: {text}", torrent.display())).trim().to_owned()
    }
}
