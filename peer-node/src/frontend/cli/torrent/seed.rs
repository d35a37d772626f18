use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::TorrentCommandError;
use super::content_dir_option::ContentDirOption;
use super::participation::{TorrentPeerOptions, run_torrent};
use crate::frontend::console::output::ConsoleOutput;
use crate::torrent::{OnCompletion, TorrentLocation, TorrentSpec, dot_torrent};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent seed debian.iso.torrent --dir ~/isos
  peer-node torrent seed album.torrent --dir ~/music --seed-ratio 2 --max-upload-rate 5M

All files are verified first and never modified. Seeding ends with Ctrl-C.";

/// The options of `torrent seed`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SeedOptions {
    /// The torrent to seed
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// Where the content is.
    #[command(flatten)]
    pub content: ContentDirOption,

    /// Stop seeding at this ratio of uploaded bytes to the torrent's size [default: seed until Ctrl-C]
    #[arg(long, value_name = "RATIO", value_parser = super::participation::parse_ratio)]
    pub seed_ratio: Option<f64>,

    /// The options for connections to peers.
    #[command(flatten)]
    pub peer_options: TorrentPeerOptions,
}

pub(super) fn run(options: &SeedOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let location = TorrentLocation::Complete { folder: options.content.dir.clone() };
    let on_completion = OnCompletion::Seed { ratio: options.seed_ratio };
    let torrent = TorrentSpec {
        metainfo,
        digest: None,
        location,
        on_completion,
        peers: options.peer_options.peers.clone(),
    };
    run_torrent(torrent, &options.peer_options, output)
}
