//! Opens a torrent's files and verifies what exists there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::metainfo::{FileSpan, Metainfo};
use tokio_util::sync::CancellationToken;

use super::content_root::{self, CandidateKind, ContentRoot, NameCandidate, with_suffix};
use super::handles::{FileHandles, FileState};
use super::layout;
use super::{TorrentFiles, TorrentFilesError};
use crate::platform::data_ranges;
use crate::storage::{Folder, PathKind};
use crate::torrent::selection::FileSelection;

impl TorrentFiles {
    /// Opens the location of a torrent below `dir` for a download. Returns it with the verified pieces. `progress`
    /// receives the number of pieces checked so far.
    ///
    /// An earlier attempt is resumed, and complete content under its final name is used as it is. If something else has
    /// the name, it is left alone and the next free name is used; valid pieces found there are copied.
    pub(crate) fn open(
        dir: &Path,
        metainfo: &Arc<Metainfo>,
        selection: &FileSelection,
        cancel: &CancellationToken,
        progress: &(dyn Fn(u32) + Sync),
    ) -> Result<(Self, Bitfield), TorrentFilesError> {
        fs::create_dir_all(dir).map_err(TorrentFilesError::at(dir))?;
        let base = Folder::open(dir).map_err(TorrentFilesError::at(dir))?;
        let mut donor: Option<(Self, Bitfield)> = None;
        let legacy = metainfo.with_legacy_names().map(Arc::new);
        for (naming, candidate) in
            name_candidates(dir, &base, metainfo, legacy.as_ref()).map_err(TorrentFilesError::at(dir))?
        {
            let Some(files) = Self::open_candidate(&candidate, dir, &base, &naming, selection)? else {
                continue;
            };
            if !Arc::ptr_eq(&naming, metainfo) && !files.has_other_names_than(metainfo) {
                continue;
            }
            let claimed = files.claimed_pieces(&candidate.kind);
            let valid = files.check(&claimed, cancel, progress);
            if cancel.is_cancelled() {
                return Err(TorrentFilesError::Cancelled);
            }
            if files.is_usable(&candidate.kind, &claimed, &valid)? {
                return files.start(valid, donor, cancel);
            }
            let (path, valid_pieces) = (files.location().display(), valid.count());
            tracing::info!(%path, valid_pieces, "existing files do not match the torrent; trying the next name");
            // Remember the unusable location with the most valid pieces: they are copied later.
            if valid.count() > donor.as_ref().map_or(0, |(_, best)| best.count()) {
                donor = Some((files, valid));
            }
        }
        Err(TorrentFilesError::NoFreeName { path: dir.join(metainfo.name()) })
    }

