use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::NotStarted;
use crate::view::{ContentId, DownloadId, DownloadView};

/// Maximum number of finished downloads that are remembered. Since pruning scans the table, it runs only once per
/// `STARTS_PER_PRUNE` starts.
const MAX_FINISHED: usize = 1000;
const STARTS_PER_PRUNE: u32 = 100;

/// What has changed in the table, so that a reader need not compare all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TableVersion {
    /// Number of the latest new download.
    pub(crate) last_added: u32,
    /// How often a download was removed, or replaced by another attempt under its number.
    pub(crate) replacements: u64,
}

/// The downloads of this run, by number.
#[derive(Debug, Default)]
pub(super) struct DownloadTable {
    last: u32,
    version: watch::Sender<TableVersion>,
    entries: BTreeMap<DownloadId, DownloadEntry>,
    /// The latest download of each content.
    latest: HashMap<ContentId, DownloadId>,
}

#[derive(Debug)]
struct DownloadEntry {
    contents: Vec<ContentId>,
    view: watch::Receiver<DownloadView>,
    cancel: CancellationToken,
}

impl DownloadTable {
    /// Adds the download created by `make`, unless its content is already being downloaded. It gets the number of the finished
    /// attempt `again`, or else a new one. A content may have several names; the first is its own.
    pub(super) fn begin<Session>(
        &mut self,
        names: Vec<ContentId>,
        again: Option<DownloadId>,
        make: impl FnOnce(DownloadId) -> (Session, watch::Receiver<DownloadView>, CancellationToken),
    ) -> Result<(DownloadId, Session), NotStarted> {
        if let Some(id) = names.iter().find_map(|name| self.running_id(name)) {
            return Err(NotStarted::Running { id });
        }
        let id = again.unwrap_or_else(|| self.next_number());
        let (session, view, cancel) = make(id);
        self.latest.extend(names.iter().map(|name| (*name, id)));
        self.entries.insert(id, DownloadEntry { contents: names, view, cancel });
        self.version.send_modify(|version| match again {
            None => version.last_added = id.0,
            Some(_) => version.replacements += 1,
        });
        Ok((id, session))
    }

    fn next_number(&mut self) -> DownloadId {
        self.last += 1;
        if self.last.is_multiple_of(STARTS_PER_PRUNE) {
            self.prune();
        }
        DownloadId(self.last)
    }

    /// Returns the latest download of a content, whether or not it is finished.
    pub(super) fn latest(&self, name: &ContentId) -> Option<DownloadId> {
        self.latest.get(name).copied()
    }

    /// Returns the unfinished download of a content. A torrent whose content turned out to be different does not count.
    pub(super) fn running_id(&self, name: &ContentId) -> Option<DownloadId> {
        let is_of = |entry: &&DownloadEntry| !entry.is_over() && entry.view.borrow().matches(name);
        self.latest.get(name).copied().filter(|id| self.entries.get(id).as_ref().is_some_and(is_of))
    }

    pub(super) fn views(&self) -> Vec<DownloadView> {
        self.entries.values().map(|entry| entry.view.borrow().clone()).collect()
    }

    pub(super) fn watch(&self, id: DownloadId) -> Option<watch::Receiver<DownloadView>> {
        self.entries.get(&id).map(|entry| entry.view.clone())
    }

    /// Returns the downloads with larger numbers than `id`.
    pub(super) fn watch_after(&self, id: DownloadId) -> Vec<(DownloadId, watch::Receiver<DownloadView>)> {
        let after = self.entries.range((Bound::Excluded(id), Bound::Unbounded));
        after.map(|(id, entry)| (*id, entry.view.clone())).collect()
    }

    /// Returns a receiver that follows additions and removals.
    pub(super) fn version(&self) -> watch::Receiver<TableVersion> {
        self.version.subscribe()
    }

    /// Returns the cancellation token of a download, if it is not finished.
    pub(super) fn cancellation_of(&self, id: DownloadId) -> Option<CancellationToken> {
        self.entries.get(&id).filter(|entry| !entry.is_over()).map(|entry| entry.cancel.clone())
    }

    pub(super) fn running_count(&self) -> usize {
        self.entries.values().filter(|entry| !entry.is_over()).count()
    }

    /// Removes a download if it is finished. Returns true if it was.
    pub(super) fn clear(&mut self, id: DownloadId) -> bool {
        let is_over = self.entries.get(&id).is_some_and(DownloadEntry::is_over);
        if is_over {
            self.remove(id);
        }
        is_over
    }

    /// Removes a download.
    pub(super) fn remove(&mut self, id: DownloadId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.version.send_modify(|version| version.replacements += 1);
        for name in entry.contents {
            if self.latest.get(&name) == Some(&id) {
                self.latest.remove(&name);
            }
        }
    }

    /// Removes the oldest finished downloads. Failed ones stay until the user retries or removes them.
    fn prune(&mut self) {
        let is_forgettable =
            |entry: &DownloadEntry| entry.is_over() && !entry.view.borrow().state.is_failed();
        let over = self.entries.iter().filter(|(_, entry)| is_forgettable(entry)).map(|(id, _)| *id);
        let over: Vec<DownloadId> = over.collect();
        for id in over.iter().take(over.len().saturating_sub(MAX_FINISHED)) {
            self.remove(*id);
        }
    }
}

impl DownloadEntry {
    fn is_over(&self) -> bool {
        let ended = self.view.has_changed().is_err();
        ended || self.view.borrow().state.is_over()
    }
}
