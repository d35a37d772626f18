//! An index and nodes that are far from each other, each on a host of its own behind an emulated long line.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::infohash::Infohash;
use tempfile::TempDir;

use crate::content::Content;
use crate::eventually::{SOON, eventually, until};
use crate::foreign::Scrape;
use crate::home::Home;
use crate::index_session::IndexSession;
use crate::long_line::{Congestion, Line, LongLines, obstacle};
use crate::network::Node;
use crate::peer::{Peer, run};
use crate::process::Process;
use crate::programs::programs;

const INDEX: usize = 0;
const PRIVATE: [u8; 3] = [10, 99, 0];
const NEAR: Duration = Duration::from_millis(1);
const GIGABIT: u64 = 1_000_000_000;

/// Hosts with an index, which is also a tracker, on the first of them; all of it ends when dropped.
#[derive(Debug)]
pub struct FarNetwork {
    _index: Process,
    _data: TempDir,
    /// The hosts; the first is the index's, the others are behind the lines they were made with.
    pub lines: LongLines,
}

impl FarNetwork {
    /// Makes hosts 1, 2 and so on behind these lines, and starts an index in the middle of them. Where that is not
    /// possible, reports loudly that the story is skipped.
    pub fn new(lines: &[Line], congestion: Congestion) -> Option<Self> {
        if let Some(reason) = obstacle().or_else(|| congestion.obstacle()) {
            eprintln!("SKIPPED: {reason}, so downloads over long lines are NOT tested");
            return None;
        }
        let middle = Line::new(GIGABIT, NEAR, NEAR);
        let all: Vec<Line> = [middle].iter().chain(lines).copied().collect();
        let lines = LongLines::new(PRIVATE, &all, congestion).expect("hosts on long lines");
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut command = lines.command(INDEX, &programs().index_server);
        command
            .args(["--listen", "0.0.0.0:1313", "--tracker", "0.0.0.0:6969", "--data-dir"])
            .arg(data.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let index = Process::spawn("index-server", command);
        let network = Self { _index: index, _data: data, lines };
        let address = network.index();
        until("the index to listen", SOON, || network.inside_index(|| TcpStream::connect(address).is_ok()));
        Some(network)
    }

    /// Returns where the index is.
    pub fn index(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX), 1313))
    }

    /// Returns where the tracker is.
    pub fn tracker(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX), 6969))
    }

    /// Makes the command of a node on a host.
    pub fn node_command(&self, host: usize, share_dir: &Path) -> Command {
        let mut command = self.lines.command(host, &programs().peer_node);
        command.args(["12349", "--listen-host", "0.0.0.0", "--index", &self.index().to_string()]);
        command.arg("--share-dir").arg(share_dir).env("NO_COLOR", "1");
        command
    }

    /// Starts a node on a host that shares some files, and waits until they can be found there.
    pub fn node(&self, host: usize, files: &[(&str, &Content)]) -> Node {
        let home = Home::new();
        for (path, content) in files {
            home.put(path, content);
        }
        let node = Node { peer: Peer::launch(self.node_command(host, home.path())), home };
        for (_, content) in files {
            self.wait_for_source(content.digest, host);
        }
        node
    }

    fn wait_for_source(&self, digest: Digest, host: usize) {
        let (index, address) = (self.index(), self.lines.address(host));
        let session = || self.inside_index(|| IndexSession::open(index).ok());
        let mut session = eventually("the index to answer", SOON, session);
        until("the index to list a source", SOON, || {
            session.sources(digest).iter().any(|source| source.address.ip() == address)
        });
    }

    /// Waits until so many peers have announced a torrent as complete.
    pub fn wait_for_seeders(&self, infohash: Infohash, count: u64) {
        let tracker = self.tracker();
        until("the tracker to list all seeders", SOON, || {
            let scrape = self.inside_index(|| Scrape::ask(tracker, infohash));
            scrape.is_some_and(|scrape| scrape.complete == count)
        });
    }

    /// Runs a new node on a host with a script, until it ends; returns its output and how long that took.
    pub fn script(&self, host: usize, home: &Home, commands: &[&str]) -> (Output, Duration) {
        let command = self.node_command(host, home.path());
        let start = Instant::now();
        (run(command, &(commands.join("\n") + "\n")), start.elapsed())
    }

    fn inside_index<T: Send>(&self, look: impl FnOnce() -> T + Send) -> T {
        self.lines.inside(INDEX, look).expect("the namespace of the index")
    }
}
