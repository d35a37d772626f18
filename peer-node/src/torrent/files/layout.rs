//! Maps the torrent's bytes to files; pure arithmetic.

use std::ops::Range;
use std::path::PathBuf;

use protocol::geometry::{Block, PieceIndex};
use protocol::metainfo::{FileSpan, Metainfo};

/// A range of the content within one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentSpan {
    /// Index of the file in the torrent's list.
    pub(super) file: usize,
    /// Offset in the file.
    pub(super) offset: u64,
    /// Number of bytes, never 0.
    pub(super) length: usize,
    /// True for padding: zeros that are not stored.
    pub(super) is_padding: bool,
}

/// Returns the spans of a piece, in order.
pub(super) fn spans_of_piece(
    metainfo: &Metainfo,
    piece: PieceIndex,
) -> impl Iterator<Item = ContentSpan> + use<'_> {
    let geometry = metainfo.geometry();
    spans(metainfo, geometry.piece_offset(piece), geometry.length_of(piece))
}

/// Returns the spans of a block, in order.
pub(super) fn spans_of_block(
    metainfo: &Metainfo,
    block: Block,
) -> impl Iterator<Item = ContentSpan> + use<'_> {
    spans(metainfo, metainfo.geometry().block_offset(block), block.length)
}

fn spans(metainfo: &Metainfo, start: u64, length: u32) -> impl Iterator<Item = ContentSpan> + use<'_> {
    let (files, end) = (metainfo.files(), start + u64::from(length));
    let first = files.partition_point(|file| file.offset + file.length <= start);
    let touched = files.iter().enumerate().skip(first).take_while(move |(_, file)| file.offset < end);
    touched.filter(|(_, file)| file.length > 0).map(move |(number, file)| {
        let from = start.max(file.offset);
        let to = end.min(file.offset + file.length);
        let length = usize::try_from(to - from).unwrap_or(usize::MAX);
        ContentSpan { file: number, offset: from - file.offset, length, is_padding: file.is_padding }
    })
}

/// Returns the piece numbers that overlap a file.
pub(super) fn pieces_of(metainfo: &Metainfo, file: &FileSpan) -> Range<u32> {
    let piece_length = u64::from(metainfo.geometry().piece_length());
    let number = |piece: u64| u32::try_from(piece).unwrap_or(u32::MAX);
    if file.length == 0 {
        return 0..0;
    }
    number(file.offset / piece_length)..number((file.offset + file.length).div_ceil(piece_length))
}

/// Returns a file's path below the torrent's folder, under names that every system can create; empty for the only file
/// of a torrent.
pub(super) fn stored_path(file: &FileSpan) -> PathBuf {
    file.path.stored_components().skip(1).collect()
}

/// Returns a file's path below the torrent's folder under its exact names, as another program may have stored it.
pub(super) fn exact_path(file: &FileSpan) -> Option<PathBuf> {
    file.path.exact_components().map(|names| names.skip(1).collect())
}

/// Splits a piece, given in parts, at the boundaries of its spans.
pub(super) fn split_parts<'a>(
    parts: &[&'a [u8]],
    lengths: impl IntoIterator<Item = usize>,
) -> Vec<Vec<&'a [u8]>> {
    let mut parts = parts.iter().copied();
    let mut rest: &[u8] = &[];
    // Takes `length` bytes, which may span several parts.
    let mut take = |length: usize| {
        let (mut taken, mut missing) = (Vec::new(), length);
        while missing > 0 {
            if rest.is_empty() {
                let Some(next) = parts.next() else { break };
                rest = next;
            }
            let (head, tail) = rest.split_at(missing.min(rest.len()));
            if !head.is_empty() {
                taken.push(head);
            }
            missing -= head.len();
            rest = tail;
        }
        taken
    };
    lengths.into_iter().map(&mut take).collect()
}
