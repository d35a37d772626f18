use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::digest::Digest;
use protocol::limits::MAX_FILE_SIZE;
use protocol::sha256::sha256;
use serde::{Deserialize, Serialize};

use super::super::stored_path::StoredPath;
use super::{FileIdentity, HashedFile};

/// Length of a checksum in hexadecimal digits: 64 bits detect any accidental damage.
const CHECKSUM_DIGITS: usize = 16;

/// One line of the hash cache file.
#[derive(Debug, Serialize, Deserialize)]
struct HashLine {
    location: StoredPath,
    dev: u64,
    ino: u64,
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    digest: String,
    /// In seconds since 1970.
    since: u64,
    /// The first digits of the SHA-256 of the line without this field. Release 0.1.0 wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// A decoded line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DecodedLine {
    /// The checksum is correct.
    Checked(HashedFile),
    /// The line has no checksum (release 0.1.0).
    Unchecked(HashedFile),
    /// The line is damaged.
    Damaged,
}

/// Returns the line with its checksum and newline.
pub(super) fn encode(hashed: &HashedFile) -> io::Result<Vec<u8>> {
    encode_with(hashed, true)
}

/// Returns the line with its newline, and with a checksum only if the entry is a checked one.
pub(super) fn encode_with(hashed: &HashedFile, is_checked: bool) -> io::Result<Vec<u8>> {
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = hashed.identity;
    let since = hashed.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let location = hashed.location.as_path().into();
    let digest = hashed.digest.to_string();
    let mut line = HashLine { location, dev, ino, size, mtime_ns, ctime_ns, digest, since, check: None };
    if is_checked {
        line.check = Some(checksum(&line)?);
    }
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Decodes a line.
pub(super) fn decode(bytes: &[u8]) -> DecodedLine {
    let line = bytes.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<HashLine>(line).ok());
    let Some(mut line) = line else { return DecodedLine::Damaged };
    let check = line.check.take();
    let is_right = |check: &String| checksum(&line).is_ok_and(|expected| expected == *check);
    if check.as_ref().is_some_and(|check| !is_right(check)) {
        return DecodedLine::Damaged;
    }
    match to_hashed_file(line) {
        Some(hashed) if check.is_some() => DecodedLine::Checked(hashed),
        Some(hashed) => DecodedLine::Unchecked(hashed),
        None => DecodedLine::Damaged,
    }
}

fn to_hashed_file(line: HashLine) -> Option<HashedFile> {
    let HashLine { location, dev, ino, size, mtime_ns, ctime_ns, digest, since, check: _ } = line;
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(since)).unwrap_or(SystemTime::UNIX_EPOCH);
    let identity = FileIdentity { dev, ino, size, mtime_ns, ctime_ns };
    let hashed = HashedFile { location: location.into(), identity, digest: digest.parse().ok()?, since };
    let is_possible = size <= MAX_FILE_SIZE && (size == 0) == (hashed.digest == Digest::EMPTY);
    (is_possible && hashed.location.is_absolute()).then_some(hashed)
}

/// Returns the checksum of a line that has none yet: 16 hexadecimal digits.
fn checksum(line: &HashLine) -> io::Result<String> {
    debug_assert!(line.check.is_none(), "the checksum does not cover itself");
    Ok(format!("{:.CHECKSUM_DIGITS$}", sha256(&serde_json::to_vec(line)?)))
}
