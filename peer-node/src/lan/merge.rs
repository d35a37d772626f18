use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use protocol::digest::Digest;
use protocol::lan::ChunkName;
use sha2::{Digest as _, Sha256};

use super::chunk_folder::{READ_SIZE, hash_file};
use super::dictionary::{DICTIONARY_FILE, DIGESTS_FILE};
use super::download_log::DOWNLOAD_LOG;
use super::file_type::{SIGNATURE_LEN, extension};
use super::requested_content::RequestedContent;
use super::temp_file::TempFile;
use super::upload_log::UPLOAD_LOG;
use super::{ChunkFolder, ChunkFolderError};
use crate::storage::numbered;
use crate::storage::{LinkPolicy, open_regular_file, rename_no_replace};

/// Files of the LAN programs in the folder. Rotated logs have a number after the name.
const OWN_FILES: [&str; 4] = [DICTIONARY_FILE, DIGESTS_FILE, DOWNLOAD_LOG, UPLOAD_LOG];

/// Maximum number of names to try.
const MAX_TRIES: u32 = 500;

/// A merged file.
#[derive(Debug)]
pub(super) struct MergedFile {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl ChunkFolder {
    /// Merges chunks into a file with the requested name. If no extension was typed, the file gets that of its type, if
    /// known. An existing file with that name is kept; if its content is the same, its path is returned.
    pub(super) fn merge(
        &self,
        wanted: &RequestedContent,
        chunks: &[ChunkName],
    ) -> Result<MergedFile, ChunkFolderError> {
        let file = self.temp_file(OsStr::new(&wanted.content));
        let written = self.write_merged(&file, chunks).map_err(ChunkFolderError::io(file.path()))?;
        let (size, digest, beginning) = written;
        let name = match extension(&beginning) {
            Some(extension) if !wanted.has_extension => format!("{}.{extension}", wanted.file),
            _ => wanted.file.clone(),
        };
        let target = self.path().join(&name);
        // A number makes the name harmless.
        let first = u32::from(Self::is_reserved(&name));
        for number in first..MAX_TRIES {
            let path = numbered(&target, number);
            match rename_no_replace(file.path(), &path) {
                // The rename replaces nothing, so two merges at once end with two names.
                Ok(()) => return Ok(MergedFile { path, size, digest }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A repeated download of the same content needs no second copy.
                    let existing =
                        open_regular_file(&path, OpenOptions::new().read(true), LinkPolicy::Refuse);
                    if existing.and_then(hash_file).is_ok_and(|found| found == digest) {
                        return Ok(MergedFile { path, size, digest });
                    }
                }
                Err(error) => return Err(ChunkFolderError::io(path)(error)),
            }
        }
        Err(ChunkFolderError::NoFreeName { path: target })
    }

    /// Returns true if a file of this name would be mistaken for another file in the folder.
    fn is_reserved(name: &str) -> bool {
        OWN_FILES.iter().any(|own| name.starts_with(own)) || name.parse::<ChunkName>().is_ok()
    }

    /// Writes the chunks in order. Returns the size, the digest and the first bytes.
    fn write_merged(&self, target: &TempFile, chunks: &[ChunkName]) -> io::Result<(u64, Digest, Vec<u8>)> {
        let (mut file, mut hasher, mut size) = (target.create()?, Sha256::new(), 0);
        let (mut buffer, mut beginning) = (vec![0; READ_SIZE], Vec::new());
        for chunk in chunks {
            let opened = self.open_chunk(chunk)?;
            let (mut source, _) =
                opened.ok_or_else(|| io::Error::other(format!("{chunk} has disappeared")))?;
            loop {
                let count = source.read(&mut buffer)?;
                let bytes = buffer.get(..count).unwrap_or_default();
                if bytes.is_empty() {
                    break;
                }
                // The type is recognised by the first bytes, which the first chunk may not have all.
                let missing = SIGNATURE_LEN.saturating_sub(beginning.len());
                beginning.extend_from_slice(bytes.get(..missing.min(count)).unwrap_or_default());
                hasher.update(bytes);
                file.write_all(bytes)?;
                size += count as u64;
            }
        }
        // On disk before it gets its name, so that no name ever has half a file.
        file.sync_all()?;
        Ok((size, Digest::from_bytes(hasher.finalize().into()), beginning))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn typed(name: &str) -> RequestedContent {
        RequestedContent::find(name, |content| ["a", "a_1", "upload_log"].contains(&content)).unwrap()
    }

    #[test]
    fn chunks_become_a_file_that_replaces_none() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(home.path()).unwrap();
        let chunks: Vec<ChunkName> = ["a_1", "a_2"].map(|name| name.parse().unwrap()).into();
        fs::write(home.path().join("a_1"), b"\x89PNG").unwrap();
        fs::write(home.path().join("a_2"), b"\r\n\x1a\nrest").unwrap();
        fs::write(home.path().join("a.png"), b"mine").unwrap();
        let merged = folder.merge(&typed("a"), &chunks).unwrap();
        assert_eq!(merged.path, folder.path().join("a (1).png"));
        assert_eq!((fs::read(&merged.path).unwrap(), merged.size), (b"\x89PNG\r\n\x1a\nrest".to_vec(), 12));
        assert_eq!(fs::read(home.path().join("a.png")).unwrap(), b"mine");
        assert_eq!(folder.merge(&typed("a"), &chunks).unwrap().path, merged.path, "the file already exists");
        fs::write(home.path().join("a_1"), b"text").unwrap();
        assert_eq!(folder.merge(&typed("a"), &chunks).unwrap().path, folder.path().join("a"));
    }

    #[test]
    fn the_extension_that_was_typed_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(home.path()).unwrap();
        let chunks = ["a_1".parse().unwrap()];
        for (content, name, expected) in [
            (&b"text"[..], "a.txt", "a.txt"),
            (b"\x89PNG\r\n\x1a\nrest", "a.png", "a.png"),
            (b"\x89PNG\r\n\x1a\nrest", "a.jpg", "a.jpg"),
            (b"GIF89a rest", "a", "a.gif"),
        ] {
            fs::write(home.path().join("a_1"), content).unwrap();
            assert_eq!(folder.merge(&typed(name), &chunks).unwrap().path, folder.path().join(expected));
        }
    }

    #[test]
    fn no_file_takes_the_name_of_a_chunk_or_a_log() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(home.path()).unwrap();
        fs::write(home.path().join("a_1_1"), b"text").unwrap();
        for (name, expected) in [
            ("a_1", "a_1 (1)"),
            ("upload_log.txt", "upload_log (1).txt"),
            ("upload_log.txt.1", "upload_log.txt (1).1"),
        ] {
            let merged = folder.merge(&typed(name), &["a_1_1".parse().unwrap()]).unwrap();
            assert_eq!(merged.path, folder.path().join(expected));
        }
    }
}
