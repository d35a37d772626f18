//! A temporary folder that a peer shares.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::content::Content;

/// A share folder; removed when dropped.
#[derive(Debug)]
pub struct Home(TempDir);

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// Makes an empty folder.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("peerdex-").tempdir().expect("a temporary folder"))
    }

    /// Makes a folder with one file.
    pub fn with(path: &str, content: &Content) -> Self {
        let home = Self::new();
        home.put(path, content);
        home
    }

    /// Gives the folder's path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file below the folder, with the folders it lies in.
    pub fn put(&self, path: &str, content: &Content) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
        fs::write(&path, &content.bytes).expect("a file");
        path
    }

    /// Lists what a person sees in the folder: every file that is not hidden, by its relative path, with its content.
    pub fn files(&self) -> BTreeMap<String, Content> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.0.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let relative = path.strip_prefix(self.0.path()).expect("below the folder");
                    let content = Content::of(fs::read(&path).expect("a readable file"));
                    found.insert(relative.to_string_lossy().into_owned(), content);
                }
            }
        }
        found
    }
}
