use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::TorrentCommandError;
use super::participation::{TorrentPeerOptions, run_torrent};
use crate::repl::output::ConsoleOutput;
use crate::torrent::selection::FileSelection;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec, dot_torrent};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent download debian.iso.torrent --dir ~/isos
  peer-node torrent download album.torrent --select 1,3-5,*.jpg
  peer-node torrent download debian.iso.torrent --seed --seed-ratio 1.5

What was verified is kept: the same command goes on from there. Status 0: all that was wanted is here.";

/// What is to be fetched, and what comes then.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DownloadOptions {
    /// The torrent.
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// The folder that shall hold its file, or its folder of files.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Which files are wanted, by their numbers in `torrent show` or by patterns.
    #[arg(long, value_name = "FILES")]
    pub select: Option<String>,

    /// Gives it to others once all is here, until Ctrl-C.
    #[arg(long)]
    pub seed: bool,

    /// Ends giving once as many times the size was sent; with --seed.
    #[arg(long, value_name = "RATIO", requires = "seed", value_parser = super::participation::parse_ratio)]
    pub seed_ratio: Option<f64>,

    /// Ends as soon as all is here, as it does without --seed.
    #[arg(long, conflicts_with = "seed")]
    pub no_seed_after: bool,

    /// How it comes to peers.
    #[command(flatten)]
    pub peer_options: TorrentPeerOptions,
}

pub(super) fn run(options: &DownloadOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let selection = match &options.select {
        Some(text) => FileSelection::parse(text, &metainfo)?,
        None => FileSelection::all(),
    };
    let place = TorrentLocation::Download { folder: options.dir.clone(), selection };
    let afterwards =
        if options.seed { OnCompletion::Seed { ratio: options.seed_ratio } } else { OnCompletion::Stop };
    let wish = TorrentSpec {
        metainfo,
        digest: None,
        location: place,
        on_completion: afterwards,
        peers: options.peer_options.peers.clone(),
    };
    run_torrent(wish, &options.peer_options, output)
}
