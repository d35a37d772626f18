//! Tests the files of a torrent for any order of pieces and any existing files.

mod existing;
mod layouts;
mod naming;
mod resuming;
mod selecting;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::metainfo::{DraftContent, DraftFile, DraftOptionalFields, Metainfo, MetainfoDraft};
use sha1::{Digest as _, Sha1};
use tokio_util::sync::CancellationToken;

use super::{TorrentFiles, TorrentFilesError};
use crate::torrent::selection::FileSelection;

/// A torrent and its content.
struct TorrentContent {
    metainfo: Arc<Metainfo>,
    bytes: Vec<u8>,
}

/// Returns bytes that do not repeat.
fn pseudorandom_bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

impl TorrentContent {
    /// Builds a torrent named `t` with these paths and lengths; of a single file if the path is empty.
    fn of(files: &[(&str, usize)], piece_length: u32) -> Self {
        let total = files.iter().map(|(_, length)| length).sum();
        let bytes = pseudorandom_bytes(total, u32::try_from(total).unwrap().wrapping_mul(7919));
        let content = match files {
            [("", length)] => DraftContent::Single(*length as u64),
            _ => DraftContent::Files(
                files
                    .iter()
                    .map(|(path, length)| DraftFile {
                        path: path.split('/').map(Into::into).collect(),
                        length: *length as u64,
                    })
                    .collect(),
            ),
        };
        Self::of_content("t", content, piece_length, bytes)
    }

    fn of_content(name: &str, content: DraftContent, piece_length: u32, bytes: Vec<u8>) -> Self {
        let hashes: Vec<[u8; 20]> =
            bytes.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let (tiers, optional) = (Vec::new(), DraftOptionalFields::default());
        let draft =
            MetainfoDraft { name: name.into(), piece_length, content, private: false, tiers, optional };
        let metainfo = Arc::new(Metainfo::parse(&draft.encode(&hashes).unwrap()).unwrap());
        Self { metainfo, bytes }
    }

    fn piece(&self, piece: PieceIndex) -> &[u8] {
        let geometry = self.metainfo.geometry();
        let start = usize::try_from(geometry.piece_offset(piece)).unwrap();
        &self.bytes[start..start + geometry.length_of(piece) as usize]
    }

    /// Returns each file's path below the download folder, and its bytes.
    fn files(&self) -> impl Iterator<Item = (PathBuf, &[u8])> {
        self.metainfo.files().iter().filter(|file| !file.is_padding).map(|file| {
            let start = usize::try_from(file.offset).unwrap();
            let bytes = &self.bytes[start..start + usize::try_from(file.length).unwrap()];
            (file.path.stored_components().collect(), bytes)
        })
    }

    /// Writes the whole content to a folder.
    fn write_content(&self, dir: &Path) {
        for (path, bytes) in self.files() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn open_selected(&self, dir: &Path, selection: &FileSelection) -> (TorrentFiles, Bitfield) {
        TorrentFiles::open(dir, &self.metainfo, selection, &CancellationToken::new(), &|_| ()).unwrap()
    }

    fn open(&self, dir: &Path) -> (TorrentFiles, Bitfield) {
        self.open_selected(dir, &FileSelection::all())
    }

    fn open_error(&self, dir: &Path) -> TorrentFilesError {
        TorrentFiles::open(dir, &self.metainfo, &FileSelection::all(), &CancellationToken::new(), &|_| ())
            .unwrap_err()
    }

    /// Stores the given pieces unless they are there.
    fn store(&self, files: &TorrentFiles, have: &mut Bitfield, pieces: impl IntoIterator<Item = u32>) {
        for piece in pieces.into_iter().filter_map(|number| self.metainfo.geometry().piece(number)) {
            if have.insert(piece) {
                let (head, tail) = self.piece(piece).split_at(self.piece(piece).len() / 3);
                assert!(files.store(piece, &[head, tail]).unwrap(), "{piece:?}");
            }
        }
    }

    fn all(&self) -> std::ops::Range<u32> {
        0..self.metainfo.geometry().piece_count()
    }

    /// Asserts that a folder holds the content and nothing else.
    fn assert_complete(&self, dir: &Path) {
        let found = all_files(dir);
        let expected: Vec<(PathBuf, Vec<u8>)> = {
            let mut files: Vec<_> = self.files().map(|(path, bytes)| (path, bytes.to_vec())).collect();
            files.sort();
            files
        };
        let names =
            |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected));
        assert!(found == expected, "the bytes differ");
    }
}

/// Returns every file below a folder with its bytes, sorted by path.
fn all_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(dir).unwrap().to_owned();
                let link = fs::read_link(entry.path()).map(|to| to.into_os_string().into_encoded_bytes());
                found.push((path, link.unwrap_or_else(|_| fs::read(entry.path()).unwrap())));
            }
        }
    }
    found.sort();
    found
}

fn file_names(dir: &Path) -> Vec<String> {
    all_files(dir).into_iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect()
}
