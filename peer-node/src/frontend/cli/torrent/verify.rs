use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::escape::display_safe;
use protocol::geometry::PieceIndex;
use protocol::metainfo::Metainfo;
use tokio_util::sync::CancellationToken;

use super::content_dir_option::ContentDirOption;
use super::{TorrentCommandError, read_progress};
use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::output::ConsoleOutput;
use crate::torrent::dot_torrent;
use crate::torrent::files::{TorrentFileCondition, TorrentFileReport, TorrentFiles};

const EXAMPLES: &str = "\
Examples:
  peer-node torrent verify debian.iso.torrent
  peer-node torrent verify album.torrent --dir /srv/music && echo complete

Status 0: every file is complete; 1: a file is not. Nothing is created or modified.";

/// The options of `torrent verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyOptions {
    /// The torrent to verify; - reads it from stdin
    #[arg(value_name = "FILE.torrent")]
    pub torrent: PathBuf,

    /// Where the content is.
    #[command(flatten)]
    pub content: ContentDirOption,
}

pub(super) fn run(options: &VerifyOptions, output: &mut ConsoleOutput) -> Result<u8, TorrentCommandError> {
    let metainfo = Arc::new(dot_torrent::read(&options.torrent)?);
    let files = TorrentFiles::open_complete(&options.content.dir, &metainfo)?;
    let right = verify_pieces(&files, &metainfo, output);
    let reports = files.file_reports(&right);
    let unprovable = unprovable_pieces(&reports, &metainfo);
    let look = output.look();
    output.lines(reports.iter().map(|report| {
        let own = own_faults(report, &metainfo, &right, &unprovable);
        report_line(report, own, &metainfo, look)
    }))?;
    let whole = reports.iter().filter(|report| report.condition == TorrentFileCondition::Complete).count();
    let (pieces, all) = (right.count(), metainfo.geometry().piece_count());
    output.line(format_args!("{whole} of {} files whole, {pieces} of {all} pieces right", reports.len()))?;
    Ok(u8::from(whole < reports.len()))
}

/// Hashes all pieces that may exist on disk, on several threads.
fn verify_pieces(files: &TorrentFiles, metainfo: &Metainfo, output: &mut ConsoleOutput) -> Bitfield {
    let geometry = metainfo.geometry();
    let output = Mutex::new(output);
    let progress = |checked: u32| {
        // Skipped while another thread draws: it shows nearly the same.
        if let Some(mut output) = output.try_lock() {
            let done = u64::from(checked) * u64::from(geometry.piece_length());
            read_progress::draw_progress(&mut output, done.min(geometry.size()), geometry.size());
        }
    };
    files.check(&Bitfield::full(geometry), &CancellationToken::new(), &progress)
}

/// Returns the pieces with bytes of an incomplete file: they prove nothing about the other files that they overlap.
fn unprovable_pieces(reports: &[TorrentFileReport], metainfo: &Metainfo) -> Bitfield {
    let mut unprovable = Bitfield::empty(metainfo.geometry());
    for report in reports {
        if !matches!(report.condition, TorrentFileCondition::Complete | TorrentFileCondition::Damaged) {
            for piece in pieces_of(report, metainfo) {
                unprovable.insert(piece);
            }
        }
    }
    unprovable
}

/// Counts the invalid pieces of a file that no incomplete neighbour can explain.
fn own_faults(
    report: &TorrentFileReport,
    metainfo: &Metainfo,
    right: &Bitfield,
    unprovable: &Bitfield,
) -> usize {
    pieces_of(report, metainfo).filter(|piece| !right.has(*piece) && !unprovable.has(*piece)).count()
}

fn pieces_of(report: &TorrentFileReport, metainfo: &Metainfo) -> impl Iterator<Item = PieceIndex> {
    let geometry = *metainfo.geometry();
    let span = metainfo.files().get(report.number).filter(|file| file.length > 0);
    let number =
        move |byte: u64| u32::try_from(byte / u64::from(geometry.piece_length())).unwrap_or(u32::MAX);
    let numbers = span.map(|file| number(file.offset)..=number(file.offset + file.length - 1));
    numbers.into_iter().flatten().filter_map(move |number| geometry.piece(number))
}

fn report_line(report: &TorrentFileReport, own_faults: usize, metainfo: &Metainfo, look: Look) -> String {
    let (style, word, more) = match report.condition {
        TorrentFileCondition::Complete => (Style::Good, "whole", String::new()),
        TorrentFileCondition::Damaged if own_faults == 0 => {
            (Style::Warning, "unproven", faults_text(report, 0))
        }
        TorrentFileCondition::Damaged => (Style::Bad, "damaged", faults_text(report, own_faults)),
        TorrentFileCondition::WrongLength { found } => {
            (Style::Bad, "damaged", format!(": {found} bytes instead of {}", report.length))
        }
        TorrentFileCondition::Unfinished => {
            (Style::Warning, "unfinished", format!(": {} of {} pieces", report.valid_pieces, report.pieces))
        }
        TorrentFileCondition::Missing => (Style::Warning, "missing", String::new()),
    };
    let path = metainfo.files().get(report.number).map(|file| file.path.to_string());
    let path = path.unwrap_or_else(|| display_safe(&report.path.to_string_lossy()).into_owned());
    format!("{}{path}{more}", look.paint(style, &format!("{word:<12}")))
}

/// Returns how many pieces of a file are wrong, and how many cannot be checked because of other files.
fn faults_text(report: &TorrentFileReport, own: usize) -> String {
    let all = report.pieces;
    let shared = (report.pieces.saturating_sub(report.valid_pieces) as usize).saturating_sub(own);
    let verb = |count| if count == 1 { "is" } else { "are" };
    let other = "with a damaged or missing file";
    match (own, shared) {
        (0, _) => format!(": {shared} of {all} pieces {} shared {other}", verb(shared)),
        (_, 0) => format!(": {own} of {all} pieces {} wrong", verb(own)),
        _ => format!(": {own} of {all} pieces {} wrong, {shared} shared {other}", verb(own)),
    }
}
