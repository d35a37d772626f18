//! `peer-node torrent`: the torrent commands that need no node.

mod content_dir_option;
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

use crate::frontend::console::output::{Audience, ConsoleOutput, OutputError};
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

/// The torrent commands.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TorrentCommand {
    /// Show the contents of a torrent: names, sizes, hashes, trackers, files
    Show(ShowOptions),
    /// Create a torrent from a file or folder
    Create(CreateOptions),
    /// Hash the files on disk and report which are complete
    Verify(VerifyOptions),
    /// Download a torrent, verifying every piece
    Download(DownloadOptions),
    /// Seed a torrent whose files are complete
    Seed(SeedOptions),
}

/// Why a torrent command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TorrentCommandError {
    /// The torrent cannot be used.
    #[error(transparent)]
    DotTorrent(#[from] DotTorrentError),
    /// The torrent cannot be created.
    #[error(transparent)]
    Make(#[from] MakeTorrentError),
    /// The content's files cannot be used.
    #[error(transparent)]
    Files(#[from] TorrentFilesError),
    /// The torrent cannot be written.
    #[error(transparent)]
    Write(#[from] TorrentWriteError),
    /// The selection names no file of the torrent.
    #[error(transparent)]
    Selection(#[from] FileSelectionError),
    /// The listening address cannot be used.
    #[error("cannot listen on {address}: {source}; choose another port or address")]
    Listen {
        /// The listening address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A system resource that the program needs is missing.
    #[error("cannot run: {0}")]
    System(io::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl TorrentCommandError {
    /// Returns the program's exit status.
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

/// Runs a command and returns the program's exit status. Blocks.
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
        // The reader closed the output itself and needs no message.
        Err(TorrentCommandError::Output(error @ OutputError::Closed)) => Ok(error.exit_code()),
        ended => ended,
    }
}
