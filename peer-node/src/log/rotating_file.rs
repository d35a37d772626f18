use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::platform::is_same_file;
use crate::storage::{LinkPolicy, append_to_regular_file};

/// Size in bytes at which a log is rotated.
const MAX_SIZE: u64 = 8 << 20;

/// Number of rotated logs that are kept.
const KEPT_FILES: u32 = 4;

/// Interval between checks that the path still names the open file.
const NAME_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A log file that is renamed to `.1`, `.2` and so on when it reaches its size limit.
///
/// Errors are ignored: a program must not fail because it cannot write its log.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    limit: u64,
    current: Mutex<CurrentFile>,
}

#[derive(Debug)]
struct CurrentFile {
    file: File,
    /// Bytes in the file, or bytes since the last rotation that failed.
    length: u64,
    /// When the path was last checked.
    checked_at: Instant,
}

impl RotatingFile {
    /// Opens the file for appending; creates it if it is missing.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Self::with_limit(path, MAX_SIZE)
    }

    fn with_limit(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = open_for_append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            limit,
            current: Mutex::new(CurrentFile { file, length, checked_at: Instant::now() }),
        })
    }

    /// Appends a line, which includes its newline.
    pub(crate) fn append(&self, line: &[u8]) {
        let mut current = self.current.lock();
        self.reopen_if_replaced(&mut current);
        if current.length > 0 && current.length.saturating_add(line.len() as u64) > self.limit {
            if let Ok(file) = rotate(&self.path).and_then(|()| open_for_append(&self.path)) {
                current.file = file;
            }
            current.length = 0;
        }
        current.length += line.len() as u64;
        // A full disk loses log lines and nothing else.
        let _ = current.file.write_all(line);
    }
}

impl RotatingFile {
    /// Opens a new file if the open one was removed or replaced; checks at most once per second.
    fn reopen_if_replaced(&self, current: &mut CurrentFile) {
        if current.checked_at.elapsed() < NAME_CHECK_INTERVAL {
            return;
        }
        current.checked_at = Instant::now();
        let is_current =
            |named: fs::Metadata| current.file.metadata().is_ok_and(|open| is_same_file(&open, &named));
        if !fs::symlink_metadata(&self.path).is_ok_and(is_current)
            && let Ok(file) = open_for_append(&self.path)
        {
            current.length = file.metadata().map_or(0, |open| open.len());
            current.file = file;
        }
    }
}

/// Writes each buffer as one log entry; never fails.
impl Write for &RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    append_to_regular_file(path, 0o600, LinkPolicy::Refuse)
}

/// Renames every log to the next number; the oldest is overwritten.
fn rotate(path: &Path) -> io::Result<()> {
    for number in (1..KEPT_FILES).rev() {
        match fs::rename(numbered_path(path, number), numbered_path(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered_path(path, 1))
}

fn numbered_path(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn contents(folder: &Path) -> Vec<String> {
        let names: BTreeSet<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn full_logs_are_rotated_and_the_oldest_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let log = RotatingFile::with_limit(folder.path().join("node.log"), 10).unwrap();
        for number in 0..14 {
            (&log).write_all(format!("{number:04}\n").as_bytes()).unwrap();
        }
        let expected = ["0012\n0013\n", "0010\n0011\n", "0008\n0009\n", "0006\n0007\n", "0004\n0005\n"];
        assert_eq!(contents(folder.path()), expected);
    }

    #[test]
    fn log_is_continued_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.log");
        for line in ["12345\n", "678\n", "9\n"] {
            RotatingFile::with_limit(path.clone(), 10).unwrap().append(line.as_bytes());
        }
        assert_eq!(contents(folder.path()), ["9\n", "12345\n678\n"]);
    }

    #[test]
    fn removed_log_is_recreated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.log");
        let log = RotatingFile::open(path.clone()).unwrap();
        log.append(b"one\n");
        fs::remove_file(&path).unwrap();
        let mut current = log.current.lock();
        current.checked_at = current.checked_at.checked_sub(NAME_CHECK_INTERVAL).unwrap();
        drop(current);
        log.append(b"two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn line_over_the_limit_gets_its_own_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = RotatingFile::with_limit(folder.path().join("node.log"), 10).unwrap();
        for line in ["a\n", "much longer than that\n", "b\n"] {
            log.append(line.as_bytes());
        }
        assert_eq!(contents(folder.path()), ["b\n", "much longer than that\n", "a\n"]);
    }

    #[test]
    fn log_that_cannot_be_rotated_is_continued_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.log");
        fs::create_dir(numbered_path(&path, KEPT_FILES)).unwrap();
        fs::write(numbered_path(&path, KEPT_FILES - 1), b"in the way of nothing but that folder").unwrap();
        let log = RotatingFile::with_limit(path.clone(), 10).unwrap();
        for line in ["12345678\n", "next\n"] {
            log.append(line.as_bytes());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "12345678\nnext\n");
    }

    #[test]
    fn missing_folder_is_an_error_only_at_startup() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RotatingFile::with_limit(folder.path().join("no/node.log"), 10).is_err());
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        let log = RotatingFile::with_limit(below.join("node.log"), 10).unwrap();
        fs::remove_dir_all(&below).unwrap();
        for _ in 0..5 {
            log.append(b"12345678\n");
        }
    }
}
