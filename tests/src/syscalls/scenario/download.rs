//! A node that downloads a file.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::content::{Content, PIECE};
use crate::eventually::{SOON, until};
use crate::home::Home;
use crate::network::{Network, Node};
use crate::peer::{Peer, peer_node};
use crate::syscalls::victim::Victim;

/// Where the file is to lie.
const PLACE: &str = "new/big.iso";

/// The rate of the source: the download takes so long that it is listed before it is done.
const RATE: &str = "1M";

/// A download by a node that has run before.
#[derive(Debug)]
pub(in super::super) struct Downloading {
    network: Network,
    content: Content,
    _source: Node,
    home: Home,
    /// Returns true if the node has said that the download is done.
    is_done: bool,
}

impl Downloading {
    /// Starts an index and a source.
    pub(in super::super) fn new() -> Self {
        let (mut network, content) = (Network::new(), Content::random(1211, 12 * PIECE + 77));
        let source = network.sharer(&[("big.iso", &content)], &["--max-upload-rate", RATE]);
        Self { network, content, _source: source, home: Home::new(), is_done: false }
    }
}

impl Scenario for Downloading {
    fn name(&self) -> &'static str {
        "node: download"
    }

    fn prepare(&mut self) {
        (self.home, self.is_done) = (Home::new(), false);
        let mut peer = Peer::launch(self.command());
        assert_eq!(peer.stop(), Some(0));
    }

    fn folder(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        peer_node(0, self.network.index.address(), self.home.path())
    }

    fn drive(&mut self, program: &mut Victim) {
        let order = format!("download {} as {PLACE}", self.content.digest);
        let Some(answer) = program.ask(&order) else { return };
        self.is_done = !answer.done().is_empty();
        if self.is_done {
            // It forgets the download, and shares the file.
            program.ask_until("status", |status| status.has("registered\t1 file"));
        }
    }

    fn stand_ins(&self, path: &str) -> Vec<String> {
        // What a download has before it is whole is called what the download is called.
        let is_of_download =
            path.starts_with(".peerdex/partial") || path.starts_with("new") || path.is_empty();
        let mut names: Vec<String> = is_of_download.then(|| PLACE.to_owned()).into_iter().collect();
        names.extend(is_of_download.then(|| format!("{}-{}.part", self.content.digest, self.content.size())));
        names.extend(path.starts_with(".peerdex/manifests/").then(|| ".peerdex/manifests".to_owned()));
        names
    }

    fn inspect(&self) {
        for (path, content) in self.home.files() {
            assert!(path == PLACE && content == self.content, "{path} is wrong");
        }
        assert!(!self.is_done || self.home.files().contains_key(PLACE), "it was done, and is not there");
    }

    fn recover(&mut self) {
        let mut peer = Peer::launch(self.command());
        let answer = peer.say(&format!("download {} as {PLACE}", self.content.digest));
        let is_there = !answer.done().is_empty() || answer.has("already here");
        assert!(is_there && answer.errors().is_empty(), "{answer:#?}");
        let expected = [self.content.record(PLACE)];
        until("the whole file to be listed", SOON, || {
            self.network.observer().files_of(peer.address()) == expected
        });
        assert_eq!(peer.stop(), Some(0));
        self.inspect();
        assert_eq!(self.home.files().len(), 1, "the file is not there");
        let left = fs::read_dir(self.home.path().join(".peerdex/partial")).into_iter().flatten().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "{left:?} are left over");
    }
}
