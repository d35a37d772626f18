//! A temporary folder that a peer shares.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::content::TestContent;

/// A share folder; removed when dropped.
#[derive(Debug)]
pub struct TestFolder(TempDir);

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl TestFolder {
    /// Makes an empty folder.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("peerdex-").tempdir().expect("a temporary folder"))
    }

    /// Makes a folder with one file.
    pub fn with_file(path: &str, content: &TestContent) -> Self {
        let home = Self::new();
        home.put(path, content);
        home
    }

    /// Gives the folder's path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file below the folder, with the folders it lies in.
    pub fn put(&self, path: &str, content: &TestContent) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
        fs::write(&path, &content.bytes).expect("a file");
        path
    }

    /// Returns where the bytes of a content lie while its download is not complete.
    pub fn part_path(&self, content: &TestContent) -> PathBuf {
        self.path().join(format!(".peerdex/partial/{}-{}.part", content.digest, content.size()))
    }

    /// Returns where it is noted which of those bytes are verified.
    pub fn part_record_path(&self, content: &TestContent) -> PathBuf {
        self.part_path(content).with_extension("part.json")
    }

    /// Lists what a person sees in the folder: every file that is not hidden, by its relative path, with its content.
    pub fn visible_files(&self) -> BTreeMap<String, TestContent> {
        // A file that was there when the folder was listed may have another name when it is to be read.
        (0..100)
            .find_map(|_| self.try_visible_files())
            .expect("a folder in which not everything changes all the time")
    }

    /// Lists it, unless something disappears meanwhile.
    fn try_visible_files(&self) -> Option<BTreeMap<String, TestContent>> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.0.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in if_exists(fs::read_dir(folder))? {
                let entry = entry.expect("an entry");
                let (path, kind) = (entry.path(), if_exists(entry.file_type())?);
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let relative = path.strip_prefix(self.0.path()).expect("below the folder");
                    let content = TestContent::from_bytes(if_exists(fs::read(&path))?);
                    found.insert(relative.to_string_lossy().into_owned(), content);
                }
            }
        }
        Some(found)
    }
}

/// Returns what was found, and nothing if it is not there any more.
fn if_exists<T>(found: io::Result<T>) -> Option<T> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.expect("what can be read")),
    }
}
