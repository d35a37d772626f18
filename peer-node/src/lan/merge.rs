use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::lan::ChunkName;
use rustix::fs::CWD;
use sha2::{Digest as _, Sha256};

use super::folder::{STRIDE, hash};
use super::fresh::Fresh;
use super::{ChunkFolder, FolderError};
use crate::download::numbered;
use crate::storage::rename_new;

/// How every picture in PNG begins. The programs in the wild share nothing else, and the wire has no room for an extension.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// How many names are tried.
const MAX_TRIES: u32 = 500;

/// A file that was put together.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl ChunkFolder {
    /// Puts chunks together to a file of that name, with an extension if it is known what the file is. Another file that has
    /// the name stays; if it is the same, that is it.
    pub(super) fn merge(&self, name: &str, chunks: &[ChunkName]) -> Result<Merged, FolderError> {
        let fresh = self.fresh(OsStr::new(name));
        let written = self.write_merged(&fresh, chunks).map_err(FolderError::io(fresh.path()))?;
        let (size, digest, is_picture) = written;
        let target = self.path().join(if is_picture { format!("{name}.png") } else { name.to_owned() });
        for number in 0..MAX_TRIES {
            let path = numbered(&target, number);
            match rename_new((CWD, fresh.path()), (CWD, &path)) {
                Ok(()) => return Ok(Merged { path, size, digest }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
                    if is_file && File::open(&path).and_then(hash).is_ok_and(|found| found == digest) {
                        return Ok(Merged { path, size, digest });
                    }
                }
                Err(error) => return Err(FolderError::io(path)(error)),
            }
        }
        Err(FolderError::NoFreeName { path: target })
    }

    /// Writes the chunks one after the other; returns the size, the digest, and whether it is a picture.
    fn write_merged(&self, fresh: &Fresh, chunks: &[ChunkName]) -> io::Result<(u64, Digest, bool)> {
        let (mut file, mut hasher, mut size) = (fresh.create()?, Sha256::new(), 0);
        let (mut buffer, mut beginning) = (vec![0; STRIDE], Vec::new());
        for chunk in chunks {
            let opened = self.open_chunk(chunk)?;
            let (mut source, _) = opened.ok_or_else(|| io::Error::other(format!("{chunk} is gone")))?;
            loop {
                let count = source.read(&mut buffer)?;
                let bytes = buffer.get(..count).unwrap_or_default();
                if bytes.is_empty() {
                    break;
                }
                let missing = PNG.len().saturating_sub(beginning.len());
                beginning.extend_from_slice(bytes.get(..missing.min(count)).unwrap_or_default());
                hasher.update(bytes);
                file.write_all(bytes)?;
                size += count as u64;
            }
        }
        file.sync_all()?;
        Ok((size, Digest::from_bytes(hasher.finalize().into()), beginning == PNG))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_a_file_that_replaces_none() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(home.path()).unwrap();
        let chunks: Vec<ChunkName> = ["a_1", "a_2"].map(|name| name.parse().unwrap()).into();
        fs::write(home.path().join("a_1"), b"\x89PNG").unwrap();
        fs::write(home.path().join("a_2"), b"\r\n\x1a\nrest").unwrap();
        fs::write(home.path().join("a.png"), b"mine").unwrap();
        let merged = folder.merge("a", &chunks).unwrap();
        assert_eq!(merged.path, folder.path().join("a (1).png"));
        assert_eq!((fs::read(&merged.path).unwrap(), merged.size), (b"\x89PNG\r\n\x1a\nrest".to_vec(), 12));
        assert_eq!(fs::read(home.path().join("a.png")).unwrap(), b"mine");
        assert_eq!(folder.merge("a", &chunks).unwrap().path, merged.path, "it is here already");
        fs::write(home.path().join("a_1"), b"text").unwrap();
        assert_eq!(folder.merge("a", &chunks).unwrap().path, folder.path().join("a"));
    }
}
