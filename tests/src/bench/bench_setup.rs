//! Where a benchmark plays: a temporary folder with the original, a home for each sender, a folder for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::options::TransferOptions;
use super::original::{FILE_NAME, OriginalData};
use super::tracker::BenchTracker;
use crate::third_party::write_torrent;

/// The length of a piece of the torrent.
const TORRENT_PIECE_LENGTH: u64 = 1 << 20;

/// The stage; its folder is removed when dropped.
#[derive(Debug)]
pub(super) struct BenchSetup {
    folder: TempDir,
    /// What is transferred.
    pub(super) original: OriginalData,
    /// Tells leechers where seeders are.
    pub(super) tracker: BenchTracker,
    /// The `.torrent` of the original.
    pub(super) torrent: PathBuf,
    /// How long one run, or the start of its senders, may take.
    pub(super) limit: Duration,
}

impl BenchSetup {
    /// Makes the folder and the original in it.
    pub(super) fn create(options: &TransferOptions, dir: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("peerdex-transfer-").tempdir_in(dir);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", dir.display()))?;
        let tracker = BenchTracker::start()?;
        let place = folder.path().join("original");
        fs::create_dir(&place)?;
        let (original, torrent) = if options.small {
            (OriginalData::create_tree(&place)?, PathBuf::new())
        } else {
            let original = OriginalData::create_file(&place, options.size.0)?;
            let torrent =
                write_torrent(&place.join(FILE_NAME), &tracker.announce_url(), TORRENT_PIECE_LENGTH)?;
            (original, torrent)
        };
        Ok(Self { folder, original, tracker, torrent, limit: options.limit() })
    }

    /// Gives the folder of a contender's sender, which has the original and stays from run to run.
    pub(super) fn sender_folder(&self, contender: &str, number: usize) -> Result<PathBuf> {
        let home = self.folder.path().join(contender).join(format!("sender-{number}"));
        self.original.link_into(&home)?;
        Ok(home)
    }

    /// Gives a folder of a contender for whatever is not to be shared.
    pub(super) fn private_folder(&self, contender: &str, name: &str) -> Result<PathBuf> {
        let place = self.folder.path().join(contender).join(name);
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// Makes an empty folder for a run.
    pub(super) fn run_folder(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("run-").tempdir_in(self.folder.path())?)
    }
}
