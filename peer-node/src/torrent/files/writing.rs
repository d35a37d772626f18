//! Writes verified pieces.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::metainfo::FileSpan;

use super::TorrentFiles;
use super::handles::{FileState, OpenHandle};
use super::layout::{self, ContentSpan};
use super::torrent_record::TorrentRecord;
use crate::platform::{self, FileAt};
use crate::storage::{OpenMode, at_path, write_parts_at};
use crate::transfer::verification::PieceStore;
use crate::transfer::verification_queue::AssembledPiece;
use crate::view::DiskSpace;

/// Minimum space to continue a download: its record and a few names.
const MIN_SPACE: u64 = 64 << 10;

impl TorrentFiles {
    /// Verifies and writes a piece, given in parts. Returns false if it is invalid.
    pub(crate) fn store(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<bool> {
        if !self.metainfo.verify_piece(piece, parts.iter().copied()) {
            return Ok(false);
        }
        self.write(piece, parts)?;
        Ok(true)
    }

    /// Records the pieces. Does not sync: the record is a claim that is verified before use.
    pub(crate) fn record_pieces(&self, have: &Bitfield) -> io::Result<()> {
        if self.finalization.lock().is_finished() {
            return Ok(());
        }
        TorrentRecord::new(&self.metainfo, have).save(&self.root.record).map_err(at_path(&self.root.record))
    }

    /// Returns the space that the selected files still need, and the free space.
    pub(crate) fn disk_space(&self) -> io::Result<DiskSpace> {
        let free = self.root.folder.free_space()?;
        let mut needed = 0u64;
        for (number, file) in self.metainfo.files().iter().enumerate() {
            let missing = match self.handles.state(number) {
                _ if file.is_padding || !self.selection.has(number) => 0,
                FileState::Named(_) => 0,
                FileState::Absent => file.length,
                FileState::Part { .. } => file.length.saturating_sub(self.allocated_bytes(number)?),
            };
            needed = needed.saturating_add(missing);
        }
        let folder =
            if self.root.only_file.is_some() { self.location().parent() } else { Some(self.location()) };
        let folder = folder.unwrap_or(self.location()).to_owned();
        Ok(DiskSpace { folder, needed: needed.max(MIN_SPACE), free })
    }

    fn allocated_bytes(&self, number: usize) -> io::Result<u64> {
        let Some((file, _)) = self.reader(number)? else { return Ok(0) };
        Ok(platform::allocated_bytes(&file.metadata()?))
    }

    /// Writes a verified piece.
    pub(super) fn write(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        let spans: Vec<ContentSpan> = layout::spans_of_piece(&self.metainfo, piece).collect();
        let cut = layout::split_parts(parts, spans.iter().map(|span| span.length));
        for (span, parts) in spans.into_iter().zip(cut) {
            if let Some(file) = self.metainfo.files().get(span.file).filter(|file| !file.is_padding) {
                let written = self.write_span(span, file, &parts);
                written.map_err(|error| at_path(&self.external_path(&self.part_path(file)))(error))?;
            }
        }
        Ok(())
    }

    fn write_span(&self, span: ContentSpan, file: &FileSpan, parts: &[&[u8]]) -> io::Result<()> {
        if matches!(self.handles.state(span.file), FileState::Named(_)) {
            let named = self.reader(span.file)?.map(|(named, _)| named);
            if named.is_some_and(|named| contains_bytes(&named, parts, span.offset).unwrap_or(false)) {
                return Ok(());
            }
            self.copy_to_part(span.file, file)?;
        }
        let OpenHandle { file, direct, .. } = self.writer(span.file, file)?;
        let direct = direct.filter(|_| !self.keep_cached.load(Ordering::Relaxed));
        match direct.map(|direct| direct.write(parts, span.offset)) {
            Some(Ok(true)) => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(false)) | None => write_parts_at(&file, parts, span.offset),
        }
    }

    /// Starts a part with a copy of a file whose bytes have changed since it was finalized. The file itself is not
    /// modified.
    fn copy_to_part(&self, number: usize, file: &FileSpan) -> io::Result<()> {
        let (path, part) = (self.final_path(number, file), self.part_path(file));
        let changed = self.external_path(&path);
        tracing::warn!(file = %changed.display(), "a file of the torrent has changed; continuing with a copy");
        let mut named = self.root.folder.open_file(&path, OpenMode::Read)?;
        let mut copy = self.root.folder.open_file(&part, OpenMode::New)?;
        if let Err(error) = io::copy(&mut named, &mut copy) {
            // An incomplete copy would block the next attempt.
            let _ = self.root.folder.remove_file(&part);
            return Err(error);
        }
        self.handles.update_state(number, FileState::Part { is_sized: false }, None);
        Ok(())
    }
}

impl PieceStore for TorrentFiles {
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
        self.metainfo.verify_pieces(pieces.iter().map(|assembled| (assembled.piece, assembled.parts())))
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        self.write(piece, parts)
    }
}

/// Returns true if a file has the given bytes at `offset`.
fn contains_bytes(file: &File, parts: &[&[u8]], mut offset: u64) -> io::Result<bool> {
    let mut found = Vec::new();
    for part in parts {
        found.resize(part.len(), 0);
        file.read_exact_at(&mut found, offset)?;
        if found != *part {
            return Ok(false);
        }
        offset += part.len() as u64;
    }
    Ok(true)
}
