//! The history of the prompt: a file with one command per line, readable only by its owner.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::replace_file;
use crate::storage::{LinkPolicy, append_to_regular_file, open_regular_file};

/// The maximum number of commands in the history.
pub(super) const MAX_ENTRIES: usize = 1000;

/// The maximum length of a command in the history, in bytes.
const MAX_ENTRY_LEN: usize = 4096;

/// The maximum size read from the end of the file, in bytes.
const MAX_FILE_SIZE: u64 = 4 << 20;

/// The history file.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    last: Option<String>,
}

impl History {
    /// Opens the history at `path` and returns its commands, the oldest first. A file with too many commands is shortened; an
    /// unreadable one counts as empty.
    pub(super) fn open(path: PathBuf) -> (Self, Vec<String>) {
        let text = read(&path).unwrap_or_default();
        let all = text.lines().filter(|line| is_storable(line)).count();
        let kept = text.lines().filter(|line| is_storable(line)).skip(all.saturating_sub(MAX_ENTRIES));
        let entries: Vec<String> = kept.map(ToOwned::to_owned).collect();
        if all > entries.len() {
            let shortened: String = entries.iter().flat_map(|entry| [entry.as_str(), "\n"]).collect();
            if let Err(error) = replace_file(&path, shortened.as_bytes()) {
                tracing::debug!(%error, "cannot shorten the history");
            }
        }
        (Self { path, last: entries.last().cloned() }, entries)
    }

    /// Appends a command; returns false if it repeats the previous one or cannot be stored.
    pub(super) fn add(&mut self, entry: &str) -> bool {
        if !is_storable(entry) || self.last.as_deref() == Some(entry) {
            return false;
        }
        self.last = Some(entry.to_owned());
        if let Err(error) = append(&self.path, entry) {
            tracing::debug!(%error, "cannot write the history");
        }
        true
    }
}

fn is_storable(entry: &str) -> bool {
    !entry.trim().is_empty() && entry.len() <= MAX_ENTRY_LEN && !entry.contains(char::is_control)
}

fn read(path: &Path) -> io::Result<String> {
    let file = open_regular_file(path, OpenOptions::new().read(true), LinkPolicy::Refuse)?;
    let mut bytes = Vec::new();
    let skipped = file.metadata()?.len().saturating_sub(MAX_FILE_SIZE);
    let mut file = file;
    io::Seek::seek(&mut file, io::SeekFrom::Start(skipped))?;
    file.take(MAX_FILE_SIZE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn append(path: &Path, entry: &str) -> io::Result<()> {
    let mut file = append_to_regular_file(path, 0o600, LinkPolicy::Refuse)?;
    file.write_all(format!("{entry}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn commands_are_remembered_by_the_next_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let (mut history, before) = History::open(path.clone());
        assert_eq!(before, Vec::<String>::new());
        assert!(history.add("search iso") && history.add("get 1"));
        assert!(!history.add("get 1") && !history.add("  ") && !history.add("a\u{1b}b"));
        assert_eq!(History::open(path.clone()).1, ["search iso", "get 1"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let long: Vec<String> = (0..MAX_ENTRIES + 10).map(|at| format!("get {at}")).collect();
        fs::write(&path, long.join("\n")).unwrap();
        let (_, entries) = History::open(path.clone());
        assert_eq!((entries.len(), entries[0].as_str()), (MAX_ENTRIES, "get 10"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), MAX_ENTRIES);
    }

    #[test]
    fn damaged_history_does_not_prevent_startup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs::write(&path, b"\xff\xfe\x00\nfiles\n\x1b[2J\n").unwrap();
        assert_eq!(History::open(path).1, ["files"]);
        assert_eq!(History::open(folder.path().to_owned()).1, Vec::<String>::new());
    }
}
