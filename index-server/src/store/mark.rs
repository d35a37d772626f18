//! A lower bound of the database's progress.
//!
//! After damage at its end, the database silently drops what it cannot read and continues. The mark detects this. It is one
//! line in a separate file: `peerdex index, format 1, change 00000000000000000042`. The number is updated in place *after* a
//! change is on disk, so it is never ahead of an undamaged database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::StoreError;
use super::rows::FORMAT;
use crate::platform::{sync_folder, write_all_at};
use crate::regular_file::{open_regular, read_regular};

const NAME: &str = "mark";
const INTRO: &str = "peerdex index, format ";
const CHANGE: &str = ", change ";

/// Maximum number of bytes read; a valid mark is shorter.
const MAX_LEN: u64 = 4096;
const _: () = assert!(MAX_LEN > (INTRO.len() + 10 + CHANGE.len() + 21) as u64, "a mark is read completely");

/// The mark of a data folder.
#[derive(Debug)]
pub(super) struct CommitMark {
    file: File,
    commits: u64,
}

impl CommitMark {
    /// Opens the mark of a data folder, if it exists.
    pub(super) fn open(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(NAME);
        let unwritable = |source| StoreError::Unwritable { path: path.clone(), source };
        let text = match read_regular(&path, MAX_LEN) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(unwritable(source)),
        };
        let unreadable = || StoreError::damaged(dir, &"its mark cannot be read");
        let (format, rest) =
            text.strip_prefix(INTRO).and_then(|text| text.split_once(CHANGE)).ok_or_else(unreadable)?;
        if format != FORMAT.to_string() {
            let found = protocol::escape::excerpt(format);
            return Err(StoreError::UnknownFormat { path: dir.to_owned(), found, known: FORMAT });
        }
        let commits =
            rest.strip_suffix('\n').and_then(|number| number.parse().ok()).ok_or_else(unreadable)?;
        let file = open_regular(&path, OpenOptions::new().write(true)).map_err(unwritable)?;
        Ok(Some(Self { file, commits }))
    }

    /// Creates the mark of a data folder whose database is complete.
    pub(super) fn create(dir: &Path, commits: u64) -> Result<Self, StoreError> {
        let (path, new) = (dir.join(NAME), dir.join("mark.new"));
        let create = || {
            let mut options = OpenOptions::new();
            let mut file = open_regular(&new, options.write(true).create(true).truncate(true))?;
            file.write_all(line(commits).as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_folder(dir)?;
            Ok(Self { file, commits })
        };
        create().map_err(|source| StoreError::Unwritable { path: path.clone(), source })
    }

    /// Returns the number of the last change known to be on disk.
    pub(super) const fn commits(&self) -> u64 {
        self.commits
    }

    /// Records that a change is on disk. The mark need not be synced, since an older one is still a valid lower bound.
    pub(super) fn advance(&mut self, commits: u64) -> io::Result<()> {
        debug_assert!(commits > self.commits, "changes are counted up");
        self.commits = commits;
        write_all_at(&self.file, line(commits).as_bytes(), 0)
    }
}

fn line(commits: u64) -> String {
    format!("{INTRO}{FORMAT}{CHANGE}{commits:020}\n")
}
