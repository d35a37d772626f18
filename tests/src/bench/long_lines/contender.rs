use std::path::Path;

use super::super::contender::ARIA2_TORRENT_OPTIONS;
use super::super::original::FILE_NAME;
use super::cell::{Cell, Dialect, Sources};
use super::cell_setup::CellSetup;
use super::measured_command::{MeasuredCommand, Preparation};

/// One way to download a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineContender {
    /// A new node that searches and downloads.
    Ours,
    /// A connected node that has already searched; only the download is measured.
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

impl LineContender {
    /// All contenders, ours first.
    pub(super) const ALL: [Self; 6] =
        [Self::Ours, Self::OursRunning, Self::Curl, Self::Aria2, Self::OursTorrent, Self::Aria2Torrent];

    /// Returns the name on the command line and in tables.
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

    /// Returns the contender with a given name.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contender| contender.name() == name)
    }

    /// Returns the contender whose time is checked against the requirement of a cell.
    pub(super) const fn ours_for(cell: Cell) -> Self {
        match cell.dialect {
            Dialect::Native => Self::Ours,
            Dialect::BitTorrent => Self::OursTorrent,
        }
    }

    /// Returns the third-party programs that the contender needs.
    pub(super) const fn required_programs(self) -> &'static [&'static str] {
        match self {
            Self::Ours | Self::OursRunning | Self::OursTorrent => &[],
            Self::Curl => &["nginx", "curl"],
            Self::Aria2 => &["nginx", "aria2c"],
            Self::Aria2Torrent => &["aria2c"],
        }
    }

    /// Returns true if the contender takes part in a cell.
    pub(super) fn supports(self, cell: Cell) -> bool {
        match self {
            Self::Ours | Self::OursRunning | Self::Aria2 => cell.dialect == Dialect::Native,
            Self::Curl => cell.dialect == Dialect::Native && matches!(cell.sources, Sources::One { .. }),
            Self::OursTorrent | Self::Aria2Torrent => cell.dialect == Dialect::BitTorrent,
        }
    }

    /// Prepares a run that puts the file into a folder.
    pub(super) fn measured_command(self, setup: &CellSetup, folder: &Path) -> MeasuredCommand {
        let word = FILE_NAME.split('.').next().unwrap_or(FILE_NAME);
        let search = format!("search {word}\n");
        match self {
            Self::Ours => ours_command(setup, folder).with_input(format!("{search}download 1\n")),
            Self::OursRunning => {
                let preparation = Preparation { input: search, ready_line: FILE_NAME };
                ours_command(setup, folder).with_preparation(preparation).with_input("download 1\n")
            }
            Self::Curl => {
                let mut command = setup.receiver_command(Path::new("curl"));
                command.args(["-sf", "-o", FILE_NAME]).args(setup.urls().first());
                MeasuredCommand::new(command, folder.join(FILE_NAME))
            }
            Self::Aria2 => {
                let mut command = setup.receiver_command(Path::new("aria2c"));
                command.args(["--no-conf", "-q", "--async-dns=false", "--file-allocation=falloc"]);
                command.args(["-x8", "-s8", "-k1M", "-o", FILE_NAME]).args(setup.urls());
                MeasuredCommand::new(command, folder.join(FILE_NAME))
            }
            Self::OursTorrent => {
                let mut command = setup.receiver_command(&setup.programs().peer_node);
                command.args(["torrent", "download", "--no-seed-after"]).arg(setup.torrent());
                command.arg("--dir").arg(folder);
                MeasuredCommand::new(command, folder.join(FILE_NAME)).with_done_line("done\t")
            }
            Self::Aria2Torrent => {
                let mut command = setup.receiver_command(Path::new("aria2c"));
                command.args(ARIA2_TORRENT_OPTIONS).args(["--seed-time=0", "--show-console-readout=false"]);
                command.args(["-d", "."]).arg(setup.torrent());
                MeasuredCommand::new(command, folder.join(FILE_NAME)).with_done_line("Download complete:")
            }
        }
    }
}

/// Prepares a new node with its own folder.
fn ours_command(setup: &CellSetup, folder: &Path) -> MeasuredCommand {
    let share = folder.join("share");
    let mut command = setup.receiver_command(&setup.programs().peer_node);
    command.args([
        "0",
        "--listen-host",
        "0.0.0.0",
        "--index",
        &setup.index_address().to_string(),
        "--share-dir",
    ]);
    command.arg(&share).env("NO_COLOR", "1");
    // The manifest has 32 bytes per piece.
    let manifest = setup.piece_count() * 32;
    MeasuredCommand::new(command, share.join(FILE_NAME))
        .with_done_line("done\t")
        .with_bytes_before_content(manifest)
}
