use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::TorrentTrouble;
use super::taking_part::{PartOptions, take_part};
use crate::repl::output::Output;
use crate::torrent::{Afterwards, Place, Wish, dot_torrent};

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
    #[arg(long, value_name = "RATIO", value_parser = super::taking_part::ratio)]
    pub seed_ratio: Option<f64>,

    /// How it comes to peers.
    #[command(flatten)]
    pub part: PartOptions,
}

pub(super) fn run(options: &SeedOptions, output: &mut Output) -> Result<u8, TorrentTrouble> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let place = Place::Whole { folder: options.dir.clone() };
    let afterwards = Afterwards::Seed { ratio: options.seed_ratio };
    let wish = Wish { metainfo, digest: None, place, afterwards, peers: options.part.peers.clone() };
    take_part(wish, &options.part, output)
}
