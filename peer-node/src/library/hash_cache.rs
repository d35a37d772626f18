//! What was hashed before, so that it need not be hashed again.
//!
//! A file of JSON lines that only grows: later lines win, and a line that a crash tore is passed over. It is rewritten
//! without what nobody needs any more, when that is more than half.

mod line;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;
use protocol::digest::Digest;

use super::file_identity::FileIdentity;
use crate::state_dir::replace_file;

/// The longest line that is read, in bytes: several times the longest path, escaped.
const MAX_LINE: u64 = 64 << 10;

/// A file below this many lines is not worth rewriting.
const WORTH_COMPACTING: usize = 64;

/// One file that was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) location: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
}

/// The memory of hashed files.
#[derive(Debug)]
pub(super) struct HashCache {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// How many lines the file has.
    lines: usize,
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    hashed: Hashed,
    /// It was hashed since the file was opened, and is certainly of use.
    is_new: bool,
}

/// What of an identity survives that a disk gets another device number, as happens when it is mounted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    ino: u64,
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
}

impl From<FileIdentity> for Key {
    fn from(FileIdentity { dev: _, ino, size, mtime_ns, ctime_ns }: FileIdentity) -> Self {
        Self { ino, size, mtime_ns, ctime_ns }
    }
}

impl HashCache {
    /// Reads the file, making it if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = open_file(path)?;
        let (mut lines, mut entries, mut ends_torn) = (0, HashMap::new(), false);
        let mut reader = BufReader::new(&file);
        let mut bytes = Vec::new();
        while reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? > 0 {
            lines += 1;
            ends_torn = bytes.last() != Some(&b'\n');
            if let Some(hashed) = line::decode(&bytes) {
                entries.insert(Key::from(hashed.identity), Entry { hashed, is_new: false });
            }
            bytes.clear();
        }
        if ends_torn {
            file.seek(SeekFrom::End(0))?;
            file.write_all(b"\n")?;
        }
        let inner = Mutex::new(Inner { file, lines, entries });
        Ok(Self { path: path.to_owned(), inner })
    }

    /// Returns what is known of a file that looks like that.
    pub(super) fn find(&self, location: &Path, identity: FileIdentity) -> Option<(Digest, SystemTime)> {
        let inner = self.inner.lock();
        let Entry { hashed, .. } = inner.entries.get(&Key::from(identity))?;
        let is_it = hashed.identity.dev == identity.dev || hashed.location == location;
        is_it.then_some((hashed.digest, hashed.since))
    }

    /// Remembers a file.
    pub(super) fn insert(&self, hashed: Hashed) -> io::Result<()> {
        let line = line::encode(&hashed)?;
        let mut inner = self.inner.lock();
        inner.entries.insert(Key::from(hashed.identity), Entry { hashed, is_new: true });
        inner.lines += 1;
        inner.file.write_all(&line)
    }

    /// Forgets a file, because what is known of it is not to be relied on.
    pub(super) fn forget(&self, identity: FileIdentity) {
        self.inner.lock().entries.remove(&Key::from(identity));
    }

    /// Rewrites the file without what is older than this run and `is_needed` does not want, if that is more than half.
    pub(super) fn compact(&self, is_needed: impl Fn(&Hashed) -> bool) -> io::Result<bool> {
        let mut inner = self.inner.lock();
        let is_kept = |entry: &Entry| entry.is_new || is_needed(&entry.hashed);
        let kept = inner.entries.values().filter(|entry| is_kept(entry)).count();
        if inner.lines < WORTH_COMPACTING || kept >= inner.lines.div_ceil(2) {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        for entry in inner.entries.values().filter(|entry| is_kept(entry)) {
            bytes.extend(line::encode(&entry.hashed)?);
        }
        replace_file(&self.path, &bytes)?;
        inner.file = open_file(&self.path)?;
        inner.lines = kept;
        inner.entries.retain(|_, entry| is_kept(entry));
        Ok(true)
    }

    /// Returns the digests of everything that is remembered.
    pub(super) fn digests(&self) -> std::collections::HashSet<Digest> {
        self.inner.lock().entries.values().map(|entry| entry.hashed.digest).collect()
    }

    /// Makes what was remembered durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.inner.lock().file.sync_data()
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;
