use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::escape::display_safe;
use protocol::metainfo::Metainfo;
use tokio_util::sync::CancellationToken;

use super::{TorrentTrouble, bar};
use crate::repl::look::{Look, Style};
use crate::repl::output::Output;
use crate::torrent::dot_torrent;
use crate::torrent::files::{FileCondition, FileReport, TorrentFiles};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent verify debian.iso.torrent
  peer-node torrent verify album.torrent --dir /srv/music && echo complete

The status is 0 if every file is whole and 1 if any is not. Nothing is made or changed.";

/// What is to be verified, and where.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyOptions {
    /// The torrent; - reads it from stdin.
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// The folder that holds the torrent's file or folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

pub(super) fn run(options: &VerifyOptions, output: &mut Output) -> Result<u8, TorrentTrouble> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let files = TorrentFiles::open_complete(&options.dir, &metainfo)?;
    let right = check(&files, &metainfo, output);
    let reports = files.reports(&right);
    let look = output.look();
    output.lines(reports.iter().map(|report| line(report, &metainfo, look)))?;
    let whole = reports.iter().filter(|report| report.condition == FileCondition::Whole).count();
    let (pieces, all) = (right.count(), metainfo.geometry().piece_count());
    output.line(format_args!("{whole} of {} files whole, {pieces} of {all} pieces right", reports.len()))?;
    Ok(u8::from(whole < reports.len()))
}

/// Hashes all pieces that may be there, on several threads.
fn check(files: &TorrentFiles, metainfo: &Metainfo, output: &mut Output) -> Bitfield {
    let geometry = metainfo.geometry();
    let output = Mutex::new(output);
    let progress = |looked_at: u32| {
        // Whoever comes while another draws has nothing newer to show.
        if let Some(mut output) = output.try_lock() {
            let done = u64::from(looked_at) * u64::from(geometry.piece_length());
            bar::draw(&mut output, done.min(geometry.size()), geometry.size());
        }
    };
    files.check(&Bitfield::full(geometry), &CancellationToken::new(), &progress)
}

fn line(report: &FileReport, metainfo: &Metainfo, look: Look) -> String {
    let (style, word, more) = match report.condition {
        FileCondition::Whole => (Style::Good, "whole", String::new()),
        FileCondition::Damaged => (Style::Bad, "damaged", wrong_pieces(report)),
        FileCondition::WrongLength { found } => {
            (Style::Bad, "damaged", format!(": {found} bytes where {} belong", report.length))
        }
        FileCondition::Unfinished => {
            (Style::Warning, "unfinished", format!(": {} of {} pieces", report.right, report.pieces))
        }
        FileCondition::Missing => (Style::Warning, "missing", String::new()),
    };
    let path = metainfo.files().get(report.number).map(|file| file.path.to_string());
    let path = path.unwrap_or_else(|| display_safe(&report.path.to_string_lossy()).into_owned());
    format!("{}{path}{more}", look.paint(style, &format!("{word:<12}")))
}

fn wrong_pieces(report: &FileReport) -> String {
    let wrong = report.pieces.saturating_sub(report.right);
    let verb = if wrong == 1 { "is" } else { "are" };
    format!(": {wrong} of {} pieces {verb} wrong, or another file spoils them", report.pieces)
}
