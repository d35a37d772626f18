//! A temporary folder that a node shares.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::content::TestContent;

/// A share folder; removed when it is dropped.
#[derive(Debug)]
pub struct TestFolder(TempDir);

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl TestFolder {
    /// Creates an empty folder.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("peerdex-").tempdir().expect("a temporary folder"))
    }

    /// Creates a folder with one file.
    pub fn with_file(path: &str, content: &TestContent) -> Self {
        let created = Self::new();
        created.put(path, content);
        created
    }

    /// Creates a folder with files.
    pub fn with_files(files: &[(&str, &TestContent)]) -> Self {
        let folder = Self::new();
        for (path, content) in files {
            folder.put(path, content);
        }
        folder
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file below the folder and creates its parent folders.
    pub fn put(&self, path: &str, content: &TestContent) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a parent folder")).expect("folders");
        fs::write(&path, &content.bytes).expect("a file");
        path
    }

    /// Returns the path of the content's partial file, used until its download is complete.
    pub fn part_path(&self, content: &TestContent) -> PathBuf {
        self.path().join(format!(".peerdex/partial/{}-{}.part", content.digest, content.size()))
    }

    /// Returns the path of the record of verified pieces of the partial file.
    pub fn part_record_path(&self, content: &TestContent) -> PathBuf {
        self.part_path(content).with_extension("part.json")
    }

    /// Returns the visible files in the folder by their relative paths, with their contents.
    pub fn visible_files(&self) -> BTreeMap<String, TestContent> {
        // A listed file may be renamed before it is read.
        (0..100)
            .find_map(|_| self.try_visible_files())
            .expect("a folder that stays unchanged during a listing")
    }

    /// Lists the folder, or returns `None` if an entry disappears meanwhile.
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

/// Returns the result, or `None` if the entry no longer exists.
fn if_exists<T>(found: io::Result<T>) -> Option<T> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.expect("a readable entry")),
    }
}
