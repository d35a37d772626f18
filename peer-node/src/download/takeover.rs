//! Hands the part file of a native download over to a torrent with the same content.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::metainfo::Metainfo;
use protocol::share_path::safe_file_name;

use super::listed_download::DownloadItem;
use super::part_folders::{PartFolders, PartLocation};
use super::part_record::PartRecord;
use super::{Downloads, location};
use crate::storage::Folder;
use crate::torrent::files::adopt_part;
use crate::view::{ContentId, DownloadState};

/// Timeout for asking the index which content a torrent has.
const INDEX_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout for a stopped download to close its part file.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The partial data that a native download leaves to a torrent.
#[derive(Debug)]
pub(super) struct LeftoverPart {
    /// Folder of the part file.
    pub(super) folder: PathBuf,
    /// The native pieces in it, according to its record.
    pub(super) pieces: Option<Bitfield>,
}

impl Downloads {
    /// Returns the SHA-256 of a torrent's content, from the `.torrent` or the index. It is a hint and must be verified.
    pub(super) async fn digest_of(&self, metainfo: &Metainfo) -> Option<Digest> {
        if !metainfo.is_single_file() {
            return None;
        }
        if let Some(digest) = metainfo.digest() {
            return Some(digest);
        }
        let request = self.inner.config.index.find_torrent(metainfo.infohash());
        let hints = tokio::time::timeout(INDEX_TIMEOUT, request).await.ok()?.ok()?;
        // The digest offered by most nodes. A wrong one does no harm: the torrent verifies its own pieces.
        hints.first().map(|hint| hint.digest)
    }

    /// Stops the native download of a content, if it is running, so that a torrent of the same content continues from its
    /// part file in the same folder. If the native download was cancelled earlier, its part file is reused for a torrent
    /// downloaded to `folder`. Returns the partial data.
    pub(super) async fn take_over(
        &self,
        digest: Digest,
        metainfo: &Arc<Metainfo>,
        folder: PathBuf,
    ) -> Option<LeftoverPart> {
        let running = self.inner.table.lock().running_id(&ContentId::File(digest));
        let Some(id) = running else {
            let (folders, metainfo) = (self.inner.config.part_folders.clone(), Arc::clone(metainfo));
            let target = folder.join(safe_file_name(metainfo.name()));
            return tokio::task::spawn_blocking(move || {
                folders.has_part(&target, &digest).then(|| hand_over(&folders, &target, digest, &metainfo))?
            })
            .await
            .ok()?;
        };
        let mut view = self.watch(id)?;
        let DownloadItem::File(wanted) = self.inner.list.item(id)? else { return None };
        if !wanted.copies.is_empty() {
            // Torrents do not make copies.
            return None;
        }
        self.suspend(id);
        let over = view.wait_for(|view| view.state.is_over());
        let is_stopped =
            tokio::time::timeout(STOP_TIMEOUT, over).await.ok()?.ok()?.state == DownloadState::Cancelled;
        self.inner.list.remove(id);
        if is_stopped {
            // The torrent replaces it in the table.
            self.inner.table.lock().remove(id);
        }
        tracing::info!(%digest, infohash = %metainfo.infohash(), "native download continues as a torrent");
        let (folders, metainfo) = (self.inner.config.part_folders.clone(), Arc::clone(metainfo));
        let target = location::requested_path(folders.root(), &wanted.target);
        tokio::task::spawn_blocking(move || hand_over(&folders, &target, digest, &metainfo)).await.ok()?
    }
}

