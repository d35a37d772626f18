//! The commands for torrents that need no node: they read, work and end.

mod create;
mod download;
mod participation;
mod read_progress;
mod saved_port;
mod seed;
mod show;
mod torrent_output;
mod tracker_url;
mod verify;

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use clap::Subcommand;

use crate::repl::output::{Audience, ConsoleOutput, OutputError};
use crate::torrent::dot_torrent::DotTorrentError;
use crate::torrent::files::TorrentFilesError;
use crate::torrent::make::MakeTorrentError;
use crate::torrent::selection::FileSelectionError;
use create::CreateOptions;
use download::DownloadOptions;
use seed::SeedOptions;
use show::ShowOptions;
use torrent_output::TorrentWriteError;
use verify::VerifyOptions;

/// What to do with torrents.
#[derive(Debug, Clone, Subcommand)]
pub enum TorrentCommand {
    /// Shows what a torrent says: names, sizes, hashes, trackers, files.
    Show(ShowOptions),
    /// Makes a torrent of a file or folder.
    Create(CreateOptions),
    /// Hashes what lies on disk and says which files are whole.
    Verify(VerifyOptions),
    /// Fetches a torrent, verifying every piece.
    Download(DownloadOptions),
    /// Gives a torrent whose files are whole to others.
    Seed(SeedOptions),
}

/// Why a command for torrents failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TorrentCommandError {
    /// The torrent cannot be used.
    #[error(transparent)]
    DotTorrent(#[from] DotTorrentError),
    /// There is no torrent of what was named.
    #[error(transparent)]
    Make(#[from] MakeTorrentError),
    /// The content's files cannot be used.
    #[error(transparent)]
    Files(#[from] TorrentFilesError),
    /// The torrent cannot be put where it belongs.
    #[error(transparent)]
    Write(#[from] TorrentWriteError),
    /// There is no such file in it.
    #[error(transparent)]
    Selection(#[from] FileSelectionError),
    /// Peers cannot be accepted.
    #[error("cannot listen on {address}: {source}; choose another port or address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system does not give what every program needs.
    #[error("cannot run: {0}")]
    System(io::Error),
    /// Nobody reads what is said.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl TorrentCommandError {
    /// Returns the status with which the program ends.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Output(error) => error.exit_code(),
            Self::Selection(_) => 2,
            Self::DotTorrent(_)
            | Self::Make(_)
            | Self::Files(_)
            | Self::Write(_)
            | Self::Listen { .. }
            | Self::System(_) => 1,
        }
    }
}

/// Carries a command out and returns the program's status. Blocks.
pub(super) fn run(command: &TorrentCommand) -> Result<u8, TorrentCommandError> {
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = ConsoleOutput::standard(audience);
    let ended = match command {
        TorrentCommand::Show(options) => show::run(options, &mut output),
        TorrentCommand::Create(options) => create::run(options, &mut output),
        TorrentCommand::Verify(options) => verify::run(options, &mut output),
        TorrentCommand::Download(options) => download::run(options, &mut output),
        TorrentCommand::Seed(options) => seed::run(options, &mut output),
    };
    output.clear_live();
    match ended {
        // Whoever has closed the output knows.
        Err(TorrentCommandError::Output(error @ OutputError::Closed)) => Ok(error.exit_code()),
        ended => ended,
    }
}
