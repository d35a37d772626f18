//! How a torrent comes to its place, and what is found there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::metainfo::{FileSpan, Metainfo};
use rustix::fs::SeekFrom;
use tokio_util::sync::CancellationToken;

use super::content_root::{self, CandidateKind, ContentRoot, NameCandidate, with_suffix};
use super::handles::{FileHandles, FileState};
use super::layout;
use super::{TorrentFiles, TorrentFilesError};
use crate::storage::{Folder, PathKind};
use crate::torrent::selection::FileSelection;

impl TorrentFiles {
    /// Opens the place of a torrent below `dir` for a download, and returns it with the pieces that are there already, all of
    /// which were verified. `progress` is told how many were looked at.
    ///
    /// An earlier attempt is gone on with, and a content that is there under its name is used as it is. A name that anything
    /// else has is left alone for the next free one; what is right of the content there is copied.
    pub fn open(
        dir: &Path,
        metainfo: &Arc<Metainfo>,
        selection: &FileSelection,
        cancel: &CancellationToken,
        progress: &(dyn Fn(u32) + Sync),
    ) -> Result<(Self, Bitfield), TorrentFilesError> {
        fs::create_dir_all(dir).map_err(TorrentFilesError::at(dir))?;
        let base = Folder::open(dir).map_err(TorrentFilesError::at(dir))?;
        let mut donor: Option<(Self, Bitfield)> = None;
        let before = metainfo.with_legacy_names().map(Arc::new);
        for (named, candidate) in
            name_candidates(dir, &base, metainfo, before.as_ref()).map_err(TorrentFilesError::at(dir))?
        {
            let Some(files) = Self::open_candidate(&candidate, dir, &base, &named, selection)? else {
                continue;
            };
            if !Arc::ptr_eq(&named, metainfo) && !files.has_other_names_than(metainfo) {
                continue;
            }
            let claimed = files.claimed_pieces(&candidate.kind);
            let right = files.check(&claimed, cancel, progress);
            if cancel.is_cancelled() {
                return Err(TorrentFilesError::Cancelled);
            }
            if files.is_usable(&candidate.kind, &claimed, &right)? {
                return files.start(right, donor, cancel);
            }
            tracing::info!(path = %files.location().display(), right = right.count(), "place of a torrent left alone");
            if right.count() > donor.as_ref().map_or(0, |(_, best)| best.count()) {
                donor = Some((files, right));
            }
        }
        Err(TorrentFilesError::NoFreeName { path: dir.join(metainfo.name()) })
    }

