//! The content of one torrent on disk.
//!
//! [`TorrentFiles`] owns the files of a torrent: where they lie, which of them are open, what of them is whole. It verifies
//! pieces before it writes them and when it finds them, and gives files their names when they are whole. It decides nothing
//! about what is fetched or served; a download or a seed drives it, on blocking threads. docs/storage.md says what lies on
//! disk at each moment.

mod check;
mod content_root;
mod error;
mod finalization;
mod handles;
mod layout;
mod opening;
mod report;
mod segments;
#[cfg(test)]
mod tests;
mod torrent_record;
mod writing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::metainfo::Metainfo;
use protocol::share_path::safe_file_name;

pub use error::TorrentFilesError;
pub use report::{TorrentFileCondition, TorrentFileReport};

use super::selection::FileSelection;
use content_root::ContentRoot;
use finalization::Finalization;
use handles::FileHandles;
use torrent_record::TorrentRecord;

/// The files of a torrent.
///
/// Everything here waits for the disk and belongs on a blocking thread, but for what is said otherwise.
#[derive(Debug)]
pub struct TorrentFiles {
    metainfo: Arc<Metainfo>,
    root: ContentRoot,
    selection: FileSelection,
    /// The pieces that have bytes of a selected file.
    wanted: Bitfield,
    handles: FileHandles,
    finalization: Mutex<Finalization>,
    /// Whether what is written shall stay in the page cache, because others read it again soon.
    keep_cached: AtomicBool,
}

impl TorrentFiles {
    fn new(
        metainfo: Arc<Metainfo>,
        place: ContentRoot,
        selection: FileSelection,
        handles: FileHandles,
    ) -> Self {
        let wanted = wanted_pieces(&metainfo, &selection);
        let settling = Mutex::new(Finalization::new(&metainfo));
        Self {
            metainfo,
            root: place,
            selection,
            wanted,
            handles,
            finalization: settling,
            keep_cached: AtomicBool::new(false),
        }
    }

    /// Returns the pieces that have bytes of a file that is wanted. Does not wait.
    pub const fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Returns the torrent's folder, or its only file, as it is when it is whole. Does not wait.
    pub fn location(&self) -> &Path {
        &self.root.location
    }

    /// Returns where the torrent's folder lies, or its only file, which may have got another name than its own. Does not wait.
    pub fn content_path(&self) -> PathBuf {
        match self.metainfo.files().first().filter(|_| self.root.only_file.is_some()) {
            Some(file) => self.external_path(&self.named_path(0, file)),
            None => self.location().to_owned(),
        }
    }

    /// Says whether others read soon what is written from now on, which then stays in memory. Does not wait.
    pub fn keep_cached(&self, keep: bool) {
        self.keep_cached.store(keep, Ordering::Relaxed);
    }

    /// Returns a path below the torrent's folder as those outside see it.
    fn external_path(&self, path: &Path) -> PathBuf {
        if self.root.only_file.is_some() {
            self.root.location.with_file_name(path)
        } else {
            self.root.location.join(path)
        }
    }
}

/// Notes that the part of a torrent's only file is the torrent's, whoever has begun it: what is in it is looked into.
pub(crate) fn adopt_part(folder: &Path, metainfo: &Metainfo) -> io::Result<()> {
    let name = content_root::numbered(&safe_file_name(metainfo.name()), 0, true);
    TorrentRecord::with_unknown_pieces(metainfo)
        .save(&folder.join(content_root::with_suffix(&name, ".part.json")))
}

fn wanted_pieces(metainfo: &Metainfo, selection: &FileSelection) -> Bitfield {
    let geometry = metainfo.geometry();
    let mut wanted = Bitfield::empty(geometry);
    for (number, file) in metainfo.files().iter().enumerate() {
        if selection.has(number) && !file.is_padding {
            for piece in layout::pieces_of(metainfo, file).filter_map(|piece| geometry.piece(piece)) {
                wanted.insert(piece);
            }
        }
    }
    wanted
}
