//! An index and its peers, as most stories want them.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::index::Hit;

use crate::content::Content;
use crate::eventually::{SOON, eventually, until};
use crate::home::Home;
use crate::index::Index;
use crate::index_session::IndexSession;
use crate::peer::{Done, Peer, peer_node};

/// An index, and one that watches it.
#[derive(Debug)]
pub struct Network {
    /// The index.
    pub index: Index,
    observer: Option<IndexSession>,
}

/// A peer and its folder.
#[derive(Debug)]
pub struct Node {
    /// The peer.
    pub peer: Peer,
    /// Its folder.
    pub home: Home,
}

impl Node {
    /// Starts the peer again, after it has ended in whatever way.
    pub fn start_again(&mut self, index: SocketAddr) {
        self.peer.kill();
        self.peer = Peer::start(index, self.home.path());
    }

    /// Starts the peer again on the port it had, with options of its own.
    pub fn start_again_with(&mut self, index: SocketAddr, options: &[&str]) {
        self.peer.kill();
        let mut command = peer_node(self.peer.address().port(), index, self.home.path());
        command.args(options);
        self.peer = Peer::launch(command);
    }

    /// Returns how much content the peer has sent since it was started, in bytes, to about 50 KiB.
    pub fn sent(&mut self) -> u64 {
        self.peer.say("status").sent().expect("totals in a status")
    }

    /// Downloads a content by its digest, and holds the file on disk against it.
    pub fn fetch(&mut self, content: &Content) -> Done {
        let answer = self.peer.say(&format!("download {}", content.digest));
        let mut done = answer.done();
        assert_eq!(done.len(), 1, "{answer:#?}");
        assert!(answer.errors().is_empty(), "{answer:#?}");
        self.has(content);
        done.swap_remove(0)
    }

    /// Says under which path a content lies in the folder; panics if it does not.
    pub fn has(&self, content: &Content) -> String {
        let files = self.home.files();
        let place = files.iter().find(|(_, file)| *file == content);
        let names: Vec<&String> = files.keys().collect();
        place.unwrap_or_else(|| panic!("{} is not among {names:?}", content.digest)).0.clone()
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// Starts an index.
    pub fn new() -> Self {
        Self::around(Index::start())
    }

    /// Takes an index that runs already.
    pub const fn around(index: Index) -> Self {
        Self { index, observer: None }
    }

    /// Gives a session that sees what the index holds; a new one where the old one has broken.
    pub fn observer(&mut self) -> &mut IndexSession {
        let works =
            self.observer.as_mut().is_some_and(|seen| seen.call(protocol::index::Request::Renew).is_ok());
        if !works {
            let address = self.index.address();
            self.observer =
                Some(eventually("the index to answer", SOON, || IndexSession::open(address).ok()));
        }
        self.observer.as_mut().expect("just made")
    }

    /// Starts a peer that shares nothing yet, with options of its own.
    pub fn node_with(&self, options: &[&str]) -> Node {
        let home = Home::new();
        let mut command = peer_node(0, self.index.address(), home.path());
        command.args(options);
        Node { peer: Peer::launch(command), home }
    }

    /// Starts a peer that shares some files, and waits until they can be found.
    pub fn node(&mut self, files: &[(&str, &Content)]) -> Node {
        self.sharer(files, &[])
    }

    /// Starts a peer that shares some files like [`Network::node`], with options of its own.
    pub fn sharer(&mut self, files: &[(&str, &Content)], options: &[&str]) -> Node {
        let home = Home::new();
        for (path, content) in files {
            home.put(path, content);
        }
        let mut command = peer_node(0, self.index.address(), home.path());
        command.args(options);
        let peer = Peer::launch(command);
        self.wait_for_files(peer.address(), files.len());
        Node { peer, home }
    }

    /// Waits until the index has so many files of the peer at an address, and tells others of them.
    pub fn wait_for_files(&mut self, peer: SocketAddr, files: usize) {
        self.wait_for_files_within(peer, files, SOON);
    }

    /// Waits for files like [`Network::wait_for_files`], but not longer than `limit`.
    pub fn wait_for_files_within(&mut self, peer: SocketAddr, files: usize, limit: Duration) {
        until(&format!("{files} files of {peer}"), limit, || {
            let listed = self.observer().files_of(peer);
            let found = listed.last().is_none_or(|file| {
                let sources = self.observer().sources(file.digest);
                sources.iter().any(|source| source.address == peer)
            });
            listed.len() == files && found
        });
    }

    /// Waits until a content has exactly so many sources.
    pub fn wait_for_sources(&mut self, digest: Digest, count: usize, limit: Duration) {
        until(&format!("{count} sources of {}", digest.short()), limit, || {
            self.observer().sources(digest).len() == count
        });
    }

    /// Waits until a search has exactly so many hits, and returns them.
    pub fn wait_for_hits(&mut self, query: &str, count: usize, limit: Duration) -> Vec<Hit> {
        eventually(&format!("{count} hits for {query:?}"), limit, || {
            let hits = self.observer().search(query);
            (hits.len() == count).then_some(hits)
        })
    }
}
