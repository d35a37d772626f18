//! The commands for torrents that need no node: they read, work and end.

mod bar;
mod create;
mod show;
mod tracker_url;
mod verify;
mod written;

use std::io::{self, IsTerminal};

use clap::Subcommand;

use super::UNHEARD;
use crate::repl::output::{Audience, Output, OutputClosed};
use crate::torrent::dot_torrent::DotTorrentError;
use crate::torrent::files::FilesError;
use crate::torrent::make::MakeError;
use create::CreateOptions;
use show::ShowOptions;
use verify::VerifyOptions;
use written::WriteError;

/// What to do with torrents.
#[derive(Debug, Clone, Subcommand)]
pub enum TorrentCommand {
    /// Shows what a torrent says: names, sizes, hashes, trackers, files.
    Show(ShowOptions),
    /// Makes a torrent of a file or folder.
    Create(CreateOptions),
    /// Hashes what lies on disk and says which files are whole.
    Verify(VerifyOptions),
}

/// Why a command for torrents failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TorrentTrouble {
    /// The torrent cannot be used.
    #[error(transparent)]
    DotTorrent(#[from] DotTorrentError),
    /// There is no torrent of what was named.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The content's files cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The torrent cannot be put where it belongs.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Nobody reads what is said.
    #[error(transparent)]
    Unheard(#[from] OutputClosed),
}

impl TorrentTrouble {
    /// Returns the status with which the program ends.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Unheard(_) => UNHEARD,
            Self::DotTorrent(_) | Self::Make(_) | Self::Files(_) | Self::Write(_) => 1,
        }
    }
}

/// Carries a command out and returns the program's status. Blocks.
pub(super) fn run(command: &TorrentCommand) -> Result<u8, TorrentTrouble> {
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = Output::standard(audience);
    let ended = match command {
        TorrentCommand::Show(options) => show::run(options, &mut output),
        TorrentCommand::Create(options) => create::run(options, &mut output),
        TorrentCommand::Verify(options) => verify::run(options, &mut output),
    };
    output.clear_live();
    ended
}
