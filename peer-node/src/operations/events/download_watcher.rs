//! Follows the views of all downloads.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::download_news::{DownloadEvent, DownloadReporter};
use crate::download::{Downloads, TableVersion};
use crate::view::{DownloadId, DownloadView};

/// Follows the downloads of a node. Wakes only if the list or the view of a download changes.
#[derive(Debug)]
pub(super) struct DownloadWatcher {
    downloads: Downloads,
    version: watch::Receiver<TableVersion>,
    seen_version: TableVersion,
    reporter: DownloadReporter,
    /// The view of each listed download.
    views: BTreeMap<DownloadId, watch::Receiver<DownloadView>>,
    /// One task per unfinished download, which ends with the next change of its view.
    changes: JoinSet<ViewChange>,
}

/// A change of a view.
#[derive(Debug)]
struct ViewChange {
    id: DownloadId,
    view: watch::Receiver<DownloadView>,
    /// More changes may follow.
    is_open: bool,
}

impl DownloadWatcher {
    /// Begins with the current downloads, which are no news.
    pub(super) fn new(downloads: Downloads) -> Self {
        let mut version = downloads.table_version();
        let seen_version = *version.borrow_and_update();
        let mut watcher = Self {
            downloads,
            version,
            seen_version,
            reporter: DownloadReporter::default(),
            views: BTreeMap::new(),
            changes: JoinSet::new(),
        };
        for (id, view) in watcher.downloads.watch_after(DownloadId(0)) {
            watcher.reporter.know(&view.borrow());
            watcher.follow(id, view);
        }
        watcher
    }

    /// Waits for changes and returns what is new; nothing if only progress was made. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<DownloadEvent> {
        tokio::select! {
            Ok(()) = self.version.changed() => self.list_changed(),
            Some(Ok(change)) = self.changes.join_next() => self.view_changed(change),
            // Only if the downloads have been dropped.
            else => std::future::pending().await,
        }
    }

    fn list_changed(&mut self) -> Vec<DownloadEvent> {
        let version = *self.version.borrow_and_update();
        let before = std::mem::replace(&mut self.seen_version, version);
        let mut events = Vec::new();
        // All of the list is compared only if something else than additions happened.
        let is_replaced = version.replacements != before.replacements;
        let after = DownloadId(if is_replaced { 0 } else { before.last_added });
        let listed = self.downloads.watch_after(after);
        if is_replaced {
            let ids: BTreeSet<DownloadId> = listed.iter().map(|(id, _)| *id).collect();
            let gone: Vec<DownloadId> = self.views.keys().filter(|id| !ids.contains(id)).copied().collect();
            for id in gone {
                events.extend(self.last_news(id));
                self.views.remove(&id);
                events.extend(self.reporter.removed(id));
            }
        }
        for (id, view) in listed {
            if self.views.get(&id).is_some_and(|known| known.same_channel(&view)) {
                continue;
            }
            // Another attempt: the end of the one before comes first.
            events.extend(self.last_news(id));
            events.extend(self.reporter.news(&view.borrow()));
            self.follow(id, view);
        }
        events
    }

    fn view_changed(&mut self, change: ViewChange) -> Vec<DownloadEvent> {
        let ViewChange { id, mut view, is_open } = change;
        if self.views.get(&id).is_none_or(|known| !known.same_channel(&view)) {
            // Of an attempt that was replaced meanwhile.
            return Vec::new();
        }
        let events = self.reporter.news(&view.borrow_and_update());
        if is_open {
            self.await_change(id, view);
        }
        events
    }

    /// Returns what is new in the last view of a download that is about to be replaced or removed.
    fn last_news(&mut self, id: DownloadId) -> Vec<DownloadEvent> {
        self.views.get(&id).map(|view| self.reporter.news(&view.borrow())).unwrap_or_default()
    }

    fn follow(&mut self, id: DownloadId, view: watch::Receiver<DownloadView>) {
        self.views.insert(id, view.clone());
        self.await_change(id, view);
    }

    fn await_change(&mut self, id: DownloadId, mut view: watch::Receiver<DownloadView>) {
        self.changes.spawn(async move {
            let is_open = view.changed().await.is_ok();
            ViewChange { id, view, is_open }
        });
    }
}
