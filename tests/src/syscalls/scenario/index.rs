//! An index at which a node registers files.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::SigningKey;
use protocol::index::{FileRecord, ListSummary, Refusal, Reply, Request};

use super::Scenario;
use crate::content::TestContent;
use crate::eventually::{DEFAULT_TIMEOUT, poll_within};
use crate::index::{IndexProcess, index_server};
use crate::index_session::{IndexSession, signing_key};
use crate::syscalls::traced_program::TracedProgram;
use crate::test_folder::TestFolder;

type AcknowledgedFiles = BTreeMap<String, FileRecord>;

/// Registrations at an index, from the index's first start to its end.
#[derive(Debug)]
pub(in super::super) struct IndexScenario {
    key: SigningKey,
    folder: TestFolder,
    /// The acknowledged list.
    acknowledged: AcknowledgedFiles,
    /// The list if the pending change was applied.
    pending: AcknowledgedFiles,
}

impl IndexScenario {
    /// Creates the scenario without starting anything.
    pub(in super::super) fn new() -> Self {
        let (acknowledged, pending) = (AcknowledgedFiles::new(), AcknowledgedFiles::new());
        Self { key: signing_key(1231), folder: TestFolder::new(), acknowledged, pending }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("index-data")
    }

    fn greet(&self, index: std::net::SocketAddr) -> Option<IndexSession> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        IndexSession::open_as(index, &self.key, listener).ok()
    }

    /// Sends a change until it is acknowledged. Returns `None` if the index ends first.
    fn change_list(
        &mut self,
        session: &mut IndexSession,
        request: &Request,
        files: AcknowledgedFiles,
    ) -> Option<()> {
        self.pending = files;
        poll_within(DEFAULT_TIMEOUT, || match session.call(request.clone()) {
            Ok(Reply::List(summary)) => {
                assert_eq!(summary, summarize(&self.pending));
                Some(Some(()))
            }
            // The index reopens its store.
            Ok(Reply::Refused(Refusal::StoreUnavailable)) => None,
            Ok(other) => panic!("a change got the reply {other:?}"),
            Err(_) => Some(None),
        })
        .expect("the store is available again within a minute")?;
        self.acknowledged = self.pending.clone();
        Some(())
    }
}

/// Returns `count` files; different seeds give different content.
fn numbered_files(seed: u64, count: u64) -> AcknowledgedFiles {
    let record = |number| {
        let content = TestContent::random(seed * 1000 + number, 100);
        (format!("folder/{seed} {number}.bin"), content)
    };
    (0..count).map(record).map(|(path, content)| (path.clone(), content.file_record(&path))).collect()
}

fn summarize(files: &AcknowledgedFiles) -> ListSummary {
    let mut summary = ListSummary::default();
    for file in files.values() {
        summary.add(file);
    }
    summary
}

impl Scenario for IndexScenario {
    fn name(&self) -> &'static str {
        "index: first start, registrations"
    }

    fn prepare(&mut self) {
        (self.folder, self.acknowledged, self.pending) =
            (TestFolder::new(), AcknowledgedFiles::new(), AcknowledgedFiles::new());
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        index_server("127.0.0.1:0", &self.data())
    }

    fn drive(&mut self, program: &mut TracedProgram) {
        let address =
            program.wait_for_line("index-server listening on ").and_then(|address| address.parse().ok());
        let Some(mut session) = address.and_then(|address| self.greet(address)) else { return };
        let (first, second) = (numbered_files(1, 40), numbered_files(2, 40));
        let mut both = first.clone();
        both.extend(second.clone());
        let register =
            |files: &AcknowledgedFiles| Request::Register { files: files.values().cloned().collect() };
        let unregister = Request::Unregister { paths: first.keys().cloned().collect() };
        let _ = self
            .change_list(&mut session, &register(&first), first.clone())
            .and_then(|()| self.change_list(&mut session, &register(&second), both))
            .and_then(|()| self.change_list(&mut session, &unregister, second));
        drop(session);
        program.terminate();
    }

    fn alternative_paths(&self, path: &str) -> Vec<String> {
        // Messages about the database's files may name the database.
        ["store.new", "store"]
            .iter()
            .filter(|folder| path.starts_with(&format!("index-data/{folder}/")))
            .map(|folder| format!("index-data/{folder}"))
            .collect()
    }

    fn recover(&mut self) {
        let mut index = IndexProcess::start_with_data_dir(&self.data(), "127.0.0.1:0", &[]);
        let mut session = self.greet(index.address()).expect("the index accepts a session");
        let stored = session.welcome.list;
        let expected = [summarize(&self.acknowledged), summarize(&self.pending)];
        assert!(expected.contains(&stored), "{stored:?} is not among {expected:?}");
        // Registrations continue from the stored list.
        let (more, mut all) = (numbered_files(3, 3), self.acknowledged.clone());
        if stored == expected[1] {
            all.clone_from(&self.pending);
        }
        all.extend(more.clone());
        let request = Request::Register { files: more.into_values().collect() };
        self.change_list(&mut session, &request, all).expect("the index keeps running");
        assert_eq!(index.stop(), Some(0));
    }
}
