use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::TorrentCommandError;
use super::participation::{TorrentPeerOptions, run_torrent};
use crate::repl::output::ConsoleOutput;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec, dot_torrent};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent seed debian.iso.torrent --dir ~/isos
  peer-node torrent seed album.torrent --dir ~/music --seed-ratio 2 --max-upload-rate 5M

All is verified first, and nothing in the folder is touched. It goes on until Ctrl-C.";

/// What is to be given.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SeedOptions {
    /// The torrent.
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// The folder that holds its file, or its folder of files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Ends once as many times the size was sent.
    #[arg(long, value_name = "RATIO", value_parser = super::participation::parse_ratio)]
    pub seed_ratio: Option<f64>,

    /// How it comes to peers.
    #[command(flatten)]
    pub peer_options: TorrentPeerOptions,
}

pub(super) fn run(options: &SeedOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let place = TorrentLocation::Complete { folder: options.dir.clone() };
    let afterwards = OnCompletion::Seed { ratio: options.seed_ratio };
    let wish = TorrentSpec {
        metainfo,
        digest: None,
        location: place,
        on_completion: afterwards,
        peers: options.peer_options.peers.clone(),
    };
    run_torrent(wish, &options.peer_options, output)
}