    /// Opens a torrent's existing content to verify or seed it; never creates or changes anything.
    pub(crate) fn open_complete(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, TorrentFilesError> {
        let legacy = metainfo.with_legacy_names().map(|metainfo| Self::open_named(dir, &Arc::new(metainfo)));
        match legacy {
            Some(Ok(files)) if files.has_other_names_than(metainfo) => Ok(files),
            _ => Self::open_named(dir, metainfo),
        }
    }

    fn open_named(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, TorrentFilesError> {
        let root = ContentRoot::of_existing(dir, metainfo)?;
        let (mut states, mut paths) = (Vec::new(), BTreeMap::new());
        for (number, file) in metainfo.files().iter().enumerate() {
            let mut state = FileState::Absent;
            let names = layout::exact_path(file).into_iter().chain([layout::stored_path(file)]);
            for path in names.map(|path| root.only_file.clone().unwrap_or(path)) {
                if file.is_padding || state != FileState::Absent {
                    break;
                }
                let kind = root.folder.kind_of(&path);
                if let PathKind::File(identity) =
                    kind.map_err(TorrentFilesError::at(&root.location.join(&path)))?
                {
                    state = FileState::Named(identity);
                    paths.insert(number, path);
                }
            }
            states.push(state);
        }
        Ok(Self::new(Arc::clone(metainfo), root, FileSelection::all(), FileHandles::new(states, paths)))
    }

    /// Returns true if a file has another name here than in `metainfo`, which describes the same torrent.
    fn has_other_names_than(&self, metainfo: &Metainfo) -> bool {
        let files = self.metainfo.files().iter().zip(metainfo.files()).enumerate();
        files
            .filter(|(number, _)| self.handles.state(*number) != FileState::Absent)
            .any(|(_, (own, other))| !own.path.stored_components().eq(other.path.stored_components()))
    }

    /// Opens a candidate location and inspects its files; none if it cannot be the torrent's.
    fn open_candidate(
        candidate: &NameCandidate,
        dir: &Path,
        base: &Folder,
        metainfo: &Arc<Metainfo>,
        selection: &FileSelection,
    ) -> Result<Option<Self>, TorrentFilesError> {
        let Some(root) = candidate.open(dir, base, metainfo)? else { return Ok(None) };
        let files = metainfo.files().iter();
        let states: io::Result<Option<Vec<FileState>>> = if candidate.kind == CandidateKind::Free {
            Ok(Some(vec![FileState::Absent; files.len()]))
        } else {
            files.map(|file| inspect_file(&root, file).transpose()).collect::<Option<_>>().transpose()
        };
        let states = states.map_err(TorrentFilesError::at(&root.location))?;
        Ok(states.map(|states| {
            Self::new(
                Arc::clone(metainfo),
                root,
                selection.clone(),
                FileHandles::new(states, BTreeMap::new()),
            )
        }))
    }

    /// Returns the pieces that may be valid: those with bytes on disk that are also recorded, if there is a readable
    /// record.
    fn claimed_pieces(&self, kind: &CandidateKind) -> Bitfield {
        let geometry = self.metainfo.geometry();
        let recorded =
            if let CandidateKind::Resumable(Some(recorded)) = kind { Some(recorded) } else { None };
        let mut claimed = Bitfield::full(geometry);
        for (number, file) in self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding) {
            let pieces = layout::pieces_of(&self.metainfo, file).filter_map(|piece| geometry.piece(piece));
            match self.handles.state(number) {
                FileState::Named(_) => {}
                FileState::Part { .. } if recorded.is_some() => {}
                FileState::Absent => pieces.for_each(|piece| claimed.remove(piece)),
                FileState::Part { .. } => {
                    // Without a readable record, only pieces that overlap data on disk can be valid.
                    let written = self.written_ranges(number);
                    let start = |piece| geometry.piece_offset(piece).saturating_sub(file.offset);
                    let end = |piece| {
                        geometry.piece_offset(piece) + u64::from(geometry.length_of(piece)) - file.offset
                    };
                    let is_written = |piece| {
                        written.iter().any(|range| range.start < end(piece) && start(piece) < range.end)
                    };
                    pieces.filter(|piece| !is_written(*piece)).for_each(|piece| claimed.remove(piece));
                }
            }
        }
        if let Some(recorded) = recorded {
            let is_claim = |piece| recorded.has(piece) || self.is_in_named_files(piece);
            geometry.pieces().filter(|piece| !is_claim(*piece)).for_each(|piece| claimed.remove(piece));
        }
        claimed
    }

    /// Returns the ranges of a part that have data on disk.
    fn written_ranges(&self, number: usize) -> Vec<Range<u64>> {
        let Ok(Some((part, _))) = self.reader(number) else { return Vec::new() };
        data_ranges(&part)
    }

    /// Returns true if a download may use this location, given the claimed and the valid pieces.
    fn is_usable(
        &self,
        kind: &CandidateKind,
        claimed: &Bitfield,
        valid: &Bitfield,
    ) -> Result<bool, TorrentFilesError> {
        let geometry = self.metainfo.geometry();
        let mut wrong = geometry.pieces().filter(|piece| claimed.has(*piece) && !valid.has(*piece));
        // Files under their final names are never modified, so the content cannot be completed here.
        if wrong.any(|piece| self.is_in_named_files(piece)) {
            return Ok(false);
        }
        if *kind != CandidateKind::Existing || valid.count() > 0 {
            return Ok(true);
        }
        // Without any valid piece, only an empty folder is acceptable.
        let is_empty = self.root.only_file.is_none()
            && self.root.folder.is_empty().map_err(TorrentFilesError::at(self.location()))?;
        Ok(is_empty)
    }

    /// Starts using the location; copies valid pieces from the donor.
    fn start(
        mut self,
        mut valid: Bitfield,
        donor: Option<(Self, Bitfield)>,
        cancel: &CancellationToken,
    ) -> Result<(Self, Bitfield), TorrentFilesError> {
        if valid.is_full() {
            self.root.unlock();
            return Ok((self, valid));
        }
        if self.handles.state(0) == FileState::Absent {
            self.root.make_part()?;
        }
        let at = TorrentFilesError::at(&self.root.record);
        self.record_pieces(&valid).map_err(at)?;
        // Copy valid pieces from the donor, verifying each again.
        let Some((donor, theirs)) = donor else { return Ok((self, valid)) };
        let geometry = *self.metainfo.geometry();
        let mut bytes = Vec::new();
        for piece in geometry.pieces().filter(|piece| theirs.has(*piece)) {
            if cancel.is_cancelled() {
                return Err(TorrentFilesError::Cancelled);
            }
            let is_there =
                donor.read_piece(piece, &mut bytes).map_err(TorrentFilesError::at(donor.location()))?;
            if !valid.has(piece) && is_there {
                let stored = self.store(piece, &[&bytes]).map_err(TorrentFilesError::at(self.location()))?;
                if stored {
                    valid.insert(piece);
                }
            }
        }
        Ok((self, valid))
    }
}

/// Returns the candidate names of a torrent, each with the metainfo that uses it. Names of an earlier release come
/// first, if something exists there.
fn name_candidates(
    dir: &Path,
    base: &Folder,
    metainfo: &Arc<Metainfo>,
    legacy: Option<&Arc<Metainfo>>,
) -> io::Result<Vec<(Arc<Metainfo>, NameCandidate)>> {
    let mut namings = Vec::new();
    for naming in legacy.into_iter().chain([metainfo]) {
        let candidates = content_root::candidates(dir, base, naming)?.into_iter();
        let is_now = Arc::ptr_eq(naming, metainfo);
        let candidates = candidates.filter(|candidate| is_now || candidate.kind != CandidateKind::Free);
        namings.extend(candidates.map(|candidate| (Arc::clone(naming), candidate)));
    }
    Ok(namings)
}

/// Returns the state of a file; none if something else is in its way.
fn inspect_file(root: &ContentRoot, file: &FileSpan) -> io::Result<Option<FileState>> {
    if file.is_padding {
        return Ok(Some(FileState::Absent));
    }
    let path = root.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
    let target = root.folder.kind_of(&path)?;
    if let PathKind::File(identity) = target
        && identity.size == file.length
    {
        return Ok(Some(FileState::Named(identity)));
    }
    Ok(match root.folder.kind_of(&with_suffix(&path, ".part"))? {
        // If the final name is taken meanwhile, the file gets another one.
        PathKind::File(_) => Some(FileState::Part { is_sized: false }),
        PathKind::Missing if target == PathKind::Missing => Some(FileState::Absent),
        _ => None,
    })
}
