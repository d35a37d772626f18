//! A new node that shares its folder and registers another one.

use std::path::Path;
use std::process::Command;

use super::Scenario;
use crate::content::{PIECE_LENGTH, TestContent};
use crate::network::TestNetwork;
use crate::peer::{CommandOutput, PeerProcess, peer_node};
use crate::syscalls::traced_program::TracedProgram;
use crate::test_folder::TestFolder;

/// The node's first start and a registration.
#[derive(Debug)]
pub(in super::super) struct RegistrationScenario {
    network: TestNetwork,
    initial_content: TestContent,
    registered_content: TestContent,
    outside: TestFolder,
    folder: TestFolder,
    /// The node's id in the first run.
    id: Option<String>,
    /// True once the other folder was registered.
    is_registered: bool,
}

impl RegistrationScenario {
    /// Starts an index.
    pub(in super::super) fn new() -> Self {
        let (own, other) =
            (TestContent::random(1201, 2 * PIECE_LENGTH), TestContent::random(1202, 3 * PIECE_LENGTH + 1));
        let outside = TestFolder::with_file("music/b.bin", &other);
        Self {
            network: TestNetwork::new(),
            initial_content: own,
            registered_content: other,
            outside,
            folder: TestFolder::new(),
            id: None,
            is_registered: false,
        }
    }

    /// Returns the path and content of each file, with true if the node must share it and false if it may.
    fn expected_files(&self) -> [(&'static str, &TestContent, bool); 2] {
        [
            ("a.bin", &self.initial_content, true),
            ("music/b.bin", &self.registered_content, self.is_registered),
        ]
    }
}

fn node_id(status: &CommandOutput) -> Option<String> {
    status.0.iter().find_map(|line| line.strip_prefix("node\t")).map(str::to_owned)
}

fn has_registered(status: &CommandOutput, files: &str) -> bool {
    status.contains(&format!("registered\t{files}"))
}

impl Scenario for RegistrationScenario {
    fn name(&self) -> &'static str {
        "node: first start, registration"
    }

    fn prepare(&mut self) {
        (self.folder, self.id, self.is_registered) =
            (TestFolder::with_file("a.bin", &self.initial_content), None, false);
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        peer_node(0, self.network.index.address(), self.folder.path())
    }

    fn drive(&mut self, program: &mut TracedProgram) {
        let Some(status) = program.run_until("status", |status| has_registered(status, "1 file")) else {
            return;
        };
        self.id = node_id(&status);
        let folder = self.outside.path().join("music");
        let Some(answer) = program.run(&format!("register {}", folder.display())) else { return };
        self.is_registered = answer.contains("shared\t") && answer.errors().is_empty();
        if self.is_registered {
            program.run_until("status", |status| has_registered(status, "2 files"));
        }
    }

    fn alternative_paths(&self, path: &str) -> Vec<String> {
        path.starts_with(".peerdex/manifests/").then(|| ".peerdex/manifests".to_owned()).into_iter().collect()
    }

    fn recover(&mut self) {
        let mut peer = PeerProcess::launch(peer_node(0, self.network.index.address(), self.folder.path()));
        let status = peer.run("status");
        assert!(self.id.is_none() || node_id(&status) == self.id, "the id was {:?}: {status:#?}", self.id);
        peer.run("register");
        let files = peer.run("files").files();
        for (path, content, is_needed) in self.expected_files() {
            let found = files.iter().find(|file| file.path == path);
            assert!(found.is_some() || !is_needed, "{path} is not shared: {files:?}");
            assert!(found.is_none_or(|file| file.digest == content.digest), "{path} is another file");
        }
        self.network.wait_for_files(peer.address(), files.len());
        let listed = self.network.observer().files_of(peer.address());
        for record in listed {
            let right = self
                .expected_files()
                .into_iter()
                .any(|(path, content, _)| record == content.file_record(path));
            assert!(right, "{record:?}");
        }
        assert_eq!(peer.stop(), Some(0));
    }
}
