//! A simple model of shares and of an index, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::escape::display_safe;
use protocol::index::{FileRecord, ListSummary, Refusal, Reply, Request, Share};
use tokio::sync::watch;

use super::{ShareChanges, ShareRecords, ShareSource};

/// Returns a record that differs from others by its path and one byte of its digest.
pub(super) fn file(path: &str, digest: u8) -> FileRecord {
    FileRecord {
        path: path.into(),
        size: 1,
        digest: Digest::from_bytes([digest; 32]),
        share: Share::Complete,
    }
}

/// The list that an index stores for one node.
#[derive(Debug, Default)]
pub(super) struct ModelList {
    pub(super) files: BTreeMap<String, FileRecord>,
    mentioned: Option<BTreeSet<String>>,
    /// Paths that the index refuses.
    pub(super) rejected_paths: BTreeSet<String>,
    /// The maximum number of files, if there is one.
    pub(super) max_files: Option<usize>,
    pub(super) store_fails: bool,
}

impl ModelList {
    pub(super) fn summary(&self) -> ListSummary {
        let mut summary = ListSummary::default();
        self.files.values().for_each(|file| summary.add(file));
        summary
    }

    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        match self.apply(request) {
            Ok(()) => Reply::List(self.summary()),
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    fn apply(&mut self, request: &Request) -> Result<(), Refusal> {
        if self.store_fails {
            return Err(Refusal::StoreUnavailable);
        }
        match request {
            Request::BeginList => self.mentioned = Some(BTreeSet::new()),
            Request::Register { files } => self.register(files)?,
            Request::Unregister { paths } => paths.iter().for_each(|path| drop(self.files.remove(path))),
            Request::EndList => {
                let mentioned = self.mentioned.take().expect("an end without a beginning");
                self.files.retain(|path, _| mentioned.contains(path));
            }
            Request::Renew => {}
            other => panic!("{other:?} does not concern the list"),
        }
        Ok(())
    }

    fn register(&mut self, files: &[FileRecord]) -> Result<(), Refusal> {
        if let Some(bad) = files.iter().find(|file| self.rejected_paths.contains(&file.path)) {
            let path = display_safe(&bad.path).into_owned();
            return Err(Refusal::BadRecord { path, reason: "not that one".into() });
        }
        let more = files.iter().filter(|file| !self.files.contains_key(&file.path)).count();
        if let Some(most) = self.max_files
            && self.files.len() + more > most
        {
            return Err(Refusal::TooMany { what: "files".into(), limit: most as u64 });
        }
        for file in files {
            self.files.insert(file.path.clone(), file.clone());
            if let Some(mentioned) = &mut self.mentioned {
                mentioned.insert(file.path.clone());
            }
        }
        Ok(())
    }
}

/// A share list that a test can change.
#[derive(Debug, Clone)]
pub(super) struct ModelShares {
    files: Arc<Mutex<Vec<FileRecord>>>,
    changes: watch::Sender<u64>,
}

impl ModelShares {
    pub(super) fn new(files: Vec<FileRecord>) -> Self {
        Self { files: Arc::new(Mutex::new(files)), changes: watch::Sender::new(1) }
    }

    pub(super) fn set(&self, files: Vec<FileRecord>) {
        *self.files.lock() = files;
        self.changes.send_modify(|generation| *generation += 1);
    }

    pub(super) fn summary(&self) -> ListSummary {
        let mut summary = ListSummary::default();
        self.files.lock().iter().for_each(|file| summary.add(file));
        summary
    }
}

impl ShareSource for ModelShares {
    fn records(&self) -> ShareRecords {
        self.files.lock().clone().into()
    }

    fn changes(&self) -> ShareChanges {
        ShareChanges::of_one(self.changes.subscribe())
    }

    fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
    }
}
