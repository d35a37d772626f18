//! A new node that shares a folder, and registers another one.

use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::content::{Content, PIECE};
use crate::home::Home;
use crate::network::Network;
use crate::peer::{Answer, Peer, peer_node};
use crate::syscalls::victim::Victim;

/// The node's first start and its registration.
#[derive(Debug)]
pub(in super::super) struct Registering {
    network: Network,
    own: Content,
    other: Content,
    outside: Home,
    home: Home,
    /// The id under which the node was known.
    id: Option<String>,
    /// Returns true if the other folder was registered.
    is_registered: bool,
}

impl Registering {
    /// Starts an index.
    pub(in super::super) fn new() -> Self {
        let (own, other) = (Content::random(1201, 2 * PIECE), Content::random(1202, 3 * PIECE + 1));
        let outside = Home::with("music/b.bin", &other);
        Self {
            network: Network::new(),
            own,
            other,
            outside,
            home: Home::new(),
            id: None,
            is_registered: false,
        }
    }

    /// What the node must have under which path, and what it may have.
    fn expected(&self) -> [(&'static str, &Content, bool); 2] {
        [("a.bin", &self.own, true), ("music/b.bin", &self.other, self.is_registered)]
    }
}

fn id(status: &Answer) -> Option<String> {
    status.0.iter().find_map(|line| line.strip_prefix("node\t")).map(str::to_owned)
}

fn has_registered(status: &Answer, files: &str) -> bool {
    status.has(&format!("registered\t{files}"))
}

impl Scenario for Registering {
    fn name(&self) -> &'static str {
        "node: first start, registration"
    }

    fn prepare(&mut self) {
        (self.home, self.id, self.is_registered) = (Home::with("a.bin", &self.own), None, false);
    }

    fn folder(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        peer_node(0, self.network.index.address(), self.home.path())
    }

    fn drive(&mut self, program: &mut Victim) {
        let Some(status) = program.ask_until("status", |status| has_registered(status, "1 file")) else {
            return;
        };
        self.id = id(&status);
        let folder = self.outside.path().join("music");
        let Some(answer) = program.ask(&format!("register {}", folder.display())) else { return };
        self.is_registered = answer.has("shared\t") && answer.errors().is_empty();
        if self.is_registered {
            program.ask_until("status", |status| has_registered(status, "2 files"));
        }
    }

    fn stand_ins(&self, path: &str) -> Vec<String> {
        path.starts_with(".peerdex/manifests/").then(|| ".peerdex/manifests".to_owned()).into_iter().collect()
    }

    fn recover(&mut self) {
        let mut peer = Peer::launch(peer_node(0, self.network.index.address(), self.home.path()));
        let status = peer.say("status");
        assert!(self.id.is_none() || id(&status) == self.id, "it was {:?}: {status:#?}", self.id);
        peer.say("register");
        let files = peer.say("files").files();
        for (path, content, is_needed) in self.expected() {
            let found = files.iter().find(|file| file.path == path);
            assert!(found.is_some() || !is_needed, "{path} is not shared: {files:?}");
            assert!(found.is_none_or(|file| file.digest == content.digest), "{path} is another file");
        }
        self.network.wait_for_files(peer.address(), files.len());
        let listed = self.network.observer().files_of(peer.address());
        for record in listed {
            let right = self.expected().into_iter().any(|(path, content, _)| record == content.record(path));
            assert!(right, "{record:?}");
        }
        assert_eq!(peer.stop(), Some(0));
    }
}
