//! A node that downloads a file.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::content::{PIECE_LENGTH, TestContent};
use crate::eventually::{DEFAULT_TIMEOUT, wait_until};
use crate::network::{RunningNode, TestNetwork};
use crate::peer::{PeerProcess, peer_node};
use crate::syscalls::traced_program::TracedProgram;
use crate::test_folder::TestFolder;

/// Path of the downloaded file.
const DESTINATION: &str = "new/big.iso";

/// Rate of the source; slow enough that the download is listed before it is done.
const RATE: &str = "1M";

/// A download by a node that has run before.
#[derive(Debug)]
pub(in super::super) struct DownloadScenario {
    network: TestNetwork,
    content: TestContent,
    _source: RunningNode,
    folder: TestFolder,
    /// True once the node has reported that the download is done.
    is_done: bool,
}

impl DownloadScenario {
    /// Starts an index and a source.
    pub(in super::super) fn new() -> Self {
        let (mut network, content) = (TestNetwork::new(), TestContent::random(1211, 12 * PIECE_LENGTH + 77));
        let source = network.start_node_with(&[("big.iso", &content)], &["--max-upload-rate", RATE]);
        Self { network, content, _source: source, folder: TestFolder::new(), is_done: false }
    }
}

impl Scenario for DownloadScenario {
    fn name(&self) -> &'static str {
        "node: download"
    }

    fn prepare(&mut self) {
        (self.folder, self.is_done) = (TestFolder::new(), false);
        let mut peer = PeerProcess::launch(self.command());
        assert_eq!(peer.stop(), Some(0));
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        peer_node(0, self.network.index.address(), self.folder.path())
    }

    fn drive(&mut self, program: &mut TracedProgram) {
        let download = format!("download {} as {DESTINATION}", self.content.digest);
        let Some(answer) = program.run(&download) else { return };
        self.is_done = !answer.completed_downloads().is_empty();
        if self.is_done {
            // Afterwards the node forgets the download and shares the file.
            program.run_until("status", |status| status.contains("registered\t1 file"));
        }
    }

    fn alternative_paths(&self, path: &str) -> Vec<String> {
        // Messages about a partial file name the download's destination.
        let is_of_download =
            path.starts_with(".peerdex/partial") || path.starts_with("new") || path.is_empty();
        let mut names: Vec<String> = is_of_download.then(|| DESTINATION.to_owned()).into_iter().collect();
        names.extend(is_of_download.then(|| format!("{}-{}.part", self.content.digest, self.content.size())));
        names.extend(path.starts_with(".peerdex/manifests/").then(|| ".peerdex/manifests".to_owned()));
        names
    }

    fn assert_final_files(&self) {
        for (path, content) in self.folder.visible_files() {
            assert!(path == DESTINATION && content == self.content, "{path} is wrong");
        }
        assert!(
            !self.is_done || self.folder.visible_files().contains_key(DESTINATION),
            "the download was done, but its file is missing"
        );
    }

    fn recover(&mut self) {
        let mut peer = PeerProcess::launch(self.command());
        let answer = peer.run(&format!("download {} as {DESTINATION}", self.content.digest));
        let is_there = !answer.completed_downloads().is_empty() || answer.contains("already here");
        assert!(is_there && answer.errors().is_empty(), "{answer:#?}");
        let expected = [self.content.file_record(DESTINATION)];
        wait_until("the complete file to be listed", DEFAULT_TIMEOUT, || {
            self.network.observer().files_of(peer.address()) == expected
        });
        assert_eq!(peer.stop(), Some(0));
        self.assert_final_files();
        assert_eq!(self.folder.visible_files().len(), 1, "the file is missing");
        let leftovers =
            fs::read_dir(self.folder.path().join(".peerdex/partial")).into_iter().flatten().flatten();
        let leftovers: Vec<_> = leftovers.map(|entry| entry.file_name()).collect();
        assert!(leftovers.is_empty(), "{leftovers:?} are left over");
    }
}
