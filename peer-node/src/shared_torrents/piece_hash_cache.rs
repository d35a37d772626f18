//! The SHA-1 hashes of the pieces of shared files, so that a file is read once for all torrents of it that differ in their
//! names alone.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use protocol::digest::Digest;
use protocol::limits::MAX_TORRENT;
use sha2::{Digest as _, Sha256};

use crate::storage::replace_file;
use crate::storage::{LinkPolicy, open_regular_file, read_regular_file, remove_if_exists};

/// The most files that are kept, and the most bytes in them: those that were used longest ago go first.
const MAX_ENTRIES: usize = 1000;
const MAX_TOTAL_BYTES: u64 = 64 << 20;

/// What stands between the hashes and their checksum; the last byte is the version.
const MAGIC: &[u8] = b"PDXPIECES\x01";

/// The length of a checksum.
const CHECKSUM_LEN: usize = 32;

/// How a content is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PieceLayout {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) piece_length: u32,
}

impl PieceLayout {
    /// Returns true if a torrent may have such pieces and a node is likely to have made them: a stranger cannot have a file read
    /// for every length there is.
    pub(super) fn is_plausible(&self) -> bool {
        self.piece_length.is_power_of_two()
            && self.piece_length >= 16 << 10
            && self.piece_count().is_some_and(|pieces| pieces > 0)
    }

    fn piece_count(&self) -> Option<usize> {
        let pieces = self.size.div_ceil(u64::from(self.piece_length).max(1));
        usize::try_from(pieces).ok().filter(|pieces| *pieces <= MAX_TORRENT / 20)
    }

    fn checksum(&self, hashes: &[u8]) -> [u8; CHECKSUM_LEN] {
        let mut check = Sha256::new();
        check.update(self.digest.as_bytes());
        check.update(self.size.to_be_bytes());
        check.update(self.piece_length.to_be_bytes());
        check.update(hashes);
        check.finalize().into()
    }
}

/// The hashes that are kept in a folder. They are worth no more than the time to hash the content again: one that is
/// missing or damaged counts as none.
#[derive(Debug)]
pub(super) struct PieceHashCache {
    folder: PathBuf,
}

impl PieceHashCache {
    /// Keeps hashes in a folder, which need not exist.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns true if the hashes of a content seem to be here.
    pub(super) fn has(&self, cut: &PieceLayout) -> bool {
        self.entry_path(cut).is_file()
    }

    /// Reads the hashes of a content, and notes that they were used. Blocks.
    pub(super) fn load(&self, cut: &PieceLayout) -> Option<Vec<[u8; 20]>> {
        let (path, length) = (self.entry_path(cut), cut.piece_count()? * 20);
        let longest = (length + MAGIC.len() + CHECKSUM_LEN) as u64;
        let bytes = read_regular_file(&path, longest + 1).ok()?;
        let hashes = Self::decode(cut, &bytes, length);
        if hashes.is_none() {
            tracing::warn!(
                digest = cut.digest.short(),
                "stored hashes of pieces are damaged; the file is read again"
            );
            // If it stays, it is damaged the next time too.
            let _ = fs::remove_file(&path);
        } else if let Ok(file) = open_regular_file(&path, OpenOptions::new().append(true), LinkPolicy::Follow)
        {
            // Only the order in which they are forgotten depends on it.
            let _ = file.set_modified(SystemTime::now());
        }
        hashes
    }

    fn decode(cut: &PieceLayout, bytes: &[u8], length: usize) -> Option<Vec<[u8; 20]>> {
        let (hashes, rest) = bytes.split_at_checked(length)?;
        let check = rest.strip_prefix(MAGIC)?;
        (check == cut.checksum(hashes)).then(|| hashes.as_chunks().0.to_vec())
    }

    /// Keeps the hashes of a content, and forgets others if there are too many. Blocks.
    pub(super) fn save(&self, cut: &PieceLayout, hashes: &[[u8; 20]]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let hashes = hashes.as_flattened();
        let bytes = [hashes, MAGIC, &cut.checksum(hashes)].concat();
        replace_file(&self.entry_path(cut), &bytes)?;
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // One that is gone meanwhile takes no room.
            let Ok(about) = entry.metadata() else { continue };
            kept.push((about.modified()?, about.len(), entry.path()));
        }
        kept.sort_unstable_by(|one, other| other.cmp(one));
        let mut bytes = 0_u64;
        for (number, (_, length, path)) in kept.into_iter().enumerate() {
            bytes = bytes.saturating_add(length);
            // The newest stays, however long it is.
            if number >= MAX_ENTRIES || (number > 0 && bytes > MAX_TOTAL_BYTES) {
                remove_if_exists(&path)?;
            }
        }
        Ok(())
    }

    fn entry_path(&self, cut: &PieceLayout) -> PathBuf {
        self.folder.join(format!("{}-{}", cut.digest, cut.piece_length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(content: u8, size: u64) -> PieceLayout {
        PieceLayout { digest: Digest::from_bytes([content; 32]), size, piece_length: 16 << 10 }
    }

    fn temporary_cache() -> (tempfile::TempDir, PieceHashCache) {
        let folder = tempfile::tempdir().unwrap();
        let hashes = PieceHashCache::new(folder.path().join("pieces"));
        (folder, hashes)
    }

    #[test]
    fn saved_hashes_are_loaded_and_damaged_ones_dropped() {
        let (_folder, store) = temporary_cache();
        let (cut, hashes) = (layout(1, 40_000), [[7; 20], [8; 20], [9; 20]]);
        assert_eq!(store.load(&cut), None);
        store.save(&cut, &hashes).unwrap();
        assert!(store.has(&cut));
        assert_eq!(store.load(&cut).unwrap(), hashes);
        assert_eq!(store.load(&PieceLayout { size: 40_001, ..cut }), None, "another size");
        store.save(&cut, &hashes).unwrap();
        let whole = fs::read(store.entry_path(&cut)).unwrap();
        for damage in [0, 30, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[damage] ^= 1;
            fs::write(store.entry_path(&cut), bytes).unwrap();
            assert_eq!(store.load(&cut), None, "byte {damage}");
            assert!(!store.has(&cut));
        }
        for length in [0, 60, whole.len() - 1] {
            fs::write(store.entry_path(&cut), &whole[..length]).unwrap();
            assert_eq!(store.load(&cut), None, "{length} bytes");
        }
    }

    #[test]
    fn least_recently_used_entries_are_evicted() {
        let (_folder, store) = temporary_cache();
        let (first, size) = (layout(1, 40_000), 1_600_000 * (16 << 10));
        let large = vec![[1; 20]; 1_600_000];
        store.save(&first, &[[7; 20]; 3]).unwrap();
        for content in 2..5 {
            store.save(&layout(content, size), &large).unwrap();
        }
        let kept = (1..5).map(|content| store.has(&layout(content, size))).collect::<Vec<_>>();
        assert_eq!(kept, [false, false, true, true]);
    }

    #[test]
    fn only_common_piece_lengths_are_plausible() {
        assert!(layout(1, 1).is_plausible() && layout(1, 1 << 34).is_plausible());
        for piece_length in [0, 1, 8 << 10, 20_000, u32::MAX] {
            assert!(!PieceLayout { piece_length, ..layout(1, 1 << 20) }.is_plausible(), "{piece_length}");
        }
        assert!(!layout(1, 0).is_plausible() && !layout(1, 1 << 50).is_plausible());
    }
}
