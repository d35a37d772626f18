//! A temporary folder that a peer shares.

use std::collections::BTreeMap;
use std::fs;
use std::io;
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

    /// Returns where the bytes of a content lie while its download is not complete.
    pub fn part(&self, content: &Content) -> PathBuf {
        self.path().join(format!(".peerdex/partial/{}-{}.part", content.digest, content.size()))
    }

    /// Returns where it is noted which of those bytes are verified.
    pub fn part_record(&self, content: &Content) -> PathBuf {
        self.part(content).with_extension("part.json")
    }

    /// Lists what a person sees in the folder: every file that is not hidden, by its relative path, with its content.
    pub fn files(&self) -> BTreeMap<String, Content> {
        // A file that was there when the folder was listed may have another name when it is to be read.
        (0..100).find_map(|_| self.listed()).expect("a folder in which not everything changes all the time")
    }

    /// Lists it, unless something disappears meanwhile.
    fn listed(&self) -> Option<BTreeMap<String, Content>> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![self.0.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in there(fs::read_dir(folder))? {
                let entry = entry.expect("an entry");
                let (path, kind) = (entry.path(), there(entry.file_type())?);
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let relative = path.strip_prefix(self.0.path()).expect("below the folder");
                    let content = Content::of(there(fs::read(&path))?);
                    found.insert(relative.to_string_lossy().into_owned(), content);
                }
            }
        }
        Some(found)
    }
}

/// Returns what was found, and nothing if it is not there any more.
fn there<T>(found: io::Result<T>) -> Option<T> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.expect("what can be read")),
    }
}
