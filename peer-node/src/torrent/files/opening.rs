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

use super::handles::{Handles, Lying};
use super::layout;
use super::place::{self, Candidate, Kind, Place, with_suffix};
use super::{FilesError, TorrentFiles};
use crate::storage::{Folder, Found};
use crate::torrent::selection::Selection;

impl TorrentFiles {
    /// Opens the place of a torrent below `dir` for a download, and returns it with the pieces that are there already, all of
    /// which were verified. `progress` is told how many were looked at.
    ///
    /// An earlier attempt is gone on with, and a content that is there under its name is used as it is. A name that anything
    /// else has is left alone for the next free one; what is right of the content there is copied.
    pub fn open(
        dir: &Path,
        metainfo: &Arc<Metainfo>,
        selection: &Selection,
        cancel: &CancellationToken,
        progress: &(dyn Fn(u32) + Sync),
    ) -> Result<(Self, Bitfield), FilesError> {
        fs::create_dir_all(dir).map_err(FilesError::at(dir))?;
        let base = Folder::open(dir).map_err(FilesError::at(dir))?;
        let mut donor: Option<(Self, Bitfield)> = None;
        let before = metainfo.named_as_before().map(Arc::new);
        for (named, candidate) in
            namings(dir, &base, metainfo, before.as_ref()).map_err(FilesError::at(dir))?
        {
            let Some(files) = Self::at(&candidate, dir, &base, &named, selection)? else { continue };
            if !Arc::ptr_eq(&named, metainfo) && !files.has_other_names_than(metainfo) {
                continue;
            }
            let claimed = files.claims(&candidate.kind);
            let right = files.check(&claimed, cancel, progress);
            if cancel.is_cancelled() {
                return Err(FilesError::Cancelled);
            }
            if files.is_usable(&candidate.kind, &claimed, &right)? {
                return files.begin(right, donor, cancel);
            }
            tracing::info!(path = %files.location().display(), right = right.count(), "place of a torrent left alone");
            if right.count() > donor.as_ref().map_or(0, |(_, best)| best.count()) {
                donor = Some((files, right));
            }
        }
        Err(FilesError::NoFreeName { path: dir.join(metainfo.name()) })
    }

