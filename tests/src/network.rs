//! An index and its nodes, as most stories use them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::index::Hit;

use crate::content::TestContent;
use crate::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use crate::index::IndexProcess;
use crate::index_session::IndexSession;
use crate::peer::{CompletedDownload, PeerProcess, peer_node};
use crate::test_folder::TestFolder;

/// An index and a session that observes it.
#[derive(Debug)]
pub struct TestNetwork {
    /// The index.
    pub index: IndexProcess,
    observer: Option<IndexSession>,
}

/// A node and its folder.
#[derive(Debug)]
pub struct RunningNode {
    /// The process.
    pub peer: PeerProcess,
    /// The share folder.
    pub folder: TestFolder,
}

impl RunningNode {
    /// Starts a node in a new folder with files; `command` returns its command for that folder.
    pub fn launch(files: &[(&str, &TestContent)], command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = TestFolder::with_files(files);
        Self { peer: PeerProcess::launch(command(folder.path())), folder }
    }

    /// Restarts the node after it has ended in any way.
    pub fn restart(&mut self, index: SocketAddr) {
        self.peer.kill();
        self.peer = PeerProcess::start(index, self.folder.path());
    }

    /// Restarts the node on the same port with the given options.
    pub fn restart_with(&mut self, index: SocketAddr, options: &[&str]) {
        self.peer.kill();
        let mut command = peer_node(self.peer.address().port(), index, self.folder.path());
        command.args(options);
        self.peer = PeerProcess::launch(command);
    }

    /// Returns the content bytes that the node has sent since its start, to about 50 KiB.
    pub fn bytes_sent(&mut self) -> u64 {
        self.peer.run("status").bytes_sent().expect("totals in the status")
    }

    /// Downloads content by its digest and compares the file on disk with it.
    pub fn download(&mut self, content: &TestContent) -> CompletedDownload {
        let answer = self.peer.run(&format!("download {}", content.digest));
        let mut done = answer.completed_downloads();
        assert_eq!(done.len(), 1, "{answer:#?}");
        assert!(answer.errors().is_empty(), "{answer:#?}");
        self.path_of(content);
        done.swap_remove(0)
    }

    /// Returns the path of the content in the node's folder; panics if it is not there.
    pub fn path_of(&self, content: &TestContent) -> String {
        let files = self.folder.visible_files();
        let entry = files.iter().find(|(_, file)| *file == content);
        let names: Vec<&String> = files.keys().collect();
        entry.unwrap_or_else(|| panic!("{} is not among {names:?}", content.digest)).0.clone()
    }
}

impl Default for TestNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl TestNetwork {
    /// Starts an index.
    pub fn new() -> Self {
        Self::with_index(IndexProcess::start())
    }

    /// Uses an index that is already running.
    pub const fn with_index(index: IndexProcess) -> Self {
        Self { index, observer: None }
    }

    /// Returns a session that observes the index; opens a new one if the old one is broken.
    pub fn observer(&mut self) -> &mut IndexSession {
        let works =
            self.observer.as_mut().is_some_and(|seen| seen.call(protocol::index::Request::Renew).is_ok());
        if !works {
            let address = self.index.address();
            self.observer =
                Some(eventually("the index to answer", DEFAULT_TIMEOUT, || IndexSession::open(address).ok()));
        }
        self.observer.as_mut().expect("just made")
    }

    /// Starts a node without shared files.
    pub fn start_empty_node(&self, options: &[&str]) -> RunningNode {
        self.launch_node(&[], options)
    }

    fn launch_node(&self, files: &[(&str, &TestContent)], options: &[&str]) -> RunningNode {
        RunningNode::launch(files, |folder| {
            let mut command = peer_node(0, self.index.address(), folder);
            command.args(options);
            command
        })
    }

    /// Starts a node that shares files, and waits until the index lists them.
    pub fn start_node(&mut self, files: &[(&str, &TestContent)]) -> RunningNode {
        self.start_node_with(files, &[])
    }

    /// Starts a node like [`TestNetwork::start_node`], with the given options.
    pub fn start_node_with(&mut self, files: &[(&str, &TestContent)], options: &[&str]) -> RunningNode {
        let node = self.launch_node(files, options);
        self.wait_for_files(node.peer.address(), files.len());
        node
    }

    /// Waits until the index lists `files` files of the peer at an address.
    pub fn wait_for_files(&mut self, peer: SocketAddr, files: usize) {
        self.wait_for_files_within(peer, files, DEFAULT_TIMEOUT);
    }

    /// Waits like [`TestNetwork::wait_for_files`], with a time limit.
    pub fn wait_for_files_within(&mut self, peer: SocketAddr, files: usize, limit: Duration) {
        wait_until(&format!("{files} files of {peer}"), limit, || {
            let listed = self.observer().files_of(peer);
            let found = listed.last().is_none_or(|file| {
                let sources = self.observer().sources(file.digest);
                sources.iter().any(|source| source.address == peer)
            });
            listed.len() == files && found
        });
    }

    /// Waits until content has exactly `count` sources.
    pub fn wait_for_sources(&mut self, digest: Digest, count: usize, limit: Duration) {
        wait_until(&format!("{count} sources of {}", digest.short()), limit, || {
            self.observer().sources(digest).len() == count
        });
    }

    /// Waits until a search has exactly `count` hits, and returns them.
    pub fn wait_for_hits(&mut self, query: &str, count: usize, limit: Duration) -> Vec<Hit> {
        eventually(&format!("{count} hits for {query:?}"), limit, || {
            let hits = self.observer().search(query);
            (hits.len() == count).then_some(hits)
        })
    }
}
