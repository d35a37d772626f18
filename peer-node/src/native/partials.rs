//! Contents that are being downloaded and already shared, from their first verified piece on.
//!
//! A download publishes its content and reports each verified piece. The serving code finds the content here if it is not in
//! the library. The data stays in the download's file, which is only read from here.

mod partial;
mod publication;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::manifest::Manifest;
use protocol::share_path::SharePath;
use tokio::sync::{mpsc, watch};

pub(crate) use partial::{Partial, PartialStatus};
pub(crate) use publication::{Publication, Visitors};

/// Maximum number of visitors waiting for a download. Further ones are dropped; the download still finds them as sources
/// through the index.
const BACKLOG: usize = 16;

/// The partial contents of a node; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partials {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<BTreeMap<Digest, Arc<Partial>>>,
    changes: watch::Sender<u64>,
}

impl Partials {
    /// Shares a content whose pieces `have` are verified in `file`, until the publication is dropped. Peers that open the
    /// content are sent to the visitors. `path` is the final path of the file.
    ///
    /// A new publication of the same content replaces the old one.
    pub(crate) fn publish(
        &self,
        path: SharePath,
        manifest: Arc<Manifest>,
        file: Arc<File>,
        have: &Bitfield,
    ) -> (Publication, Visitors) {
        let (visitor_sender, visitors) = mpsc::channel(BACKLOG);
        let partial = Arc::new(Partial::new(path, manifest, file, have.clone(), visitor_sender));
        self.inner.table.lock().insert(partial.digest(), Arc::clone(&partial));
        self.changed();
        (Publication::new(self.clone(), partial), visitors)
    }

    /// Returns a content that is being downloaded. It may have no pieces yet.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Arc<Partial>> {
        self.inner.table.lock().get(digest).cloned()
    }

    /// Returns the announced contents, as registered with the index.
    pub(crate) fn records(&self) -> Vec<FileRecord> {
        let table = self.inner.table.lock();
        let announced = table.values().filter(|partial| partial.is_announced());
        announced.map(|partial| partial.record()).collect()
    }

    /// Returns a receiver of the list's version, which grows with every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|number| *number += 1);
    }

    /// Removes a content, unless it has been published again.
    fn remove(&self, partial: &Arc<Partial>) {
        let mut table = self.inner.table.lock();
        let digest = partial.digest();
        if table.get(&digest).is_some_and(|current| Arc::ptr_eq(current, partial)) {
            table.remove(&digest);
        }
        drop(table);
        self.changed();
    }
}

impl Partial {
    fn record(&self) -> FileRecord {
        FileRecord {
            path: self.path().as_str().to_owned(),
            size: self.manifest().geometry().size(),
            digest: self.digest(),
            share: Share::Partial,
        }
    }
}
