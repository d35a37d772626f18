//! Builds a catalog from all lists on disk at once.
//!
//! The catalog is not read before it is complete. So another thread indexes the words, sorted tables are sorted once, and no
//! list is searched: much faster than inserting file by file (docs/performance.md).

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use protocol::fold::fold;
use protocol::index::FileRecord;

use super::file_list::LoadedFile;
use super::restore::RestoreError;
use super::{BlockNo, Catalog, FileList, VerifiedList};
use crate::ids::NodeNo;
use crate::words::{WordIndex, WordIndexBuilder};

/// New titles per batch for the word thread.
const BATCH_LEN: usize = 1024;

/// Batches queued for the word thread, which works in bursts: at most 4 MiB of pointers to paths that are kept anyway.
const BATCH_BACKLOG: usize = 256;

/// Maximum number of files to reserve space for in advance; growing the tables step by step would rehash them.
const MAX_RESERVED_FILES: usize = 4 << 20;

/// Paths of new titles with consecutive numbers, and the number of the first.
type TitleBatch = (u32, Vec<Arc<str>>);

/// A catalog while it is being built.
struct CatalogLoader {
    catalog: Catalog,
    /// The number of the first title not handed over yet, and the paths of these titles.
    batch: TitleBatch,
    batches: SyncSender<TitleBatch>,
}

impl Catalog {
    /// Builds a catalog from lists on disk. Each list comes with the number of files in it and in all lists behind it.
    pub(crate) fn from_lists(
        lists: impl IntoIterator<Item = (VerifiedList, u64)>,
    ) -> Result<Self, RestoreError> {
        thread::scope(|scope| {
            let (titles, paths) = sync_channel(BATCH_BACKLOG);
            let words = scope.spawn(move || index_words(&paths));
            let mut loader =
                CatalogLoader { catalog: Self::default(), batch: (0, Vec::new()), batches: titles };
            lists.into_iter().try_for_each(|(list, remaining)| loader.add_list(list, remaining))?;
            let mut catalog = loader.finish();
            catalog.words = words.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok(catalog)
        })
    }
}

fn index_words(titles: &Receiver<TitleBatch>) -> WordIndex {
    let mut words = WordIndexBuilder::default();
    for (first, paths) in titles {
        for (title, path) in (first..).zip(paths) {
            words.insert(&fold(&path), title);
        }
    }
    words.finish()
}

impl CatalogLoader {
    fn add_list(&mut self, stored: VerifiedList, remaining: u64) -> Result<(), RestoreError> {
        let stored = stored.into_inner();
        let (node, header) = (stored.node, stored.header);
        if self.catalog.lists.is_empty() {
            let files =
                usize::try_from(remaining).map_or(MAX_RESERVED_FILES, |files| files.min(MAX_RESERVED_FILES));
            self.catalog.contents.reserve(files);
            self.catalog.names.reserve(files);
        }
        self.catalog.claim_number(node, header.id)?;
        let mut list = FileList::new(header.id);
        let files = stored.blocks.iter().map(|(_, files)| files.len()).sum();
        let mut rows = Vec::with_capacity(files);
        for (block, files) in stored.blocks {
            for file in files {
                rows.push(self.add_file(node, block, &file).ok_or(RestoreError::SummaryMismatch(node.0))?);
            }
        }
        list.load(rows, &header);
        // Two files under the same path would have become one.
        if list.len() != files {
            return Err(RestoreError::SummaryMismatch(node.0));
        }
        self.catalog.list_bytes.grow(header.attendance.address, list.weight());
        match self.catalog.lists.insert(node, list) {
            Some(_) => Err(RestoreError::NumberConflict(node.0)),
            None => Ok(()),
        }
    }

    fn add_file(&mut self, node: NodeNo, block: BlockNo, file: &FileRecord) -> Option<LoadedFile> {
        let content = self.catalog.contents.acquire(file.digest, file.size)?;
        let (name, path) = self.catalog.names.acquire(&file.path)?;
        let (title, is_new) = self.catalog.insert_title((content, node, name), file.share, false)?;
        if is_new {
            let (first, paths) = &mut self.batch;
            debug_assert_eq!(title.0 as usize, *first as usize + paths.len(), "titles have numbers in order");
            paths.push(Arc::clone(&path));
            if paths.len() == BATCH_LEN {
                self.send_batch();
            }
        }
        Some(LoadedFile { path, name, content, share: file.share, block })
    }

    fn send_batch(&mut self) {
        let (first, paths) = &mut self.batch;
        let next = first.saturating_add(u32::try_from(paths.len()).unwrap_or(u32::MAX));
        let fresh = std::mem::replace(&mut self.batch, (next, Vec::with_capacity(BATCH_LEN)));
        // The receiver only disappears if its thread panicked; the join reports that.
        let _ = self.batches.send(fresh);
    }

    fn finish(mut self) -> Catalog {
        self.send_batch();
        self.catalog.contents.sort_all_keys();
        self.catalog.names.shrink();
        self.catalog.collect_free_numbers();
        self.catalog
    }
}
