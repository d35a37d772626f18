//! A torrent of several files, downloaded from the command line.

use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::syscalls::traced_program::TracedProgram;
use crate::test_folder::TestFolder;
use crate::third_party::{SwarmMember, SwarmTracker, TorrentFixture, TorrentLayout};
use crate::torrent_peer::{TorrentPeer, create_torrent};

/// A torrent download from start to end.
#[derive(Debug)]
pub(in super::super) struct TorrentScenario {
    fixture: TorrentFixture,
    _seed: SwarmMember,
    folder: TestFolder,
    /// True once the program has reported completion.
    is_done: bool,
}

impl TorrentScenario {
    /// Starts a tracker and a seed.
    pub(in super::super) fn new() -> Self {
        let fixture = TorrentFixture::create_with(
            TorrentLayout::Folder,
            1221,
            SwarmTracker::in_process(),
            |content, url, torrent| {
                create_torrent(content, url, torrent, &["--piece-length", "1M"]);
            },
        );
        let seed = fixture.start_only_seed(&TorrentPeer::default());
        Self { fixture, _seed: seed, folder: TestFolder::new(), is_done: false }
    }
}

impl Scenario for TorrentScenario {
    fn name(&self) -> &'static str {
        "node: torrent"
    }

    fn prepare(&mut self) {
        (self.folder, self.is_done) = (TestFolder::new(), false);
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        TorrentPeer::with_options(&["--verbose"]).command(
            "download",
            &self.fixture.torrent,
            self.folder.path(),
        )
    }

    fn drive(&mut self, program: &mut TracedProgram) {
        self.is_done = program.wait_for_line("done").is_some();
    }

    fn assert_final_files(&self) {
        let found = self.folder.visible_files();
        for (path, content) in self.fixture.files() {
            let actual = found.get(path);
            assert!(actual.is_none_or(|actual| actual == content), "{path} is wrong");
            assert!(actual.is_some() || !self.is_done, "the download was done, but {path} is missing");
        }
    }

    fn recover(&mut self) {
        let folder = std::mem::take(&mut self.folder);
        let mut member = self.fixture.start_in_folder(&TorrentPeer::default(), folder);
        self.fixture.wait_until_complete(&mut member);
        member.client.process().wait(crate::eventually::DEFAULT_TIMEOUT);
        self.fixture.assert_only_files_in(&member.folder);
        self.fixture.assert_files_in(&member.folder);
    }
}
