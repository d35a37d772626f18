use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::TorrentCommandError;
use super::participation::{TorrentPeerOptions, run_torrent};
use crate::frontend::console::output::ConsoleOutput;
use crate::torrent::selection::FileSelection;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec, dot_torrent};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent download debian.iso.torrent --dir ~/isos
  peer-node torrent download album.torrent --select 1,3-5,*.jpg
  peer-node torrent download debian.iso.torrent --seed --seed-ratio 1.5

Verified pieces are kept: run the same command to resume. Status 0: all selected files are complete.";

/// The options of `torrent download`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DownloadOptions {
    /// The torrent to download
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// Save the torrent's file, or its folder of files, in this folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Download only these files: numbers of `torrent show` or patterns, e.g. 1,3-5,*.jpg
    #[arg(long, value_name = "FILES")]
    pub select: Option<String>,

    /// Seed after the download until Ctrl-C
    #[arg(long)]
    pub seed: bool,

    /// Stop seeding at this upload/download ratio (requires --seed)
    #[arg(long, value_name = "RATIO", requires = "seed", value_parser = super::participation::parse_ratio)]
    pub seed_ratio: Option<f64>,

    /// Exit when the download is complete; this is the default
    #[arg(long, conflicts_with = "seed")]
    pub no_seed_after: bool,

    /// The options for connections to peers.
    #[command(flatten)]
    pub peer_options: TorrentPeerOptions,
}

pub(super) fn run(options: &DownloadOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let selection = match &options.select {
        Some(text) => FileSelection::parse(text, &metainfo)?,
        None => FileSelection::all(),
    };
    let location = TorrentLocation::Download { folder: options.dir.clone(), selection };
    let on_completion =
        if options.seed { OnCompletion::Seed { ratio: options.seed_ratio } } else { OnCompletion::Stop };
    let torrent = TorrentSpec {
        metainfo,
        digest: None,
        location,
        on_completion,
        peers: options.peer_options.peers.clone(),
    };
    run_torrent(torrent, &options.peer_options, output)
}
