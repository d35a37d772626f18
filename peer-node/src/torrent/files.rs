//! The content of one torrent on disk.
//!
//! [`TorrentFiles`] owns a torrent's files: their locations, open handles and completeness. It verifies existing pieces
//! and new pieces before writing them, and renames files to their final names when complete. It decides nothing about
//! fetching or serving; a download or seed drives it on blocking threads. docs/storage.md describes the state on disk
//! at each moment.

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

pub(crate) use error::TorrentFilesError;
pub(crate) use report::{TorrentFileCondition, TorrentFileReport};

use super::selection::FileSelection;
use content_root::ContentRoot;
use finalization::Finalization;
use handles::FileHandles;
use torrent_record::TorrentRecord;

/// The files of a torrent.
///
/// Methods block on disk access and belong on a blocking thread, unless stated otherwise.
#[derive(Debug)]
pub(crate) struct TorrentFiles {
    metainfo: Arc<Metainfo>,
    root: ContentRoot,
    selection: FileSelection,
    /// The pieces that overlap a selected file.
    wanted: Bitfield,
    handles: FileHandles,
    finalization: Mutex<Finalization>,
    /// True if written data should stay in the page cache, because it is read again soon.
    keep_cached: AtomicBool,
}

impl TorrentFiles {
    fn new(
        metainfo: Arc<Metainfo>,
        root: ContentRoot,
        selection: FileSelection,
        handles: FileHandles,
    ) -> Self {
        let wanted = wanted_pieces(&metainfo, &selection);
        let finalization = Mutex::new(Finalization::new(&metainfo));
        Self { metainfo, root, selection, wanted, handles, finalization, keep_cached: AtomicBool::new(false) }
    }

    /// Returns the pieces that overlap a selected file. Does not block.
    pub(crate) const fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Returns the final path of the torrent's folder or only file. Does not block.
    pub(crate) fn location(&self) -> &Path {
        &self.root.location
    }

    /// Returns the actual path of the torrent's folder or only file; a file may have been given another name. Does not
    /// block.
    pub(crate) fn content_path(&self) -> PathBuf {
        match self.metainfo.files().first().filter(|_| self.root.only_file.is_some()) {
            Some(file) => self.external_path(&self.final_path(0, file)),
            None => self.location().to_owned(),
        }
    }

    /// Sets whether data written from now on stays in the page cache, because it is read again soon. Does not block.
    pub(crate) fn keep_cached(&self, keep: bool) {
        self.keep_cached.store(keep, Ordering::Relaxed);
    }

    /// Returns the full path of a path below the torrent's folder.
    fn external_path(&self, path: &Path) -> PathBuf {
        if self.root.only_file.is_some() {
            self.root.location.with_file_name(path)
        } else {
            self.root.location.join(path)
        }
    }
}

/// Records the part of a torrent's only file as belonging to the torrent, even if another download began it: its
/// content is verified later.
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
