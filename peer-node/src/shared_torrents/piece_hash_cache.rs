//! Caches the SHA-1 piece hashes of shared files. Torrents that differ only in name need the file to be read once.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use protocol::digest::Digest;
use protocol::limits::MAX_TORRENT;
use sha2::{Digest as _, Sha256};

use crate::storage::replace_file;
use crate::storage::{LinkPolicy, open_regular_file, read_regular_file, remove_if_exists};

/// Maximum number of files and their total bytes; the least recently used are evicted.
const MAX_ENTRIES: usize = 1000;
const MAX_TOTAL_BYTES: u64 = 64 << 20;

/// Separator between hashes and checksum; the last byte is the version.
const MAGIC: &[u8] = b"PDXPIECES\x01";

/// Length of a checksum in bytes.
const CHECKSUM_LEN: usize = 32;

/// How a content is divided into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PieceLayout {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) piece_length: u32,
}

impl PieceLayout {
    /// Returns true if a torrent may have such pieces and a node is likely to have created it. Otherwise peers could
    /// cause a file to be read for every possible length.
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

/// Piece hashes saved in a folder. It is only a cache: missing or damaged entries are recomputed.
#[derive(Debug)]
pub(super) struct PieceHashCache {
    folder: PathBuf,
}

impl PieceHashCache {
    /// Creates a cache in a folder, which need not exist.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns true if an entry exists; it may be damaged.
    pub(super) fn has(&self, layout: &PieceLayout) -> bool {
        self.entry_path(layout).is_file()
    }

    /// Loads the hashes of a content and marks them as used. Blocks.
    pub(super) fn load(&self, layout: &PieceLayout) -> Option<Vec<[u8; 20]>> {
        let (path, length) = (self.entry_path(layout), layout.piece_count()? * 20);
        let longest = (length + MAGIC.len() + CHECKSUM_LEN) as u64;
        let bytes = read_regular_file(&path, longest + 1).ok()?;
        let hashes = Self::decode(layout, &bytes, length);
        if hashes.is_none() {
            tracing::warn!(
                digest = layout.digest.short(),
                "cached piece hashes are damaged; hashing the file again"
            );
            // Remove it, or it is reported again next time.
            let _ = fs::remove_file(&path);
        } else if let Ok(file) = open_regular_file(&path, OpenOptions::new().append(true), LinkPolicy::Follow)
        {
            // The time only determines the eviction order, so errors do not matter.
            let _ = file.set_modified(SystemTime::now());
        }
        hashes
    }

    fn decode(layout: &PieceLayout, bytes: &[u8], length: usize) -> Option<Vec<[u8; 20]>> {
        let (hashes, rest) = bytes.split_at_checked(length)?;
        let check = rest.strip_prefix(MAGIC)?;
        (check == layout.checksum(hashes)).then(|| hashes.as_chunks().0.to_vec())
    }

    /// Saves the hashes of a content and evicts old entries. Blocks.
    pub(super) fn save(&self, layout: &PieceLayout, hashes: &[[u8; 20]]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let hashes = hashes.as_flattened();
        let bytes = [hashes, MAGIC, &layout.checksum(hashes)].concat();
        replace_file(&self.entry_path(layout), &bytes)?;
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Skip an entry that was removed meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            entries.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        entries.sort_unstable_by(|one, other| other.cmp(one));
        let mut bytes = 0_u64;
        for (number, (_, length, path)) in entries.into_iter().enumerate() {
            bytes = bytes.saturating_add(length);
            // The newest entry is kept whatever its size.
            if number >= MAX_ENTRIES || (number > 0 && bytes > MAX_TOTAL_BYTES) {
                remove_if_exists(&path)?;
            }
        }
        Ok(())
    }

    fn entry_path(&self, layout: &PieceLayout) -> PathBuf {
        self.folder.join(format!("{}-{}", layout.digest, layout.piece_length))
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
        let (key, hashes) = (layout(1, 40_000), [[7; 20], [8; 20], [9; 20]]);
        assert_eq!(store.load(&key), None);
        store.save(&key, &hashes).unwrap();
        assert!(store.has(&key));
        assert_eq!(store.load(&key).unwrap(), hashes);
        assert_eq!(store.load(&PieceLayout { size: 40_001, ..key }), None, "another size");
        store.save(&key, &hashes).unwrap();
        let intact = fs::read(store.entry_path(&key)).unwrap();
        for damage in [0, 30, intact.len() - 1] {
            let mut bytes = intact.clone();
            bytes[damage] ^= 1;
            fs::write(store.entry_path(&key), bytes).unwrap();
            assert_eq!(store.load(&key), None, "byte {damage}");
            assert!(!store.has(&key));
        }
        for length in [0, 60, intact.len() - 1] {
            fs::write(store.entry_path(&key), &intact[..length]).unwrap();
            assert_eq!(store.load(&key), None, "{length} bytes");
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
        let existing = (1..5).map(|content| store.has(&layout(content, size))).collect::<Vec<_>>();
        assert_eq!(existing, [false, false, true, true]);
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
