use std::path::Path;

use super::super::contender::ARIA2_TORRENT_OPTIONS;
use super::super::original::NAME;
use super::attempt::{Attempt, Preparation};
use super::cell::{Cell, Dialect, Sources};
use super::scene::Scene;

/// One way to download a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    /// A new node that searches and downloads.
    Ours,
    /// A node that is connected to the index and has searched; the download alone is measured.
    OursRunning,
    /// curl, from the first source.
    Curl,
    /// aria2c with eight connections, from all sources.
    Aria2,
    /// Our BitTorrent client, from our seeders.
    OursTorrent,
    /// aria2c as a BitTorrent client, from our seeders.
    Aria2Torrent,
}

impl Contender {
    /// All of them, ours first.
    pub(super) const ALL: [Self; 6] =
        [Self::Ours, Self::OursRunning, Self::Curl, Self::Aria2, Self::OursTorrent, Self::Aria2Torrent];

    /// Returns its name on the command line and in tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursRunning => "ours-running",
            Self::Curl => "curl",
            Self::Aria2 => "aria2c-x8",
            Self::OursTorrent => "ours-bt",
            Self::Aria2Torrent => "aria2c-bt",
        }
    }

    /// Returns all names.
    pub(super) fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|contender| contender.name()).collect()
    }

    /// Finds one by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contender| contender.name() == name)
    }

    /// Returns the one whose time is judged in a cell.
    pub(super) const fn ours(cell: Cell) -> Self {
        match cell.dialect {
            Dialect::Native => Self::Ours,
            Dialect::BitTorrent => Self::OursTorrent,
        }
    }

    /// Returns the programs of others that it needs.
    pub(super) const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Ours | Self::OursRunning | Self::OursTorrent => &[],
            Self::Curl => &["nginx", "curl"],
            Self::Aria2 => &["nginx", "aria2c"],
            Self::Aria2Torrent => &["aria2c"],
        }
    }

    /// Returns true if it takes part in a cell.
    pub(super) fn takes_part(self, cell: Cell) -> bool {
        match self {
            Self::Ours | Self::OursRunning | Self::Aria2 => cell.dialect == Dialect::Native,
            Self::Curl => cell.dialect == Dialect::Native && matches!(cell.sources, Sources::One { .. }),
            Self::OursTorrent | Self::Aria2Torrent => cell.dialect == Dialect::BitTorrent,
        }
    }

    /// Prepares a run that puts the file into a folder.
    pub(super) fn attempt(self, scene: &Scene, folder: &Path) -> Attempt {
        let word = NAME.split('.').next().unwrap_or(NAME);
        let search = format!("search {word}\n");
        match self {
            Self::Ours => ours(scene, folder).reading(format!("{search}download 1\n")),
            Self::OursRunning => {
                let preparation = Preparation { input: search, ready: NAME };
                ours(scene, folder).prepared_by(preparation).reading("download 1\n")
            }
            Self::Curl => {
                let mut command = scene.receiving(Path::new("curl"));
                command.args(["-sf", "-o", NAME]).args(scene.urls().first());
                Attempt::new(command, folder.join(NAME))
            }
            Self::Aria2 => {
                let mut command = scene.receiving(Path::new("aria2c"));
                command.args(["--no-conf", "-q", "--async-dns=false", "--file-allocation=falloc"]);
                command.args(["-x8", "-s8", "-k1M", "-o", NAME]).args(scene.urls());
                Attempt::new(command, folder.join(NAME))
            }
            Self::OursTorrent => {
                let mut command = scene.receiving(&scene.programs().peer_node);
                command.args(["torrent", "download", "--no-seed-after"]).arg(scene.torrent());
                command.arg("--dir").arg(folder);
                Attempt::new(command, folder.join(NAME)).until("done\t")
            }
            Self::Aria2Torrent => {
                let mut command = scene.receiving(Path::new("aria2c"));
                command.args(ARIA2_TORRENT_OPTIONS).args(["--seed-time=0", "--show-console-readout=false"]);
                command.args(["-d", "."]).arg(scene.torrent());
                Attempt::new(command, folder.join(NAME)).until("Download complete:")
            }
        }
    }
}

/// Prepares a new node with a folder of its own.
fn ours(scene: &Scene, folder: &Path) -> Attempt {
    let share = folder.join("share");
    let mut command = scene.receiving(&scene.programs().peer_node);
    command.args(["0", "--listen-host", "0.0.0.0", "--index", &scene.index().to_string(), "--share-dir"]);
    command.arg(&share).env("NO_COLOR", "1");
    // The manifest has 32 bytes for every piece.
    let manifest = scene.pieces() * 32;
    Attempt::new(command, share.join(NAME)).until("done\t").after(manifest)
}
