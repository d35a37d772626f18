//! The setup of a benchmark: a temporary folder with the original, one folder per sender and one per run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::options::TransferOptions;
use super::original::{FILE_NAME, OriginalData};
use super::tracker::BenchTracker;
use crate::third_party::write_torrent;

/// Piece length of the torrent, in bytes.
const TORRENT_PIECE_LENGTH: u64 = 1 << 20;

/// The setup; its folder is removed when it is dropped.
#[derive(Debug)]
pub(super) struct BenchSetup {
    folder: TempDir,
    /// The content to transfer.
    pub(super) original: OriginalData,
    /// The tracker that lists the seeders.
    pub(super) tracker: BenchTracker,
    /// The `.torrent` of the original.
    pub(super) torrent: PathBuf,
    /// Time limit of one run, and of the start of its senders.
    pub(super) limit: Duration,
}

impl BenchSetup {
    /// Creates the folder and the original in it.
    pub(super) fn create(options: &TransferOptions, dir: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("peerdex-transfer-").tempdir_in(dir);
        let folder = folder.with_context(|| format!("cannot create a folder in {}", dir.display()))?;
        let tracker = BenchTracker::start()?;
        let original_dir = folder.path().join("original");
        fs::create_dir(&original_dir)?;
        let (original, torrent) = if options.small {
            (OriginalData::create_tree(&original_dir)?, PathBuf::new())
        } else {
            let original = OriginalData::create_file(&original_dir, options.size.0)?;
            let torrent =
                write_torrent(&original_dir.join(FILE_NAME), &tracker.announce_url(), TORRENT_PIECE_LENGTH)?;
            (original, torrent)
        };
        Ok(Self { folder, original, tracker, torrent, limit: options.limit() })
    }

    /// Returns the folder of a contender's sender. It contains the original and is kept from run to run.
    pub(super) fn sender_folder(&self, contender: &str, number: usize) -> Result<PathBuf> {
        let sender_dir = self.folder.path().join(contender).join(format!("sender-{number}"));
        self.original.link_into(&sender_dir)?;
        Ok(sender_dir)
    }

    /// Returns a folder for a contender's files that are not shared.
    pub(super) fn private_folder(&self, contender: &str, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(contender).join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Creates an empty folder for a run.
    pub(super) fn run_folder(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("run-").tempdir_in(self.folder.path())?)
    }
}