/// Returns the partial data of a download to `target`, prepared for a torrent.
fn hand_over(
    folders: &PartFolders,
    target: &Path,
    digest: Digest,
    metainfo: &Metainfo,
) -> Option<LeftoverPart> {
    let folder = target.parent()?.to_owned();
    let size = metainfo.geometry().size();
    let around = location::create_folder(folders.root(), target).ok()?;
    let location = folders.location(target, &digest, size).ok()?;
    let found = location.paths.clone();
    if !found.part.is_file() {
        folders.remove_folder_if_empty(&found);
        return Some(LeftoverPart { folder, pieces: None });
    }
    let native = Geometry::for_native(size).ok();
    let pieces =
        native.zip(PartRecord::load(&found.record)).and_then(|(native, record)| record.pieces(&native));
    match move_part(&location, (&around, &folder), metainfo) {
        Ok(()) => {
            folders.remove_folder_if_empty(&found);
            Some(LeftoverPart { folder, pieces })
        }
        Err(error) => {
            // The torrent fetches everything again.
            tracing::warn!(%error, "cannot hand over a partial file to a torrent");
            Some(LeftoverPart { folder, pieces: None })
        }
    }
}

/// Renames the part file and writes its record so that the torrent finds both.
fn move_part(
    location: &PartLocation,
    (around, folder): (&Folder, &Path),
    metainfo: &Metainfo,
) -> io::Result<()> {
    let mut part = safe_file_name(metainfo.name());
    part.push_str(".part");
    location.move_part((around, Path::new(&part)))?;
    adopt_part(&around.descriptor_path().unwrap_or_else(|| folder.to_owned()), metainfo)?;
    location.paths.remove();
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::metainfo::{DraftContent, DraftOptionalFields, MetainfoDraft};
    use protocol::sha1::sha1_all;
    use tokio_util::sync::CancellationToken;

    use super::super::part_file::PartFile;
    use super::*;
    use crate::torrent::files::TorrentFiles;
    use crate::torrent::selection::FileSelection;

    const PIECE: usize = 1 << 20;

    /// Hands over a native download of 3 MiB that has `native_pieces` pieces to a torrent with larger pieces. Returns how
    /// many torrent pieces are complete, and the names in the folder.
    fn handed_over(native_name: &str, native_pieces: usize) -> (u32, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..3 * PIECE).map(|at| (at % 251).to_le_bytes()[0]).collect();
        let draft = MetainfoDraft {
            name: "torrent.bin".into(),
            piece_length: 1 << 20,
            content: DraftContent::Single(content.len() as u64),
            private: false,
            tiers: Vec::new(),
            optional: DraftOptionalFields::default(),
        };
        let hashes = sha1_all(content.chunks(PIECE).map(|piece| vec![piece]).collect::<Vec<_>>());
        let metainfo = Arc::new(Metainfo::parse(&draft.encode(&hashes).unwrap()).unwrap());
        let digest = Digest::from_bytes([7; 32]);
        let folders = PartFolders::for_test(root.path());
        let geometry = Geometry::for_native(content.len() as u64).unwrap();
        let at = root.path().join(native_name);
        let (part, _) = PartFile::open(&folders, &at, digest, geometry).unwrap();
        let mut have = Bitfield::empty(&geometry);
        for piece in geometry.pieces().take(native_pieces) {
            let start = usize::try_from(geometry.piece_offset(piece)).unwrap();
            part.write(piece, &[&content[start..start + geometry.length_of(piece) as usize]]).unwrap();
            have.insert(piece);
        }
        part.save_record(&have).unwrap();
        drop(part);
        let leftover = hand_over(&folders, &at, digest, &metainfo).unwrap();
        assert_eq!(leftover.pieces, Some(have));
        let folder = leftover.folder;
        let cancel = CancellationToken::new();
        let (_files, have) =
            TorrentFiles::open(&folder, &metainfo, &FileSelection::all(), &cancel, &|_| {}).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        (have.count(), names)
    }

    #[test]
    fn torrent_continues_the_part_of_a_native_download() {
        let left = ["torrent.bin.part", "torrent.bin.part.json"].map(str::to_owned);
        for name in ["torrent.bin", "native.bin"] {
            assert_eq!(handed_over(name, 9), (2, left.to_vec()), "{name}");
        }
    }

    #[test]
    fn part_without_a_complete_torrent_piece_is_continued() {
        let left = ["torrent.bin.part", "torrent.bin.part.json"].map(str::to_owned);
        for pieces in [0, 1] {
            assert_eq!(handed_over("torrent.bin", pieces), (0, left.to_vec()), "{pieces}");
        }
    }
}
