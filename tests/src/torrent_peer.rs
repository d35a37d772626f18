//! Peerdex as a BitTorrent client, controlled by its command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::eventually::DEFAULT_TIMEOUT;
use crate::programs::programs;
use crate::third_party::{ClientProcess, CompletionLine, NetworkLocation, TorrentClient};

/// The `torrent` commands of `peer-node` with the options of a story.
#[derive(Debug, Default, Clone)]
pub struct TorrentPeer {
    options: Vec<String>,
    /// File of trusted certificates, instead of the system's.
    trusted_certificates: Option<PathBuf>,
    location: NetworkLocation,
}

impl TorrentPeer {
    /// Adds options to those that every story needs.
    pub fn with_options(options: &[&str]) -> Self {
        Self { options: options.iter().copied().map(String::from).collect(), ..Self::default() }
    }

    /// Trusts only the certificates in a file.
    pub fn trusting(certificates: &Path) -> Self {
        Self { trusted_certificates: Some(certificates.into()), ..Self::default() }
    }

    /// Runs the program at another location than the loopback.
    #[must_use]
    pub fn at(mut self, location: &NetworkLocation) -> Self {
        self.location = location.clone();
        self
    }

    /// Returns the command of `torrent download` or `torrent seed`.
    pub fn command(&self, verb: &str, torrent: &Path, folder: &Path) -> Command {
        let mut command = add_quiet_options(self.location.command(&programs().peer_node), verb);
        command.arg(torrent).arg("--dir").arg(folder);
        command
            .args(["--port", "0", "--listen-host", &self.location.address().to_string()])
            .args(&self.options);
        command.envs(self.trusted_certificates.iter().map(|file| ("SSL_CERT_FILE", file)));
        command
    }

    /// Starts a command.
    pub fn start(&self, verb: &str, torrent: &Path, folder: &Path) -> ClientProcess {
        let own = tempfile::tempdir().expect("a temporary folder");
        let command = self.command(verb, torrent, folder);
        let is_done = |line: &str| line.starts_with("done");
        ClientProcess::start("peer-node torrent", command, own, Box::new(CompletionLine(is_done)))
    }
}

/// Returns a command of `peer-node torrent`.
pub fn torrent_command(verb: &str) -> Command {
    add_quiet_options(Command::new(&programs().peer_node), verb)
}

fn add_quiet_options(mut command: Command, verb: &str) -> Command {
    command.args(["torrent", verb]).env("NO_COLOR", "1").env_remove("RUST_LOG");
    command
}

/// Creates a `.torrent` with `peer-node torrent create`.
pub fn create_torrent(content: &Path, announce: &str, torrent: &Path, options: &[&str]) {
    let mut command = torrent_command("create");
    command.arg(content).args(["--announce", announce, "--output"]).arg(torrent).args(options);
    let output = command.output().expect("a program that was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Parses the listen address from a program's output.
pub fn listen_address(running: &ClientProcess) -> SocketAddr {
    let output = running.output();
    let line = output.find(0, DEFAULT_TIMEOUT, |line| line.starts_with("listening "));
    let line = line.unwrap_or_else(|| panic!("no listen address: {}", output.text()));
    let text = output.lines_from(line).swap_remove(0);
    let address = text.trim_start_matches("listening ").parse();
    address.unwrap_or_else(|_| panic!("no address: {text}"))
}

impl TorrentClient for TorrentPeer {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        self.start("download", torrent, folder)
    }

    fn seed(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        self.start("seed", torrent, folder)
    }

    fn read_infohash(&self, torrent: &Path) -> String {
        let output = torrent_command("show").arg("--json").arg(torrent).output();
        let output = output.expect("a program that was built");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let infohash = shown.as_ref().and_then(|shown| shown.get("infohash")?.as_str());
        infohash.unwrap_or_else(|| panic!("no infohash: {text}")).to_owned()
    }
}
