mod json;
mod other_keys;
mod text;

use std::path::PathBuf;

use clap::Args;

use super::TorrentCommandError;
use crate::frontend::console::output::ConsoleOutput;
use crate::torrent::dot_torrent;

const EXAMPLES: &str = "\
Examples:
  peer-node torrent show debian.iso.torrent
  peer-node torrent show debian.iso.torrent --json | jq .infohash";

/// The options of `torrent show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowOptions {
    /// The torrent to show; - reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(options: &ShowOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = dot_torrent::read(&options.torrent)?;
    if options.json {
        output.line(json::json(&metainfo))?;
    } else {
        output.lines(text::lines(&metainfo, output.look()))?;
    }
    Ok(0)
}
