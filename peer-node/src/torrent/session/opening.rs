//! Opens the content of the torrent and verifies its pieces.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry};
use tokio::task::JoinHandle;

use super::{TorrentSession, TorrentSessionError};
use crate::bittorrent::{BlockSegment, PieceLocator};
use crate::library::OpenFile;
use crate::torrent::files::{TorrentFiles, TorrentFilesError};
use crate::torrent::torrent_spec::TorrentLocation;
use crate::transfer::view_schedule::VIEW_INTERVAL;
use crate::view::DownloadState;

/// The opened storage of a torrent.
#[derive(Debug)]
pub(super) struct TorrentStorage {
    /// The files, unless they are the library's.
    pub(super) files: Option<Arc<TorrentFiles>>,
    pub(super) locator: Arc<dyn PieceLocator>,
    /// The verified pieces.
    pub(super) have: Bitfield,
    /// The pieces of the selected files.
    pub(super) wanted: Bitfield,
    pub(super) location: PathBuf,
    /// True if the content was incomplete when opened and has not been hashed as a file since.
    pub(super) is_new: bool,
}

impl TorrentStorage {
    /// Returns the number of bytes in verified pieces.
    pub(super) fn verified_bytes(&self, geometry: &Geometry) -> u64 {
        let have = geometry.pieces().filter(|piece| self.have.has(*piece));
        have.map(|piece| u64::from(geometry.length_of(piece))).sum()
    }

    /// Returns the bytes of the wanted pieces: those verified, and all.
    pub(super) fn wanted_bytes(&self, geometry: &Geometry) -> (u64, u64) {
        let bytes = |is_counted: &dyn Fn(_) -> bool| -> u64 {
            geometry
                .pieces()
                .filter(|piece| is_counted(*piece))
                .map(|piece| u64::from(geometry.length_of(piece)))
                .sum()
        };
        let have = bytes(&|piece| self.wanted.has(piece) && self.have.has(piece));
        (have, bytes(&|piece| self.wanted.has(piece)))
    }
}

/// Locates the content of a torrent in a file of the library.
#[derive(Debug)]
struct LibraryFileLocator {
    file: Arc<OpenFile>,
    geometry: Geometry,
}

impl PieceLocator for LibraryFileLocator {
    fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        let (offset, length) = (self.geometry.block_offset(block), block.length as usize);
        let file = Arc::clone(&self.file.file);
        Ok(self.file.is_unchanged().then(|| vec![BlockSegment::File { file, offset, length }]))
    }
}

type OpenResult = Result<(TorrentStorage, u32), TorrentFilesError>;

impl TorrentSession {
    /// Opens the storage and verifies existing pieces.
    pub(super) async fn open(&mut self) -> Result<(), TorrentSessionError> {
        self.view_publisher.activate(DownloadState::Verifying);
        let checked = Arc::new(AtomicU32::new(0));
        let mut opening = self.spawn_open(&checked);
        let mut tick = tokio::time::interval(VIEW_INTERVAL);
        let geometry = *self.spec.metainfo.geometry();
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                _ = tick.tick() => self.view_publisher.update(|view| {
                    (view.pieces, view.pieces_done) = (geometry.piece_count(), checked.load(Ordering::Relaxed));
                }),
            }
        };
        if self.cancel.is_cancelled() {
            return Err(TorrentSessionError::Cancelled);
        }
        let (store, missing) =
            opened.map_err(|error| TorrentSessionError::Write(io::Error::other(error)))??;
        if let (TorrentLocation::Complete { folder }, 1..) = (&self.spec.location, missing) {
            let folder = protocol::escape::display_safe_bytes(folder.as_os_str().as_encoded_bytes());
            return Err(TorrentSessionError::Incomplete { missing, all: geometry.piece_count(), folder });
        }
        tracing::info!(infohash = %self.spec.metainfo.infohash(), pieces = store.have.count(), "torrent opened");
        if !store.is_new {
            // The claimed digest was not verified for content that was complete already.
            self.view_publisher.update(|view| view.digest = None);
        }
        self.storage = Some(store);
        Ok(())
    }

    fn spawn_open(&self, checked: &Arc<AtomicU32>) -> JoinHandle<OpenResult> {
        let (metainfo, cancel) = (Arc::clone(&self.spec.metainfo), self.cancel.clone());
        let (spec_location, checked) = (self.spec.location.clone(), Arc::clone(checked));
        let geometry = *metainfo.geometry();
        tokio::task::spawn_blocking(move || {
            let progress = |pieces| checked.store(pieces, Ordering::Relaxed);
            let (files, have) = match spec_location {
                TorrentLocation::Download { folder, selection } => {
                    TorrentFiles::open(&folder, &metainfo, &selection, &cancel, &progress)?
                }
                TorrentLocation::Complete { folder } => {
                    let files = TorrentFiles::open_complete(&folder, &metainfo)?;
                    let have = files.check(&Bitfield::full(&geometry), &cancel, &progress);
                    (files, have)
                }
                TorrentLocation::Library { location, file } => {
                    let (have, wanted) = (Bitfield::full(&geometry), Bitfield::full(&geometry));
                    let bytes = Arc::new(LibraryFileLocator { file, geometry });
                    return Ok((
                        TorrentStorage { files: None, locator: bytes, have, wanted, location, is_new: false },
                        0,
                    ));
                }
            };
            let missing = geometry.piece_count() - have.count();
            let files = Arc::new(files);
            let (wanted, location) = (files.wanted().clone(), files.location().to_owned());
            let bytes = Arc::clone(&files) as Arc<dyn PieceLocator>;
            let is_new = missing > 0;
            Ok((
                TorrentStorage { files: Some(files), locator: bytes, have, wanted, location, is_new },
                missing,
            ))
        })
    }

    /// Returns the path of the torrent's file or folder.
    pub(super) fn location(&self) -> PathBuf {
        let Some(store) = &self.storage else { return PathBuf::new() };
        store.files.as_ref().map_or_else(|| store.location.clone(), |files| files.content_path())
    }
}
