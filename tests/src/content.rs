//! Test content: the same bytes for the same seed, and SHA-256 digests by an independent implementation.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::manifest::{Manifest, ManifestBuilder};
use sha2::Digest as _;

/// Piece length of all content up to 1 GiB, in bytes.
pub const PIECE_LENGTH: usize = 256 << 10;

/// Bytes and their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestContent {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, computed with the `sha2` crate.
    pub digest: Digest,
}

impl TestContent {
    /// Returns `size` pseudo-random bytes that depend only on the seed.
    pub fn random(seed: u64, size: usize) -> Self {
        let mut bytes = vec![0; size];
        Noise::from_seed(seed).fill(&mut bytes);
        Self::from_bytes(bytes)
    }

    /// Wraps bytes as content.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::from_bytes(sha2::Sha256::digest(&bytes).into());
        Self { bytes, digest }
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Returns the content's true manifest.
    pub fn manifest(&self) -> Manifest {
        let mut builder = ManifestBuilder::new(self.size()).expect("a small content");
        builder.update(&self.bytes);
        builder.finish().expect("the declared number of bytes")
    }

    /// Returns the file record of a node that has all of the content under `path`.
    pub fn file_record(&self, path: &str) -> FileRecord {
        FileRecord { path: path.into(), size: self.size(), digest: self.digest, share: Share::Complete }
    }
}

/// Returns the SHA-256 of a file on disk, computed with the `sha2` crate.
pub fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// A pseudo-random byte stream (xorshift64*).
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// Starts a stream; different seeds give different streams.
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Fills `bytes` with the next bytes of the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// Draws the next number below `bound`, or 0 if `bound` is 0.
    pub fn next_below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_depends_on_the_seed_alone() {
        assert_eq!(TestContent::random(1, 1003), TestContent::random(1, 1003));
        assert_ne!(TestContent::random(1, 1003), TestContent::random(2, 1003));
        assert_eq!(TestContent::from_bytes(b"").digest, Digest::EMPTY);
    }
}
