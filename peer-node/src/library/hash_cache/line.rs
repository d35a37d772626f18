use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::digest::Digest;
use protocol::limits::MAX_FILE_SIZE;
use serde::{Deserialize, Serialize};

use super::super::stored_path::StoredPath;
use super::{FileIdentity, Hashed};

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    location: StoredPath,
    dev: u64,
    ino: u64,
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    digest: String,
    /// In seconds since 1970.
    since: u64,
}

/// Returns the line with its end.
pub(super) fn encode(hashed: &Hashed) -> io::Result<Vec<u8>> {
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = hashed.identity;
    let since = hashed.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let location = hashed.location.as_path().into();
    let digest = hashed.digest.to_string();
    let line = Line { location, dev, ino, size, mtime_ns, ctime_ns, digest, since };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a line; `None` if it is none that could have been written whole.
pub(super) fn decode(bytes: &[u8]) -> Option<Hashed> {
    let bytes = bytes.strip_suffix(b"\n")?;
    let Line { location, dev, ino, size, mtime_ns, ctime_ns, digest, since } =
        serde_json::from_slice(bytes).ok()?;
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(SystemTime::UNIX_EPOCH);
    let identity = FileIdentity { dev, ino, size, mtime_ns, ctime_ns };
    let hashed = Hashed { location: location.into(), identity, digest: digest.parse().ok()?, since };
    let is_possible = size <= MAX_FILE_SIZE && (size == 0) == (hashed.digest == Digest::OF_NOTHING);
    (is_possible && hashed.location.is_absolute()).then_some(hashed)
}
