//! The content of one torrent on disk.
//!
//! [`TorrentFiles`] owns the files of a torrent: where they lie, which of them are open, what of them is whole. It verifies
//! pieces before it writes them and when it finds them, and gives files their names when they are whole. It decides nothing
//! about what is fetched or served; a download or a seed drives it, on blocking threads. docs/storage.md says what lies on
//! disk at each moment.

mod check;
mod error;
mod handles;
mod layout;
mod opening;
mod place;
mod reading;
mod record;
mod report;
mod settling;
mod storing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::metainfo::Metainfo;
use protocol::share_path::safe_file_name;

pub use error::FilesError;
pub use report::{FileCondition, FileReport};

use super::selection::Selection;
use handles::Handles;
use place::Place;
use record::Record;
use settling::Settling;

/// The files of a torrent.
///
/// Everything here waits for the disk and belongs on a blocking thread, but for what is said otherwise.
#[derive(Debug)]
pub struct TorrentFiles {
    metainfo: Arc<Metainfo>,
    place: Place,
    selection: Selection,
    /// The pieces that have bytes of a selected file.
    wanted: Bitfield,
    handles: Handles,
    settling: Mutex<Settling>,
    /// Whether what is written shall stay in the page cache, because others read it again soon.
    keep_cached: AtomicBool,
}

impl TorrentFiles {
    fn new(metainfo: Arc<Metainfo>, place: Place, selection: Selection, handles: Handles) -> Self {
        let wanted = wanted_pieces(&metainfo, &selection);
        let settling = Mutex::new(Settling::new(&metainfo));
        Self { metainfo, place, selection, wanted, handles, settling, keep_cached: AtomicBool::new(false) }
    }

    /// Returns the pieces that have bytes of a file that is wanted. Does not wait.
    pub const fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Returns the torrent's folder, or its only file, as it is when it is whole. Does not wait.
    pub fn location(&self) -> &Path {
        &self.place.location
    }

    /// Returns where the torrent's folder lies, or its only file, which may have got another name than its own. Does not wait.
    pub fn lies_at(&self) -> PathBuf {
        match self.metainfo.files().first().filter(|_| self.place.only_file.is_some()) {
            Some(file) => self.outside(&self.path_of(0, file)),
            None => self.location().to_owned(),
        }
    }

    /// Says whether others read soon what is written from now on, which then stays in memory. Does not wait.
    pub fn keep_cached(&self, keep: bool) {
        self.keep_cached.store(keep, Ordering::Relaxed);
    }

    /// Returns a path below the torrent's folder as those outside see it.
    fn outside(&self, path: &Path) -> PathBuf {
        if self.place.only_file.is_some() {
            self.place.location.with_file_name(path)
        } else {
            self.place.location.join(path)
        }
    }
}

/// Notes that the part of a torrent's only file is the torrent's, whoever has begun it: what is in it is looked into.
pub(crate) fn claim_part(folder: &Path, metainfo: &Metainfo) -> io::Result<()> {
    let name = place::numbered(&safe_file_name(metainfo.name()), 0, true);
    Record::unread(metainfo).save(&folder.join(place::with_suffix(&name, ".part.json")))
}

fn wanted_pieces(metainfo: &Metainfo, selection: &Selection) -> Bitfield {
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
