//! The content to transfer: one file of random bytes, or a folder of small files.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use protocol::digest::Digest;

use super::interrupt;
use crate::content::{Noise, TestContent, digest_of_file};

/// Name of the file everywhere.
pub(super) const FILE_NAME: &str = "random.bin";

/// Name of the folder of small files.
pub(super) const TREE_NAME: &str = "small";

/// Number of small files.
pub(super) const SMALL_FILE_COUNT: usize = 1000;

const SMALL_FILE_SIZE: usize = 10 << 10;
const WRITE_SIZE: usize = 4 << 20;

/// Content in a folder that is to be transferred to other folders.
#[derive(Debug)]
pub(super) struct OriginalData {
    /// The folder; it contains [`FILE_NAME`] or [`TREE_NAME`].
    pub(super) folder: PathBuf,
    /// Total number of bytes.
    pub(super) size: u64,
    /// The SHA-256 of [`FILE_NAME`], or of the list of the small files' digests.
    pub(super) digest: Digest,
}

impl OriginalData {
    /// Creates the single file.
    pub(super) fn create_file(folder: &Path, size: u64) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let (mut file, mut noise, mut chunk) =
            (File::create(&path)?, Noise::from_seed(size), vec![0; WRITE_SIZE]);
        let mut remaining = size;
        while remaining > 0 {
            interrupt::check()?;
            let length = usize::try_from(remaining).unwrap_or(WRITE_SIZE).min(WRITE_SIZE);
            noise.fill(&mut chunk[..length]);
            file.write_all(&chunk[..length]).with_context(|| format!("cannot write {}", path.display()))?;
            remaining -= length as u64;
        }
        file.sync_all()?;
        Ok(Self { folder: folder.into(), size, digest: digest_of_file(&path)? })
    }

    /// Creates the folder of small files.
    pub(super) fn create_tree(folder: &Path) -> Result<Self> {
        fs::create_dir(folder.join(TREE_NAME))?;
        for (number, name) in small_file_names().enumerate() {
            let content = TestContent::random(number as u64, SMALL_FILE_SIZE);
            fs::write(folder.join(TREE_NAME).join(name), &content.bytes)?;
        }
        let digest = TestContent::from_bytes(sha256_lines(&folder.join(TREE_NAME))?).digest;
        Ok(Self { folder: folder.into(), size: (SMALL_FILE_COUNT * SMALL_FILE_SIZE) as u64, digest })
    }

    /// Hard-links the content into another folder.
    pub(super) fn link_into(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let tree = self.folder.join(TREE_NAME);
        let links: Vec<PathBuf> = if tree.is_dir() {
            fs::create_dir_all(folder.join(TREE_NAME))?;
            small_file_names().map(|name| Path::new(TREE_NAME).join(name)).collect()
        } else {
            vec![FILE_NAME.into()]
        };
        for link in links {
            let target = folder.join(&link);
            if !target.exists() {
                fs::hard_link(self.folder.join(&link), target)?;
            }
        }
        Ok(())
    }

    /// Returns true if a file or folder is identical, byte by byte.
    pub(super) fn matches(&self, path: &Path) -> Result<bool> {
        let digest = if path.is_dir() {
            TestContent::from_bytes(sha256_lines(path)?).digest
        } else {
            digest_of_file(path)?
        };
        Ok(digest == self.digest)
    }

    /// Returns true if a file or folder has the right size.
    pub(super) fn has_size_of(&self, path: &Path) -> Result<bool> {
        if !path.is_dir() {
            return Ok(fs::metadata(path)?.len() == self.size);
        }
        let sizes: Result<Vec<u64>, _> =
            small_file_names().map(|name| Ok(fs::metadata(path.join(name))?.len())).collect();
        sizes.map(|sizes| sizes.iter().sum::<u64>() == self.size)
    }
}

/// Returns the names of the small files.
pub(super) fn small_file_names() -> impl Iterator<Item = String> {
    (0..SMALL_FILE_COUNT).map(|number| format!("{number:04}.bin"))
}

/// Returns the output of `sha256sum` for all small files in a folder.
pub(super) fn sha256_lines(folder: &Path) -> Result<String> {
    let mut sums = String::new();
    for name in small_file_names() {
        let path = folder.join(&name);
        let digest = digest_of_file(&path).with_context(|| format!("no {}", path.display()))?;
        writeln!(sums, "{digest}  {name}")?;
    }
    Ok(sums)
}