    /// Opens a torrent's content where it lies, to verify or seed it: never makes or changes anything.
    pub fn open_complete(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, FilesError> {
        let before = metainfo.named_as_before().map(|before| Self::open_named(dir, &Arc::new(before)));
        match before {
            Some(Ok(files)) if files.has_other_names_than(metainfo) => Ok(files),
            _ => Self::open_named(dir, metainfo),
        }
    }

    fn open_named(dir: &Path, metainfo: &Arc<Metainfo>) -> Result<Self, FilesError> {
        let place = Place::of_existing(dir, metainfo)?;
        let (mut lying, mut paths) = (Vec::new(), BTreeMap::new());
        for (number, file) in metainfo.files().iter().enumerate() {
            let mut found = Lying::Absent;
            let names = layout::exact_path(file).into_iter().chain([layout::stored_path(file)]);
            for path in names.map(|path| place.only_file.clone().unwrap_or(path)) {
                if file.is_padding || found != Lying::Absent {
                    break;
                }
                let looked = place.folder.look(&path);
                if let Found::File(identity) = looked.map_err(FilesError::at(&place.location.join(&path)))? {
                    found = Lying::Named(identity);
                    paths.insert(number, path);
                }
            }
            lying.push(found);
        }
        Ok(Self::new(Arc::clone(metainfo), place, Selection::all(), Handles::new(lying, paths)))
    }

    /// Returns true if something lies there under another name than it has in `metainfo`, which is the same torrent.
    fn has_other_names_than(&self, metainfo: &Metainfo) -> bool {
        let files = self.metainfo.files().iter().zip(metainfo.files()).enumerate();
        files
            .filter(|(number, _)| self.handles.lying(*number) != Lying::Absent)
            .any(|(_, (here, there))| !here.path.stored_components().eq(there.path.stored_components()))
    }

    /// Opens a place and looks what lies there; nothing if it cannot be the torrent's.
    fn at(
        candidate: &Candidate,
        dir: &Path,
        base: &Folder,
        metainfo: &Arc<Metainfo>,
        selection: &Selection,
    ) -> Result<Option<Self>, FilesError> {
        let Some(place) = candidate.open(dir, base, metainfo)? else { return Ok(None) };
        let files = metainfo.files().iter();
        let lying: io::Result<Option<Vec<Lying>>> = if candidate.kind == Kind::Fresh {
            Ok(Some(vec![Lying::Absent; files.len()]))
        } else {
            files.map(|file| survey(&place, file).transpose()).collect::<Option<_>>().transpose()
        };
        let lying = lying.map_err(FilesError::at(&place.location))?;
        Ok(lying.map(|lying| {
            Self::new(Arc::clone(metainfo), place, selection.clone(), Handles::new(lying, BTreeMap::new()))
        }))
    }

    /// Returns the pieces that may be here: those that have bytes on disk and are noted, if anything understandable is.
    fn claims(&self, kind: &Kind) -> Bitfield {
        let geometry = self.metainfo.geometry();
        let noted = if let Kind::Ours(Some(noted)) = kind { Some(noted) } else { None };
        let mut claimed = Bitfield::full(geometry);
        for (number, file) in self.metainfo.files().iter().enumerate().filter(|(_, file)| !file.is_padding) {
            let pieces = layout::pieces_of(&self.metainfo, file).filter_map(|piece| geometry.piece(piece));
            match self.handles.lying(number) {
                Lying::Named(_) => {}
                Lying::Part { .. } if noted.is_some() => {}
                Lying::Absent => pieces.for_each(|piece| claimed.remove(piece)),
                Lying::Part { .. } => {
                    let written = self.written(number);
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
            let is_claim = |piece| noted.has(piece) || self.is_named(piece);
            geometry.pieces().filter(|piece| !is_claim(*piece)).for_each(|piece| claimed.remove(piece));
        }
        claimed
    }

    /// Returns the stretches of a part that have bytes on disk.
    fn written(&self, number: usize) -> Vec<(u64, u64)> {
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
    fn is_usable(&self, kind: &Kind, claimed: &Bitfield, right: &Bitfield) -> Result<bool, FilesError> {
        let geometry = self.metainfo.geometry();
        let mut wrong = geometry.pieces().filter(|piece| claimed.has(*piece) && !right.has(*piece));
        // A file that is no part is never changed, so the content cannot come to lie here.
        if wrong.any(|piece| self.is_named(piece)) {
            return Ok(false);
        }
        if *kind != Kind::Found || right.count() > 0 {
            return Ok(true);
        }
        // Nothing speaks for it but that it is there: an empty folder, say.
        let is_empty = self.place.only_file.is_none()
            && self.place.folder.is_empty().map_err(FilesError::at(self.location()))?;
        Ok(is_empty)
    }

    /// Takes the place, and whatever is right in another one.
    fn begin(
        mut self,
        mut right: Bitfield,
        donor: Option<(Self, Bitfield)>,
        cancel: &CancellationToken,
    ) -> Result<(Self, Bitfield), FilesError> {
        if right.is_full() {
            self.place.unlock();
            return Ok((self, right));
        }
        if self.handles.lying(0) == Lying::Absent {
            self.place.make_part()?;
        }
        let at = FilesError::at(&self.place.record);
        self.note(&right).map_err(at)?;
        let Some((donor, theirs)) = donor else { return Ok((self, right)) };
        let geometry = *self.metainfo.geometry();
        let mut bytes = Vec::new();
        for piece in geometry.pieces().filter(|piece| theirs.has(*piece)) {
            if cancel.is_cancelled() {
                return Err(FilesError::Cancelled);
            }
            let is_there = donor.read_piece(piece, &mut bytes).map_err(FilesError::at(donor.location()))?;
            if !right.has(piece) && is_there {
                let stored = self.store(piece, &[&bytes]).map_err(FilesError::at(self.location()))?;
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
fn namings(
    dir: &Path,
    base: &Folder,
    metainfo: &Arc<Metainfo>,
    before: Option<&Arc<Metainfo>>,
) -> io::Result<Vec<(Arc<Metainfo>, Candidate)>> {
    let mut namings = Vec::new();
    for named in before.into_iter().chain([metainfo]) {
        let candidates = place::candidates(dir, base, named)?.into_iter();
        let is_now = Arc::ptr_eq(named, metainfo);
        let candidates = candidates.filter(|candidate| is_now || candidate.kind != Kind::Fresh);
        namings.extend(candidates.map(|candidate| (Arc::clone(named), candidate)));
    }
    Ok(namings)
}

/// Looks how a file lies at a place; nothing if something is in its way.
fn survey(place: &Place, file: &FileSpan) -> io::Result<Option<Lying>> {
    if file.is_padding {
        return Ok(Some(Lying::Absent));
    }
    let path = place.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
    let target = place.folder.look(&path)?;
    if let Found::File(identity) = target
        && identity.size == file.length
    {
        return Ok(Some(Lying::Named(identity)));
    }
    Ok(match place.folder.look(&with_suffix(&path, ".part"))? {
        // If its name was taken meanwhile, it gets another one.
        Found::File(_) => Some(Lying::Part { is_sized: false }),
        Found::Nothing if target == Found::Nothing => Some(Lying::Absent),
        _ => None,
    })
}
