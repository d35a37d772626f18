use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::is_full;

/// The longest record that is read back, in bytes.
const MAX_RECORD: u64 = 1 << 20;

/// Reads a record; nothing if there is none that can be understood.
pub(crate) fn load_record<T: DeserializeOwned>(path: &Path) -> Option<T> {
    // Nothing else is even opened: a pipe would never answer.
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_RECORD {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a record, whole or not at all. It is a hint, so nothing waits for the disk.
///
/// On a full disk it is written over the one that is there, if `may_mix` says of that one that it has the same length and a
/// mixture of both is a record too.
pub(crate) fn save_record<T: Serialize + DeserializeOwned>(
    path: &Path,
    record: &T,
    may_mix: impl Fn(&T) -> bool,
) -> io::Result<()> {
    let json = serde_json::to_vec(record).map_err(io::Error::other)?;
    match replace(path, &json) {
        Err(error) if is_full(&error) => {
            load_record(path).filter(may_mix).ok_or(error)?;
            let flags = OFlags::NOFOLLOW.bits().cast_signed();
            OpenOptions::new().write(true).custom_flags(flags).open(path)?.write_all_at(&json, 0)
        }
        replaced => replaced,
    }
}

/// Writes a set of pieces as hexadecimal digits, high bit first.
pub(crate) fn pieces_to_digits(pieces: &Bitfield) -> String {
    pieces.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Reads a set of pieces of a geometry from its digits.
pub(crate) fn pieces_from_digits(geometry: &Geometry, digits: &str) -> Option<Bitfield> {
    let digits: Vec<u8> =
        digits.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    if rest.is_empty() { Bitfield::from_bytes(geometry, bytes).ok() } else { None }
}

/// Removes a record, and what a kill may have left of the next one. Without its part file it is no harm.
pub(crate) fn remove_record(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_file(fresh(path));
}

/// Returns where a record is written before it takes its place: hidden, so that it is never shared.
fn fresh(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Puts a new file in the place of an old one.
fn replace(path: &Path, json: &[u8]) -> io::Result<()> {
    // Made anew, so that nothing is written through a link.
    let fresh = fresh(path);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&fresh)?;
    let written = file.write_all(json).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // What matters is why it failed.
        let _ = fs::remove_file(&fresh);
    }
    written
}
