use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::lan::{ChunkCount, ChunkLayout, ChunkName};
use sha2::{Digest as _, Sha256};

use super::ChunkFolderError;
use super::temp_file::TempFile;
use crate::storage::rename_no_replace;
use crate::storage::{FileIdentity, open_regular};

/// Bytes that are read or hashed at once.
pub(super) const READ_SIZE: usize = 1 << 20;

/// A folder of chunks, with the dictionary and the logs. All regular files with a chunk's name are announced and served, but
/// no links. All functions block on disk I/O.
#[derive(Debug)]
pub(crate) struct ChunkFolder {
    path: PathBuf,
    /// Digests of hashed chunks, with the identity of the file at that time.
    digests: Mutex<HashMap<ChunkName, (FileIdentity, Digest)>>,
}

impl ChunkFolder {
    /// Opens the folder, creating it if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, ChunkFolderError> {
        fs::create_dir_all(path).map_err(ChunkFolderError::io(path))?;
        let path = path.canonicalize().map_err(ChunkFolderError::io(path))?;
        Ok(Self { path, digests: Mutex::default() })
    }

    /// Returns the folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns up to `most` non-empty chunks, sorted by name.
    pub(super) fn chunks(&self, most: usize) -> io::Result<Vec<ChunkName>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| name.parse::<ChunkName>().ok());
            // A file may disappear between the listing and this look; it is then skipped.
            let is_chunk = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
            found.extend(name.filter(|_| is_chunk));
        }
        found.sort();
        found.truncate(most);
        Ok(found)
    }

    /// Opens a chunk. Returns `None` if it is missing or empty.
    pub(super) fn open_chunk(&self, chunk: &ChunkName) -> io::Result<Option<(File, FileIdentity)>> {
        match open_regular(&self.path.join(chunk.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(opened?.filter(|(_, identity)| identity.size > 0)),
        }
    }

    /// Returns the digest of a chunk, from the cache if the chunk has not changed. Returns `None` if it is missing or empty.
    pub(super) fn digest(&self, chunk: &ChunkName) -> io::Result<Option<Digest>> {
        let Some((file, identity)) = self.open_chunk(chunk)? else {
            self.digests.lock().remove(chunk);
            return Ok(None);
        };
        if let Some((_, digest)) = self.digests.lock().get(chunk).filter(|(seen, _)| *seen == identity) {
            return Ok(Some(*digest));
        }
        // Hashed without the lock, since this may take seconds.
        let digest = hash_file(file)?;
        self.digests.lock().insert(chunk.clone(), (identity, digest));
        Ok(Some(digest))
    }

    /// Cuts a file into chunks in the folder and returns their names.
    pub(crate) fn cut(&self, path: &Path, count: ChunkCount) -> Result<Vec<ChunkName>, ChunkFolderError> {
        // Links are followed, but opening must not block on a pipe.
        let opened =
            path.canonicalize().and_then(|path| open_regular(&path)).map_err(ChunkFolderError::io(path))?;
        let Some((mut file, identity)) = opened else {
            return Err(ChunkFolderError::NotAFile { path: path.to_owned() });
        };
        let cut = ChunkLayout::new(identity.size, count);
        if cut.chunk_count() == 0 {
            return Err(ChunkFolderError::Empty { path: path.to_owned() });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut names = Vec::new();
        for number in 1..=cut.chunk_count() {
            let chunk = ChunkName::of_file(&name, number)
                .map_err(|source| ChunkFolderError::Name { path: path.to_owned(), source })?;
            // Each number up to the count has a range.
            let range = cut.range(number).unwrap_or_default();
            let temp = self.temp_file(chunk.as_str().as_ref());
            let copied = copy_range(&mut file, range.start, range.end - range.start, &temp);
            copied.map_err(ChunkFolderError::io(temp.path()))?;
            self.finalize(&temp, &chunk)?;
            names.push(chunk);
        }
        Ok(names)
    }

    /// Renames a chunk to its final name. An existing chunk is kept and must be identical.
    pub(super) fn finalize(&self, file: &TempFile, chunk: &ChunkName) -> Result<(), ChunkFolderError> {
        let target = self.path.join(chunk.as_str());
        match rename_no_replace(file.path(), &target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Another run may have cut the same file; identical chunks are as good as new ones.
                let is_same =
                    || Ok::<_, io::Error>(self.digest(chunk)? == Some(hash_file(File::open(file.path())?)?));
                match is_same() {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(ChunkFolderError::Taken { chunk: chunk.clone() }),
                    Err(error) => Err(ChunkFolderError::io(target)(error)),
                }
            }
            Err(error) => Err(ChunkFolderError::io(target)(error)),
        }
    }

    /// Returns a temporary file for a file that will be named `name`.
    pub(super) fn temp_file(&self, name: &OsStr) -> TempFile {
        TempFile::new_in(&self.path, name)
    }
}

fn copy_range(from: &mut File, start: u64, length: u64, to: &TempFile) -> io::Result<()> {
    from.seek(SeekFrom::Start(start))?;
    let mut file = to.create()?;
    // Chunks of a file that shrinks meanwhile would not fit together.
    if io::copy(&mut from.take(length), &mut file)? < length {
        return Err(io::Error::other("the file was truncated while it was read"));
    }
    file.flush()?;
    file.sync_all()
}

/// Hashes a file from its beginning.
pub(super) fn hash_file(mut file: File) -> io::Result<Digest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; READ_SIZE]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_cut_once_and_no_other_chunk_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(&home.path().join("chunks")).unwrap();
        let file = home.path().join("forest.png");
        fs::write(&file, b"0123456789ab").unwrap();
        let names = folder.cut(&file, ChunkCount::default()).unwrap();
        assert_eq!(
            names.iter().map(ChunkName::as_str).collect::<Vec<_>>(),
            ["forest_1", "forest_2", "forest_3", "forest_4"]
        );
        assert_eq!(fs::read(folder.path().join("forest_4")).unwrap(), b"9ab");
        folder.cut(&file, ChunkCount::default()).unwrap();
        fs::write(&file, b"other content").unwrap();
        assert!(matches!(folder.cut(&file, ChunkCount::default()), Err(ChunkFolderError::Taken { .. })));
        assert_eq!(fs::read(folder.path().join("forest_1")).unwrap(), b"012");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left behind");
        fs::write(&file, b"").unwrap();
        assert!(matches!(folder.cut(&file, ChunkCount::default()), Err(ChunkFolderError::Empty { .. })));
    }

    #[test]
    fn links_empty_files_and_other_names_are_not_chunks() {
        let home = tempfile::tempdir().unwrap();
        let folder = ChunkFolder::open(home.path()).unwrap();
        for (name, content) in [("a_1", "x"), ("a_2", ""), ("notes.txt", "x"), (".b_1", "x")] {
            fs::write(home.path().join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", home.path().join("c_1")).unwrap();
        let names = folder.chunks(100).unwrap();
        assert_eq!(names.iter().map(ChunkName::as_str).collect::<Vec<_>>(), ["a_1"]);
        for (name, is_present) in [("a_1", true), ("a_2", false), ("c_1", false), ("d_1", false)] {
            let opened = folder.open_chunk(&name.parse().unwrap()).unwrap();
            assert_eq!(opened.is_some(), is_present, "{name}");
        }
    }
}
