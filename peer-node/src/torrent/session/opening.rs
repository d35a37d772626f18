//! Where the bytes of the torrent lie, and which of them are right.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry};
use tokio::task::JoinHandle;

use super::{Failure, REFRESH, Session};
use crate::bittorrent::{PieceBytes, Segment};
use crate::library::OpenFile;
use crate::torrent::files::{FilesError, TorrentFiles};
use crate::torrent::wish::Place;
use crate::transfers::DownloadState;

/// The opened storage of a torrent.
#[derive(Debug)]
pub(super) struct Store {
    /// The files, unless they are the library's.
    pub(super) files: Option<Arc<TorrentFiles>>,
    pub(super) bytes: Arc<dyn PieceBytes>,
    /// The verified pieces.
    pub(super) here: Bitfield,
    /// The pieces of the selected files.
    pub(super) wanted: Bitfield,
    pub(super) location: PathBuf,
    /// Whether it was not whole, and has not been looked at as a file since then.
    pub(super) is_new: bool,
}

impl Store {
    /// Returns the bytes of all pieces that are here.
    pub(super) fn bytes_here(&self, geometry: &Geometry) -> u64 {
        let here = geometry.pieces().filter(|piece| self.here.has(*piece));
        here.map(|piece| u64::from(geometry.length_of(piece))).sum()
    }

    /// Returns the bytes of the wanted pieces: of those that are here, and of all.
    pub(super) fn wanted_bytes(&self, geometry: &Geometry) -> (u64, u64) {
        let bytes = |is_meant: &dyn Fn(_) -> bool| -> u64 {
            geometry
                .pieces()
                .filter(|piece| is_meant(*piece))
                .map(|piece| u64::from(geometry.length_of(piece)))
                .sum()
        };
        let here = bytes(&|piece| self.wanted.has(piece) && self.here.has(piece));
        (here, bytes(&|piece| self.wanted.has(piece)))
    }
}

/// A file of the library as the content of a torrent.
#[derive(Debug)]
struct SharedFile {
    file: Arc<OpenFile>,
    geometry: Geometry,
}

impl PieceBytes for SharedFile {
    fn segments(&self, block: Block) -> io::Result<Option<Vec<Segment>>> {
        let (offset, length) = (self.geometry.block_offset(block), block.length as usize);
        let file = Arc::clone(&self.file.file);
        Ok(self.file.is_unchanged().then(|| vec![Segment::File { file, offset, length }]))
    }
}

type Opened = Result<(Store, u32), FilesError>;

impl Session {
    /// Opens the storage and verifies what lies in it.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        self.board.begin(DownloadState::Checking);
        let checked = Arc::new(AtomicU32::new(0));
        let mut opening = self.begin_opening(&checked);
        let mut tick = tokio::time::interval(REFRESH);
        let geometry = *self.wish.metainfo.geometry();
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                _ = tick.tick() => self.board.show(|view| {
                    (view.pieces, view.pieces_done) = (geometry.piece_count(), checked.load(Ordering::Relaxed));
                }),
            }
        };
        if self.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let (store, missing) = opened.map_err(|error| Failure::Write(io::Error::other(error)))??;
        if let (Place::Whole { folder }, 1..) = (&self.wish.place, missing) {
            let folder = protocol::escape::display_safe_bytes(folder.as_os_str().as_encoded_bytes());
            return Err(Failure::NotWhole { missing, all: geometry.piece_count(), folder });
        }
        tracing::info!(infohash = %self.wish.metainfo.infohash(), pieces = store.here.count(), "torrent opened");
        if !store.is_new {
            // What it was said to be counts no more, and what it is nobody has found out.
            self.board.show(|view| view.digest = None);
        }
        self.store = Some(store);
        Ok(())
    }

    fn begin_opening(&self, checked: &Arc<AtomicU32>) -> JoinHandle<Opened> {
        let (metainfo, cancel) = (Arc::clone(&self.wish.metainfo), self.cancel.clone());
        let (place, checked) = (self.wish.place.clone(), Arc::clone(checked));
        let geometry = *metainfo.geometry();
        tokio::task::spawn_blocking(move || {
            let progress = |pieces| checked.store(pieces, Ordering::Relaxed);
            let (files, here) = match place {
                Place::Fetch { folder, selection } => {
                    TorrentFiles::open(&folder, &metainfo, &selection, &cancel, &progress)?
                }
                Place::Whole { folder } => {
                    let files = TorrentFiles::open_complete(&folder, &metainfo)?;
                    let here = files.check(&Bitfield::full(&geometry), &cancel, &progress);
                    (files, here)
                }
                Place::Shared { location, file } => {
                    let (here, wanted) = (Bitfield::full(&geometry), Bitfield::full(&geometry));
                    let bytes = Arc::new(SharedFile { file, geometry });
                    return Ok((Store { files: None, bytes, here, wanted, location, is_new: false }, 0));
                }
            };
            let missing = geometry.piece_count() - here.count();
            let files = Arc::new(files);
            let (wanted, location) = (files.wanted().clone(), files.location().to_owned());
            let bytes = Arc::clone(&files) as Arc<dyn PieceBytes>;
            let is_new = missing > 0;
            Ok((Store { files: Some(files), bytes, here, wanted, location, is_new }, missing))
        })
    }

    /// Returns where the torrent's file or folder lies.
    pub(super) fn location(&self) -> PathBuf {
        let Some(store) = &self.store else { return PathBuf::new() };
        store.files.as_ref().map_or_else(|| store.location.clone(), |files| files.lies_at())
    }
}
