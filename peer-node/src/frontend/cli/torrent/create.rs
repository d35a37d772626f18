use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use protocol::escape::display_safe;
use protocol::metainfo::Metainfo;
use protocol::units::{DisplaySize, parse_size};
use tokio_util::sync::CancellationToken;

use super::torrent_output::{check_absent, output_path, write};
use super::tracker_url::{TrackerTier, parse_tier};
use super::{TorrentCommandError, read_progress};
use crate::frontend::console::output::ConsoleOutput;
use crate::torrent::make::{ExcludedEntry, MakeOptions, TorrentPlan};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent create debian.iso --announce http://127.0.0.1:6969/announce
  peer-node torrent create album/ --announce http://a/announce --announce udp://b:6969
                                     add two trackers, the second only if the first fails
  peer-node torrent create album/ --piece-length 1M --private --output /tmp/album.torrent

The same files with the same name, piece length and --private yield the same infohash, also in mktorrent.";

/// The maximum number of excluded entries that are named.
const MAX_NAMED: usize = 10;

/// The allowed piece lengths, in bytes.
const PIECE_LENGTHS: std::ops::RangeInclusive<u32> = 16 << 10..=64 << 20;

/// The options of `torrent create`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CreateOptions {
    /// The file or folder to create a torrent from
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Add a tracker; can be repeated, each one a tier, tried in order. Separate the trackers of one tier with commas
    #[arg(short, long, value_name = "URL", value_parser = parse_tier)]
    pub announce: Vec<TrackerTier>,

    /// Set the piece length, a power of two from 16K to 64M [default: at least 256K, depending on the size]
    #[arg(short = 'l', long, value_name = "N", value_parser = piece_length)]
    pub piece_length: Option<u32>,

    /// Mark the torrent as private: peers come from its trackers only
    #[arg(short, long)]
    pub private: bool,

    /// Write the torrent to this file, or into this existing folder [default: NAME.torrent]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Add a comment
    #[arg(short, long, value_name = "TEXT")]
    pub comment: Option<String>,

    /// Name the torrent [default: the name of the file or folder]
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,

    /// Omit the creation date, so that the same files always yield an identical torrent
    #[arg(short = 'd', long)]
    pub no_date: bool,

    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(options: &CreateOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let path = output_path(options)?;
    if !options.force {
        check_absent(&path)?;
    }
    let plan = TorrentPlan::scan(&options.path, Some(&path))?;
    report_excluded(plan.excluded(), output);
    let make_options = MakeOptions {
        name: options.name.clone(),
        piece_length: options.piece_length,
        private: options.private,
        tiers: options.announce.iter().map(|tier| tier.0.clone()).collect(),
        comment: options.comment.clone(),
        creation_date: (!options.no_date).then(now).flatten(),
    };
    let size = plan.size();
    // Ctrl-C ends the program: nothing is written before everything has been read.
    let bytes = plan.make(&make_options, &CancellationToken::new(), &mut |done| {
        read_progress::draw_progress(output, done, size);
    })?;
    write(&path, &bytes, options.force)?;
    report_created(&bytes, &path.to_string_lossy(), output)
}

fn report_excluded(excluded: &[ExcludedEntry], output: &mut ConsoleOutput) {
    for entry in excluded.iter().take(MAX_NAMED) {
        let path = entry.path.to_string_lossy();
        output.warning(format_args!("left out: {} ({})", display_safe(&path), entry.reason));
    }
    if let Some(more) = excluded.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        output.warning(format_args!("left out: {more} more"));
    }
}

fn report_created(bytes: &[u8], path: &str, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    // Parsing cannot fail: the torrent was checked when it was created.
    if let Ok(metainfo) = Metainfo::parse(bytes) {
        let geometry = metainfo.geometry();
        let files = if metainfo.is_single_file() {
            String::new()
        } else {
            format!("{} files, ", metainfo.files().len())
        };
        output.lines([
            display_safe(path).into_owned(),
            format!("  infohash  {}", metainfo.infohash()),
            format!(
                "  content   {files}{} in {} of {}",
                DisplaySize(geometry.size()),
                piece_count_text(geometry.piece_count()),
                DisplaySize(geometry.piece_length().into())
            ),
        ])?;
    }
    Ok(0)
}

fn piece_count_text(count: u32) -> String {
    if count == 1 { "1 piece".to_owned() } else { format!("{count} pieces") }
}

fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn piece_length(text: &str) -> Result<u32, String> {
    let length = parse_size(text).map_err(|error| error.to_string())?;
    let length = u32::try_from(length)
        .ok()
        .filter(|length| length.is_power_of_two() && PIECE_LENGTHS.contains(length));
    length.ok_or_else(|| "expected a power of two from 16K to 64M, e.g. 256K".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths_are_powers_of_two_within_reason() {
        assert_eq!(piece_length("256K"), Ok(256 << 10));
        assert_eq!(piece_length("16384"), Ok(16 << 10));
        assert_eq!(piece_length("64MiB"), Ok(64 << 20));
        for bad in ["0", "18", "8K", "128M", "100K", "4G", "x", "-1"] {
            assert!(piece_length(bad).is_err(), "{bad}");
        }
    }
}
