use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use protocol::hex::{self, HexDigits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::regular_file::open_regular_file;
use super::removal::remove_leftover;
use crate::platform::{FileAt, LinkPolicy, sync_folder};

/// Maximum size of a record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;

/// Reads a record. Returns `None` if it is missing or invalid.
pub(crate) fn load_record<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let file = open_regular_file(path, OpenOptions::new().read(true), LinkPolicy::Refuse).ok()?;
    let mut json = Vec::new();
    file.take(MAX_RECORD + 1).read_to_end(&mut json).ok()?;
    if json.len() as u64 > MAX_RECORD { None } else { serde_json::from_slice(&json).ok() }
}

/// Writes a record atomically. After a power cut the file has the old record, the new one, or a valid mixture of both; it is
/// never empty or truncated.
///
/// If `may_mix` accepts the record on disk, which means that both have the same shape, it is overwritten in place. That needs
/// no space on a full disk and no sync. Otherwise the new record is synced and replaces the old one by a rename.
pub(crate) fn save_record<T: Serialize + DeserializeOwned>(
    path: &Path,
    record: &T,
    may_mix: impl Fn(&T) -> bool,
) -> io::Result<()> {
    let json = serde_json::to_vec(record).map_err(io::Error::other)?;
    let is_same_shape = load_record(path).is_some_and(|old| may_mix(&old));
    if is_same_shape && overwrite(path, &json)? { Ok(()) } else { replace(path, &json) }
}

/// Makes a record that was overwritten in place durable.
pub(crate) fn sync_record(path: &Path) -> io::Result<()> {
    open_regular_file(path, OpenOptions::new().write(true), LinkPolicy::Refuse)?.sync_data()
}

/// Encodes a set of pieces as hexadecimal digits, high bit first.
pub(crate) fn pieces_to_digits(pieces: &Bitfield) -> String {
    HexDigits(pieces.as_bytes()).to_string()
}

/// Decodes a set of pieces of a geometry from its digits.
pub(crate) fn pieces_from_digits(geometry: &Geometry, digits: &str) -> Option<Bitfield> {
    Bitfield::from_bytes(geometry, hex::parse_bytes(digits)?).ok()
}

/// Removes a record and its temporary file, if a crash left one. A record without its part file is harmless.
pub(crate) fn remove_record(path: &Path) {
    remove_leftover(path);
    remove_leftover(&temporary_path(path));
}

/// Returns the path of the temporary file of a record. It is hidden, so that it is never shared.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Overwrites a file of the same length. Returns false if its length differs.
fn overwrite(path: &Path, json: &[u8]) -> io::Result<bool> {
    let file = open_regular_file(path, OpenOptions::new().write(true), LinkPolicy::Refuse)?;
    if file.metadata()?.len() != json.len() as u64 {
        return Ok(false);
    }
    file.write_all_at(json, 0)?;
    Ok(true)
}

/// Replaces a file atomically. The new content is durable before the rename, and the name is durable on return.
fn replace(path: &Path, json: &[u8]) -> io::Result<()> {
    // Created exclusively, so that nothing is written through a link.
    let fresh = temporary_path(path);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&fresh, json).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // The first error is the relevant one.
        let _ = fs::remove_file(&fresh);
    }
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write_new(path: &Path, json: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(json)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn record_of_the_same_shape_is_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part.json");
        let inode = || fs::metadata(&path).unwrap().ino();
        save_record(&path, &[1, 2], |_| true).unwrap();
        let first = inode();
        save_record(&path, &[3, 4], |_| true).unwrap();
        assert_eq!((load_record::<[u32; 2]>(&path), inode()), (Some([3, 4]), first));
        // A record of another length, or one that may not be mixed, replaces the file.
        save_record(&path, &[3, 45], |_| true).unwrap();
        save_record(&path, &[4, 45], |_| false).unwrap();
        assert_eq!(load_record::<[u32; 2]>(&path), Some([4, 45]));
        fs::write(&path, "").unwrap();
        save_record(&path, &[5, 6], |_| true).unwrap();
        assert_eq!(load_record::<[u32; 2]>(&path), Some([5, 6]));
        sync_record(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
