//! Contents that are still on their way here and are shared already, from their first verified piece on.
//!
//! A download publishes its content and tells of each piece that it has verified; whoever serves peers finds the content
//! here when the library does not have it. The bytes stay in the download's file, which is read and never written from
//! here.

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

pub use partial::{Partial, PartialStatus};
pub use publication::{Publication, Visitors};

/// The most visitors that wait for a download to look at them; who comes when so many wait is a source all the same once
/// the index names it.
const BACKLOG: usize = 16;

/// The partial contents of a node; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Partials {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<BTreeMap<Digest, Arc<Partial>>>,
    changes: watch::Sender<u64>,
}

impl Partials {
    /// Shares a content of which the pieces `here` are verified in `file`, until the publication is dropped. Peers that
    /// open the content come to the visitors. `path` is the name that it will have.
    ///
    /// Of a content that is published already, the new publication takes the place of the old one.
    pub fn publish(
        &self,
        path: SharePath,
        manifest: Arc<Manifest>,
        file: Arc<File>,
        here: &Bitfield,
    ) -> (Publication, Visitors) {
        let (visitors_to, visitors) = mpsc::channel(BACKLOG);
        let partial = Arc::new(Partial::new(path, manifest, file, here.clone(), visitors_to));
        self.inner.table.lock().insert(partial.digest(), Arc::clone(&partial));
        self.changed();
        (Publication::new(self.clone(), partial), visitors)
    }

    /// Finds a content that is on its way here; there may be no piece of it yet.
    pub fn find(&self, digest: &Digest) -> Option<Arc<Partial>> {
        self.inner.table.lock().get(digest).cloned()
    }

    /// Lists the contents that were announced, as the index is to know them.
    pub fn records(&self) -> Vec<FileRecord> {
        let table = self.inner.table.lock();
        let announced = table.values().filter(|partial| partial.is_announced());
        announced.map(|partial| partial.record()).collect()
    }

    /// Gives the number of the list's state, which grows with every change of it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|number| *number += 1);
    }

    /// Forgets a content, unless somebody else has published it since.
    fn forget(&self, partial: &Arc<Partial>) {
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
