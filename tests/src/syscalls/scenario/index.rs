//! An index at which a node registers files.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::SigningKey;
use protocol::index::{FileRecord, ListSummary, Refusal, Reply, Request};

use super::Scenario;
use crate::content::Content;
use crate::eventually::{SOON, within};
use crate::home::Home;
use crate::index::{Index, index_server};
use crate::index_session::{IndexSession, key};
use crate::syscalls::victim::Victim;

type Files = BTreeMap<String, FileRecord>;

/// A registration at an index, from the index's first start to its end.
#[derive(Debug)]
pub(in super::super) struct Indexing {
    key: SigningKey,
    home: Home,
    /// The list that was acknowledged.
    acknowledged: Files,
    /// What the list is if the change under way was made.
    pending: Files,
}

impl Indexing {
    /// Starts nothing.
    pub(in super::super) fn new() -> Self {
        let (acknowledged, pending) = (Files::new(), Files::new());
        Self { key: key(1231), home: Home::new(), acknowledged, pending }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("index-data")
    }

    fn greet(&self, index: std::net::SocketAddr) -> Option<IndexSession> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        IndexSession::open_as(index, &self.key, listener).ok()
    }

    /// Makes a change until it is acknowledged; nothing if the index ends before.
    fn change(&mut self, session: &mut IndexSession, request: &Request, files: Files) -> Option<()> {
        self.pending = files;
        within(SOON, || match session.call(request.clone()) {
            Ok(Reply::List(summary)) => {
                assert_eq!(summary, sum(&self.pending));
                Some(Some(()))
            }
            // The store is opened anew.
            Ok(Reply::Refused(Refusal::StoreUnavailable)) => None,
            Ok(other) => panic!("a change was answered with {other:?}"),
            Err(_) => Some(None),
        })
        .expect("a store that is back within a minute")?;
        self.acknowledged = self.pending.clone();
        Some(())
    }
}

/// Some files, among which those of different seeds differ.
fn files(seed: u64, count: u64) -> Files {
    let record = |number| {
        let content = Content::random(seed * 1000 + number, 100);
        (format!("folder/{seed} {number}.bin"), content)
    };
    (0..count).map(record).map(|(path, content)| (path.clone(), content.record(&path))).collect()
}

fn sum(files: &Files) -> ListSummary {
    let mut summary = ListSummary::default();
    for file in files.values() {
        summary.add(file);
    }
    summary
}

impl Scenario for Indexing {
    fn name(&self) -> &'static str {
        "index: first start, registrations"
    }

    fn prepare(&mut self) {
        (self.home, self.acknowledged, self.pending) = (Home::new(), Files::new(), Files::new());
    }

    fn folder(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        index_server("127.0.0.1:0", &self.data())
    }

    fn drive(&mut self, program: &mut Victim) {
        let address = program.says("index-server listening on ").and_then(|address| address.parse().ok());
        let Some(mut session) = address.and_then(|address| self.greet(address)) else { return };
        let (first, second) = (files(1, 40), files(2, 40));
        let mut both = first.clone();
        both.extend(second.clone());
        let register = |files: &Files| Request::Register { files: files.values().cloned().collect() };
        let unregister = Request::Unregister { paths: first.keys().cloned().collect() };
        let _ = self
            .change(&mut session, &register(&first), first.clone())
            .and_then(|()| self.change(&mut session, &register(&second), both))
            .and_then(|()| self.change(&mut session, &unregister, second));
        drop(session);
        program.terminate();
    }

    fn stand_ins(&self, path: &str) -> Vec<String> {
        // The files of the database are its own.
        ["store.new", "store"]
            .iter()
            .filter(|folder| path.starts_with(&format!("index-data/{folder}/")))
            .map(|folder| format!("index-data/{folder}"))
            .collect()
    }

    fn recover(&mut self) {
        let mut index = Index::start_on(&self.data(), "127.0.0.1:0", &[]);
        let mut session = self.greet(index.address()).expect("an index that answers");
        let kept = session.welcome.list;
        let expected = [sum(&self.acknowledged), sum(&self.pending)];
        assert!(expected.contains(&kept), "{kept:?} is not among {expected:?}");
        // It goes on from there.
        let (more, mut all) = (files(3, 3), self.acknowledged.clone());
        if kept == expected[1] {
            all.clone_from(&self.pending);
        }
        all.extend(more.clone());
        let request = Request::Register { files: more.into_values().collect() };
        self.change(&mut session, &request, all).expect("an index that goes on");
        assert_eq!(index.stop(), Some(0));
    }
}
