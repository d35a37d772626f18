//! An index and nodes on hosts of their own, connected by emulated long lines.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::infohash::Infohash;
use tempfile::TempDir;

use crate::content::TestContent;
use crate::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use crate::index_session::IndexSession;
use crate::long_line::{CongestionAlgorithm, LineConfig, LongLines, unavailable_reason};
use crate::network::RunningNode;
use crate::peer::run_with_input;
use crate::process::Process;
use crate::programs::programs;
use crate::test_folder::TestFolder;
use crate::third_party::ScrapeCounts;

const INDEX_HOST: usize = 0;
const NETWORK_PREFIX: [u8; 3] = [10, 99, 0];
const INDEX_DELAY: Duration = Duration::from_millis(1);
const GIGABIT: u64 = 1_000_000_000;

/// Hosts, the first of which runs an index that is also a tracker; everything ends when this is dropped.
#[derive(Debug)]
pub struct FarNetwork {
    _index: Process,
    _data: TempDir,
    /// The hosts. The first is that of the index, the others are behind the given lines.
    pub lines: LongLines,
}

impl FarNetwork {
    /// Creates hosts 1, 2, … behind the given lines, and starts an index in the middle. Prints that the story is
    /// skipped if this machine cannot do that.
    pub fn new(lines: &[LineConfig], congestion: CongestionAlgorithm) -> Option<Self> {
        if let Some(reason) = unavailable_reason().or_else(|| congestion.unavailable_reason()) {
            eprintln!("SKIPPED: {reason}, so downloads over long lines are NOT tested");
            return None;
        }
        let middle = LineConfig::new(GIGABIT, INDEX_DELAY, INDEX_DELAY);
        let all: Vec<LineConfig> = [middle].iter().chain(lines).copied().collect();
        let lines = LongLines::new(NETWORK_PREFIX, &all, congestion).expect("hosts on long lines");
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut command = lines.command(INDEX_HOST, &programs().index_server);
        command
            .args(["--listen", "0.0.0.0:1313", "--tracker", "0.0.0.0:6969", "--data-dir"])
            .arg(data.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let index = Process::spawn("index-server", command);
        let network = Self { _index: index, _data: data, lines };
        let address = network.index_address();
        wait_until("the index to listen", DEFAULT_TIMEOUT, || {
            network.in_index_namespace(|| TcpStream::connect(address).is_ok())
        });
        Some(network)
    }

    /// Returns the address of the index.
    pub fn index_address(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX_HOST), 1313))
    }

    /// Returns the address of the tracker.
    pub fn tracker_address(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX_HOST), 6969))
    }

    /// Returns the command of a node on a host.
    pub fn node_command(&self, host: usize, share_dir: &Path) -> Command {
        let mut command = self.lines.command(host, &programs().peer_node);
        command.args(["12349", "--listen-host", "0.0.0.0", "--index", &self.index_address().to_string()]);
        command.arg("--share-dir").arg(share_dir).env("NO_COLOR", "1");
        command
    }

    /// Starts a node on a host that shares files, and waits until the index lists them.
    pub fn start_node(&self, host: usize, files: &[(&str, &TestContent)]) -> RunningNode {
        let node = RunningNode::launch(files, |folder| self.node_command(host, folder));
        for (_, content) in files {
            self.wait_for_source(content.digest, host);
        }
        node
    }

    fn wait_for_source(&self, digest: Digest, host: usize) {
        let (index, address) = (self.index_address(), self.lines.address(host));
        let session = || self.in_index_namespace(|| IndexSession::open(index).ok());
        let mut session = eventually("the index to answer", DEFAULT_TIMEOUT, session);
        wait_until("the index to list a source", DEFAULT_TIMEOUT, || {
            session.sources(digest).iter().any(|source| source.address.ip() == address)
        });
    }

    /// Waits until `count` peers have announced a torrent as complete.
    pub fn wait_for_seeders(&self, infohash: Infohash, count: u64) {
        let tracker = self.tracker_address();
        wait_until("the tracker to list all seeders", DEFAULT_TIMEOUT, || {
            let scrape = self.in_index_namespace(|| ScrapeCounts::fetch(tracker, infohash));
            scrape.is_some_and(|scrape| scrape.complete == count)
        });
    }

    /// Runs a new node on a host with a script until it exits. Returns its output and the duration.
    pub fn run_script(&self, host: usize, folder: &TestFolder, commands: &[&str]) -> (Output, Duration) {
        let command = self.node_command(host, folder.path());
        let start = Instant::now();
        (run_with_input(command, &(commands.join("\n") + "\n")), start.elapsed())
    }

    fn in_index_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.lines.inside(INDEX_HOST, work).expect("the namespace of the index")
    }
}
