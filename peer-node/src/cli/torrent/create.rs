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
use crate::repl::output::ConsoleOutput;
use crate::torrent::make::{ExcludedEntry, MakeOptions, TorrentPlan};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent create debian.iso --announce http://127.0.0.1:6969/announce
  peer-node torrent create album/ --announce http://a/announce --announce udp://b:6969
                                     two trackers, the second only if the first fails
  peer-node torrent create album/ --piece-length 1M --private --output /tmp/album.torrent

The same files with the same name, piece length and --private give the same infohash, here and in mktorrent.";

/// How many of the things that are left out are named.
const MAX_NAMED: usize = 10;

/// The shortest and the longest piece that may be asked for, in bytes.
const PIECE_LENGTHS: std::ops::RangeInclusive<u32> = 16 << 10..=64 << 20;

/// What a torrent is made of, and what it is to say.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct CreateOptions {
    /// The file or folder.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Where a tracker is; several times for several, tried in turn. A comma puts more into one tier.
    #[arg(short, long, value_name = "URL", value_parser = parse_tier)]
    pub announce: Vec<TrackerTier>,

    /// The length of a piece: a power of two from 16K to 64M. Without it, from 256K on, as suits the size.
    #[arg(short = 'l', long, value_name = "N", value_parser = piece_length)]
    pub piece_length: Option<u32>,

    /// Lets peers come from the torrent's trackers alone.
    #[arg(short, long)]
    pub private: bool,

    /// Where to put the torrent: a file, or a folder that is there. Without it, NAME.torrent here.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// A remark.
    #[arg(short, long, value_name = "TEXT")]
    pub comment: Option<String>,

    /// The torrent's name, if not that of the file or folder.
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,

    /// Leaves out when it was made, so that it is the same to the byte each time.
    #[arg(short = 'd', long)]
    pub no_date: bool,

    /// Replaces a torrent that is there already.
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(options: &CreateOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let place = output_path(options)?;
    if !options.force {
        check_absent(&place)?;
    }
    let plan = TorrentPlan::scan(&options.path, Some(&place))?;
    report_left_out(plan.excluded(), output);
    let wish = MakeOptions {
        name: options.name.clone(),
        piece_length: options.piece_length,
        private: options.private,
        tiers: options.announce.iter().map(|tier| tier.0.clone()).collect(),
        comment: options.comment.clone(),
        creation_date: (!options.no_date).then(now).flatten(),
    };
    let size = plan.size();
    // Ctrl-C ends the program, and nothing is written before all is read.
    let bytes = plan.make(&wish, &CancellationToken::new(), &mut |done| {
        read_progress::draw_progress(output, done, size)
    })?;
    write(&place, &bytes, options.force)?;
    report_created(&bytes, &place.to_string_lossy(), output)
}

fn report_left_out(left_out: &[ExcludedEntry], output: &mut ConsoleOutput) {
    for left in left_out.iter().take(MAX_NAMED) {
        let path = left.path.to_string_lossy();
        output.warning(format_args!("left out: {} ({})", display_safe(&path), left.reason));
    }
    if let Some(more) = left_out.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        output.warning(format_args!("left out: {more} more"));
    }
}

fn report_created(bytes: &[u8], place: &str, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    // It was read back when it was made.
    if let Ok(metainfo) = Metainfo::parse(bytes) {
        let geometry = metainfo.geometry();
        let files = if metainfo.is_single_file() {
            String::new()
        } else {
            format!("{} files, ", metainfo.files().len())
        };
        output.lines([
            display_safe(place).into_owned(),
            format!("  infohash  {}", metainfo.infohash()),
            format!(
                "  content   {files}{} in {} of {}",
                DisplaySize(geometry.size()),
                pieces(geometry.piece_count()),
                DisplaySize(geometry.piece_length().into())
            ),
        ])?;
    }
    Ok(0)
}

fn pieces(count: u32) -> String {
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
    length.ok_or_else(|| "write a power of two from 16K to 64M, as in 256K".to_owned())
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