    /// Opens a torrent's content where it lies, to verify or seed it: never makes or changes anything.
    pub fn open_complete(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, TorrentFilesError> {
        let before = metainfo.with_legacy_names().map(|before| Self::open_named(dir, &Arc::new(before)));
        match before {
            Some(Ok(files)) if files.has_other_names_than(metainfo) => Ok(files),
            _ => Self::open_named(dir, metainfo),
        }
    }

    fn open_named(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, TorrentFilesError> {
        let place = ContentRoot::of_existing(dir, metainfo)?;
        let (mut lying, mut paths) = (Vec::new(), BTreeMap::new());
        for (number, file) in metainfo.files().iter().enumerate() {
            let mut found = FileState::Absent;
            let names = layout::exact_path(file).into_iter().chain([layout::stored_path(file)]);
            for path in names.map(|path| place.only_file.clone().unwrap_or(path)) {
                if file.is_padding || found != FileState::Absent {
                    break;
                }
                let looked = place.folder.kind_of(&path);
                if let PathKind::File(identity) =
                    looked.map_err(TorrentFilesError::at(&place.location.join(&path)))?
                {
                    found = FileState::Named(identity);
                    paths.insert(number, path);
                }
            }
            lying.push(found);
        }
        Ok(Self::new(Arc::clone(metainfo), place, FileSelection::all(), FileHandles::new(lying, paths)))
    }

    /// Returns true if something lies there under another name than it has in `metainfo`, which is the same torrent.
    fn has_other_names_than(&self, metainfo: &Metainfo) -> bool {
        let files = self.metainfo.files().iter().zip(metainfo.files()).enumerate();
        files
            .filter(|(number, _)| self.handles.state(*number) != FileState::Absent)
            .any(|(_, (here, there))| !here.path.stored_components().eq(there.path.stored_components()))
    }

    /// Opens a place and looks what lies there; nothing if it cannot be the torrent's.
    fn open_candidate(
        candidate: &NameCandidate,
        dir: &Path,
        base: &Folder,
        metainfo: &Arc<Metainfo>,
        selection: &FileSelection,
    ) -> Result<Option<Self>, TorrentFilesError> {
        let Some(place) = candidate.open(dir, base, metainfo)? else { return Ok(None) };
        let files = metainfo.files().iter();
        let lying: io::Result<Option<Vec<FileState>>> = if candidate.kind == CandidateKind::Free {
            Ok(Some(vec![FileState::Absent; files.len()]))
        } else {
            files.map(|file| inspect_file(&place, file).transpose()).collect::<Option<_>>().transpose()
        };
        let lying = lying.map_err(TorrentFilesError::at(&place.location))?;
        Ok(lying.map(|lying| {
            Self::new(
                Arc::clone(metainfo),
                place,
                selection.clone(),
                FileHandles::new(lying, BTreeMap::new()),
            )
        }))
    }

    /// Returns the pieces that may be here: those that have bytes on disk and are noted, if anything understandable is.
    fn claimed_pieces(&self, kind: &CandidateKind) -> Bitfield {
        let geometry = self.metainfo.geometry();
        let noted = if let CandidateKind::Resumable(Some(noted)) = kind { Some(noted) } else { None };
        let mut claimed = Bitfield::full(geometry);
        for (number, file) in self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding) {
            let pieces = layout::pieces_of(&self.metainfo, file).filter_map(|piece| geometry.piece(piece));
            match self.handles.state(number) {
                FileState::Named(_) => {}
                FileState::Part { .. } if noted.is_some() => {}
                FileState::Absent => pieces.for_each(|piece| claimed.remove(piece)),
                FileState::Part { .. } => {
                    let written = self.written_ranges(number);
                    let start = |piece| geometry.piece_offset(piece).saturating_sub(file.offset);
                    let end = |piece| {
                        geometry.piece_offset(piece) + u64::from(geometry.length_of(piece)) - file.offset
                    };
                    let is_written =
                        |piece| written.iter().any(|(from, to)| *from < end(piece) && start(piece) < *to);
                    pieces.filter(|piece| !is_written(*piece)).for_each(|piece| claimed.remove(piece));
                }
            }
        }
        if let Some(noted) = noted {
            let is_claim = |piece| noted.has(piece) || self.is_in_named_files(piece);
            geometry.pieces().filter(|piece| !is_claim(*piece)).for_each(|piece| claimed.remove(piece));
        }
        claimed
    }

    /// Returns the stretches of a part that have bytes on disk.
    fn written_ranges(&self, number: usize) -> Vec<(u64, u64)> {
        let Ok(Some((part, _))) = self.reader(number) else { return Vec::new() };
        let (mut stretches, mut at) = (Vec::new(), 0);
        while let Ok(from) = rustix::fs::seek(&*part, SeekFrom::Data(at)) {
            let Ok(to) = rustix::fs::seek(&*part, SeekFrom::Hole(from)) else { break };
            stretches.push((from, to));
            at = to;
        }
        stretches
    }

    /// Says whether a download may work here, by what was found right of what was claimed.
    fn is_usable(
        &self,
        kind: &CandidateKind,
        claimed: &Bitfield,
        right: &Bitfield,
    ) -> Result<bool, TorrentFilesError> {
        let geometry = self.metainfo.geometry();
        let mut wrong = geometry.pieces().filter(|piece| claimed.has(*piece) && !right.has(*piece));
        // A file that is no part is never changed, so the content cannot come to lie here.
        if wrong.any(|piece| self.is_in_named_files(piece)) {
            return Ok(false);
        }
        if *kind != CandidateKind::Existing || right.count() > 0 {
            return Ok(true);
        }
        // Nothing speaks for it but that it is there: an empty folder, say.
        let is_empty = self.root.only_file.is_none()
            && self.root.folder.is_empty().map_err(TorrentFilesError::at(self.location()))?;
        Ok(is_empty)
    }

    /// Takes the place, and whatever is right in another one.
    fn start(
        mut self,
        mut right: Bitfield,
        donor: Option<(Self, Bitfield)>,
        cancel: &CancellationToken,
    ) -> Result<(Self, Bitfield), TorrentFilesError> {
        if right.is_full() {
            self.root.unlock();
            return Ok((self, right));
        }
        if self.handles.state(0) == FileState::Absent {
            self.root.make_part()?;
        }
        let at = TorrentFilesError::at(&self.root.record);
        self.record_pieces(&right).map_err(at)?;
        let Some((donor, theirs)) = donor else { return Ok((self, right)) };
        let geometry = *self.metainfo.geometry();
        let mut bytes = Vec::new();
        for piece in geometry.pieces().filter(|piece| theirs.has(*piece)) {
            if cancel.is_cancelled() {
                return Err(TorrentFilesError::Cancelled);
            }
            let is_there =
                donor.read_piece(piece, &mut bytes).map_err(TorrentFilesError::at(donor.location()))?;
            if !right.has(piece) && is_there {
                let stored = self.store(piece, &[&bytes]).map_err(TorrentFilesError::at(self.location()))?;
                if stored {
                    right.insert(piece);
                }
            }
        }
        Ok((self, right))
    }
}

/// Returns the names that a torrent may have, with what it is called there; those of an earlier release come first, as far
/// as something lies there.
fn name_candidates(
    dir: &Path,
    base: &Folder,
    metainfo: &Arc<Metainfo>,
    before: Option<&Arc<Metainfo>>,
) -> io::Result<Vec<(Arc<Metainfo>, NameCandidate)>> {
    let mut namings = Vec::new();
    for named in before.into_iter().chain([metainfo]) {
        let candidates = content_root::candidates(dir, base, named)?.into_iter();
        let is_now = Arc::ptr_eq(named, metainfo);
        let candidates = candidates.filter(|candidate| is_now || candidate.kind != CandidateKind::Free);
        namings.extend(candidates.map(|candidate| (Arc::clone(named), candidate)));
    }
    Ok(namings)
}

/// Looks how a file lies at a place; nothing if something is in its way.
fn inspect_file(place: &ContentRoot, file: &FileSpan) -> io::Result<Option<FileState>> {
    if file.is_padding {
        return Ok(Some(FileState::Absent));
    }
    let path = place.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
    let target = place.folder.kind_of(&path)?;
    if let PathKind::File(identity) = target
        && identity.size == file.length
    {
        return Ok(Some(FileState::Named(identity)));
    }
    Ok(match place.folder.kind_of(&with_suffix(&path, ".part"))? {
        // If its name was taken meanwhile, it gets another one.
        PathKind::File(_) => Some(FileState::Part { is_sized: false }),
        PathKind::Missing if target == PathKind::Missing => Some(FileState::Absent),
        _ => None,
    })
}
