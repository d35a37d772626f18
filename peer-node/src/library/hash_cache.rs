//! The hash cache: digests of files that were hashed before, so that they need not be hashed again.
//!
//! The file is an append-only list of JSON lines; later lines win. Each line has a checksum. A line that was torn by a crash or
//! damaged on disk is skipped, and its file is hashed again. When more than half of the lines are obsolete, the file is
//! rewritten without them.

mod line;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;
use protocol::digest::Digest;

use crate::platform::with_mode;
use crate::storage::FileIdentity;
use line::DecodedLine;

use crate::storage::replace_file;
use crate::storage::{LinkPolicy, at_path, open_regular_file};

/// Maximum length of a line, in bytes: several times the longest escaped path.
const MAX_LINE: u64 = 64 << 10;

/// Maximum bytes of unwritten lines. Further entries are kept in memory only.
const MAX_UNWRITTEN: usize = 8 << 20;

/// A file with fewer lines is not worth rewriting.
const MIN_LINES_TO_COMPACT: usize = 64;

/// A file that was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashedFile {
    pub(super) location: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
}

/// A cached digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownHash {
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
    /// The entry has a valid checksum. If not, the file is hashed again at the next request.
    pub(super) is_checked: bool,
}

/// The digests of hashed files, in memory and on disk.
#[derive(Debug)]
pub(super) struct HashCache {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Number of lines in the file.
    lines: usize,
    entries: HashMap<CacheKey, CacheEntry>,
    /// Lines that could not be written; they are written before the next line.
    unwritten: Vec<u8>,
}

#[derive(Debug)]
struct CacheEntry {
    hashed: HashedFile,
    is_checked: bool,
    /// The file was hashed in this run, so the entry is certainly needed.
    is_new: bool,
}

/// The parts of an identity that stay the same when a disk is mounted again under another device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CacheKey {
    ino: u64,
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
}

impl From<FileIdentity> for CacheKey {
    fn from(FileIdentity { dev: _, ino, size, mtime_ns, ctime_ns }: FileIdentity) -> Self {
        Self { ino, size, mtime_ns, ctime_ns }
    }
}

impl HashCache {
    /// Reads the file, or creates it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = open_file(path)?;
        let (mut lines, mut entries, mut ends_torn, mut damaged) = (0, HashMap::new(), false, 0_usize);
        let mut reader = BufReader::new(&file);
        let mut bytes = Vec::new();
        while reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? > 0 {
            lines += 1;
            ends_torn = bytes.last() != Some(&b'\n');
            let mut known = |hashed: HashedFile, is_checked| {
                let entry = CacheEntry { hashed, is_checked, is_new: false };
                entries.insert(CacheKey::from(entry.hashed.identity), entry);
            };
            match line::decode(&bytes) {
                DecodedLine::Checked(hashed) => known(hashed, true),
                DecodedLine::Unchecked(hashed) => known(hashed, false),
                DecodedLine::Damaged => damaged += 1,
            }
            bytes.clear();
        }
        if damaged > 0 {
            tracing::warn!(damaged, "hash cache has damaged lines; hashing their files again");
        }
        // Complete a torn last line, so that the next entry starts on its own line.
        if ends_torn {
            file.seek(SeekFrom::End(0))?;
            file.write_all(b"\n")?;
        }
        let inner = Mutex::new(Inner { file, lines, entries, unwritten: Vec::new() });
        Ok(Self { path: path.to_owned(), inner })
    }

    /// Returns the cached digest of a file with this identity.
    pub(super) fn find(&self, location: &Path, identity: FileIdentity) -> Option<KnownHash> {
        let inner = self.inner.lock();
        let CacheEntry { hashed, is_checked, .. } = inner.entries.get(&CacheKey::from(identity))?;
        let is_match = hashed.identity.dev == identity.dev || hashed.location == location;
        let HashedFile { digest, since, .. } = *hashed;
        is_match.then_some(KnownHash { digest, since, is_checked: *is_checked })
    }

    /// Adds an entry. If its line cannot be written, the entry stays in memory, and the write is retried with the next line.
    pub(super) fn insert(&self, hashed: HashedFile) -> io::Result<()> {
        let line = line::encode(&hashed)?;
        let mut inner = self.inner.lock();
        let entry = CacheEntry { hashed, is_checked: true, is_new: true };
        inner.entries.insert(CacheKey::from(entry.hashed.identity), entry);
        inner.append(&line).map_err(at_path(&self.path))
    }

    /// Writes the lines that could not be written before.
    pub(super) fn flush_unwritten(&self) -> io::Result<()> {
        self.inner.lock().append(&[]).map_err(at_path(&self.path))
    }

    /// Writes all entries to the file, which may have been removed or replaced, and continues with the new file.
    pub(super) fn restore(&self) -> io::Result<()> {
        self.inner.lock().rewrite(&self.path, |_| true).map_err(at_path(&self.path))
    }

    /// Removes the entry of a file because its digest is in doubt.
    pub(super) fn forget(&self, identity: FileIdentity) {
        self.inner.lock().entries.remove(&CacheKey::from(identity));
    }

    /// Rewrites the file without entries of earlier runs that `is_needed` rejects, if those are more than half of it.
    pub(super) fn compact(&self, is_needed: impl Fn(&HashedFile) -> bool) -> io::Result<bool> {
        let mut inner = self.inner.lock();
        let is_kept = |entry: &CacheEntry| entry.is_new || is_needed(&entry.hashed);
        let kept = inner.entries.values().filter(|entry| is_kept(entry)).count();
        if inner.lines < MIN_LINES_TO_COMPACT || kept >= inner.lines.div_ceil(2) {
            return Ok(false);
        }
        inner.rewrite(&self.path, is_kept).map_err(at_path(&self.path))?;
        inner.entries.retain(|_, entry| is_kept(entry));
        Ok(true)
    }

    /// Returns the digests of all entries.
    pub(super) fn digests(&self) -> std::collections::HashSet<Digest> {
        self.inner.lock().entries.values().map(|entry| entry.hashed.digest).collect()
    }

    /// Makes the written entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.inner.lock().file.sync_data().map_err(at_path(&self.path))
    }
}

impl Inner {
    /// Appends lines, after those that could not be written before.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.lines += usize::from(!lines.is_empty());
        if self.unwritten.is_empty() {
            let Err(error) = self.file.write_all(lines) else { return Ok(()) };
            // A part of the line may have been written, so start the retry on a new line.
            self.unwritten.push(b'\n');
            self.unwritten.extend(lines);
            return Err(error);
        }
        if self.unwritten.len().saturating_add(lines.len()) <= MAX_UNWRITTEN {
            self.unwritten.extend(lines);
        }
        self.file.write_all(&self.unwritten)?;
        self.unwritten = Vec::new();
        Ok(())
    }

    fn rewrite(&mut self, path: &Path, is_kept: impl Fn(&CacheEntry) -> bool) -> io::Result<()> {
        let (mut bytes, mut lines) = (Vec::new(), 0);
        for entry in self.entries.values().filter(|entry| is_kept(entry)) {
            bytes.extend(line::encode_with(&entry.hashed, entry.is_checked)?);
            lines += 1;
        }
        replace_file(path, &bytes)?;
        self.file = open_file(path)?;
        self.lines = lines;
        self.unwritten = Vec::new();
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    with_mode(options.read(true).append(true).create(true), 0o600);
    open_regular_file(path, &mut options, LinkPolicy::Refuse)
}

#[cfg(test)]
mod tests;
