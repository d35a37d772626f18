//! A node that fetches a torrent of several files from the command line.

use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::foreign::{Layout, Member, Scene, SwarmTracker};
use crate::home::Home;
use crate::syscalls::victim::Victim;
use crate::torrent_peer::{TorrentPeer, create};

/// A torrent, from its start to its end.
#[derive(Debug)]
pub(in super::super) struct Fetching {
    scene: Scene,
    _seed: Member,
    home: Home,
    /// Returns true if the program has said that it is done.
    is_done: bool,
}

impl Fetching {
    /// Starts a tracker and a seed.
    pub(in super::super) fn new() -> Self {
        let scene = Scene::made(Layout::Folder, 1221, SwarmTracker::within(), |content, url, torrent| {
            create(content, url, torrent, &["--piece-length", "1M"]);
        });
        let seed = scene.seed_alone(&TorrentPeer::default());
        Self { scene, _seed: seed, home: Home::new(), is_done: false }
    }
}

impl Scenario for Fetching {
    fn name(&self) -> &'static str {
        "node: torrent"
    }

    fn prepare(&mut self) {
        (self.home, self.is_done) = (Home::new(), false);
    }

    fn folder(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        TorrentPeer::with(&["--verbose"]).command("download", &self.scene.torrent, self.home.path())
    }

    fn drive(&mut self, program: &mut Victim) {
        self.is_done = program.says("done").is_some();
    }

    fn inspect(&self) {
        let found = self.home.files();
        for (path, content) in self.scene.files() {
            let here = found.get(path);
            assert!(here.is_none_or(|here| here == content), "{path} is wrong");
            assert!(here.is_some() || !self.is_done, "it was done, and {path} is not there");
        }
    }

    fn recover(&mut self) {
        let home = std::mem::take(&mut self.home);
        let mut member = self.scene.go_on(&TorrentPeer::default(), home);
        self.scene.completes(&mut member);
        member.running.process().wait(crate::eventually::SOON);
        self.scene.is_tidy(&member.home);
        self.scene.is_in(&member.home);
    }
}
