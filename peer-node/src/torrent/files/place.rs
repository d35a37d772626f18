//! Where a torrent comes to lie, so that nothing is ever replaced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::metainfo::Metainfo;
use protocol::share_path::{numbered_file_name, safe_file_name};

use super::FilesError;
use super::record::Owner;
use crate::storage::{self, Folder, Found, Open};

/// How many names are tried.
const MAX_TRIES: u32 = 500;

/// A name that a torrent may have, and why.
#[derive(Debug)]
pub(super) struct Candidate {
    name: PathBuf,
    pub(super) kind: Kind,
}

/// What speaks for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An earlier attempt at the torrent has it, with the pieces that it claims.
    Ours(Option<Bitfield>),
    /// Something has it that may be the torrent's; nothing may be changed before that is certain.
    Found,
    /// Nothing has it.
    Fresh,
}

/// Where a torrent lies.
#[derive(Debug)]
pub(super) struct Place {
    /// The torrent's folder, or the one in which its only file lies.
    pub(super) folder: Folder,
    /// The name of the only file.
    pub(super) only_file: Option<PathBuf>,
    /// The torrent's folder, or its only file, for those outside.
    pub(super) location: PathBuf,
    /// The record of what is here.
    pub(super) record: PathBuf,
    /// Keeps others away from the part of the only file.
    lock: Option<File>,
}

/// Returns the names that the torrent may have, those of earlier attempts first.
pub(super) fn candidates(dir: &Path, base: &Folder, metainfo: &Metainfo) -> io::Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for number in 0..MAX_TRIES {
        let name = numbered(&safe_file_name(metainfo.name()), number, metainfo.is_single_file());
        let owner = Owner::of(&dir.join(with_suffix(&name, ".part.json")), metainfo);
        let kind = if metainfo.is_single_file() {
            kind_of_file(base, &name, metainfo, owner)?
        } else {
            kind_of_folder(base, &name, owner)?
        };
        let Some(kind) = kind else { continue };
        let is_last = kind == Kind::Fresh;
        candidates.push(Candidate { name, kind });
        if is_last {
            break;
        }
    }
    candidates.sort_by_key(|candidate| !matches!(candidate.kind, Kind::Ours(_)));
    Ok(candidates)
}

fn kind_of_file(base: &Folder, name: &Path, metainfo: &Metainfo, owner: Owner) -> io::Result<Option<Kind>> {
    let target = base.look(name)?;
    let part = match base.look(&with_suffix(name, ".part"))? {
        Found::File(_) => true,
        Found::Nothing => false,
        _ => return Ok(None),
    };
    Ok(match owner {
        // What has taken the name meanwhile is no reason to begin anew: the file gets another one.
        Owner::This(claimed) if part || target == Found::Nothing => Some(Kind::Ours(claimed)),
        _ if is_whole(target, metainfo) => Some(Kind::Found),
        _ if target != Found::Nothing => None,
        Owner::Nobody if !part => Some(Kind::Fresh),
        Owner::Nobody | Owner::Unknown if part => Some(Kind::Found),
        Owner::Digest(digest) if part && metainfo.digest().is_none_or(|hint| hint == digest) => {
            Some(Kind::Found)
        }
        _ => None,
    })
}

/// Says whether a file of the only file's length has its name.
fn is_whole(target: Found, metainfo: &Metainfo) -> bool {
    matches!(target, Found::File(identity) if identity.size == metainfo.geometry().size())
}

fn kind_of_folder(base: &Folder, name: &Path, owner: Owner) -> io::Result<Option<Kind>> {
    let is_there = match base.look(name)? {
        Found::Folder => true,
        Found::Nothing => false,
        _ => return Ok(None),
    };
    let is_free = base.look(&with_suffix(name, ".part"))? == Found::Nothing;
    Ok(match owner {
        Owner::This(claimed) => Some(Kind::Ours(claimed)),
        Owner::Nobody if !is_there && is_free => Some(Kind::Fresh),
        Owner::Nobody | Owner::Unknown if is_there && is_free => Some(Kind::Found),
        _ => None,
    })
}

impl Candidate {
    /// Opens the place and keeps others away from it. Nothing if somebody is at work there.
    pub(super) fn open(
        &self,
        dir: &Path,
        base: &Folder,
        metainfo: &Metainfo,
    ) -> Result<Option<Place>, FilesError> {
        let location = dir.join(&self.name);
        let at = |source| FilesError::Io { path: location.clone(), source };
        let only_file = metainfo.is_single_file().then(|| self.name.clone());
        let folder = match (&only_file, &self.kind) {
            (Some(_), _) => base.child(Path::new("")),
            (None, Kind::Found) => base.child(&self.name),
            (None, _) => base.make_child(&self.name),
        };
        let record = dir.join(with_suffix(&self.name, ".part.json"));
        let mut place =
            Place { folder: folder.map_err(at)?, only_file, location: location.clone(), record, lock: None };
        let is_free = match &place.only_file {
            None => place.folder.lock(),
            Some(name) => match place.folder.open_file(&with_suffix(name, ".part"), Open::Read) {
                Ok(part) => place.keep(part),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) => Err(error),
            },
        };
        match (is_free.map_err(at)?, &self.kind) {
            (true, _) => Ok(Some(place)),
            (false, Kind::Ours(_)) => Err(FilesError::InUse { path: location }),
            (false, _) => Ok(None),
        }
    }
}

impl Place {
    /// Finds a torrent that is there already, under its exact name or the one that it has from us.
    pub(super) fn of_existing(dir: &Path, metainfo: &Metainfo) -> Result<Self, FilesError> {
        let failed = |path: &Path, source| FilesError::Io { path: path.to_owned(), source };
        let base = Folder::open(dir).map_err(|source| failed(dir, source))?;
        for name in [metainfo.name().to_owned(), safe_file_name(metainfo.name())].map(PathBuf::from) {
            let location = dir.join(&name);
            let record = dir.join(with_suffix(&name, ".part.json"));
            let found = base.look(&name).map_err(|source| failed(&location, source))?;
            let (folder, only_file) = match found {
                Found::File(_) if metainfo.is_single_file() => (base.child(Path::new("")), Some(name)),
                Found::Folder if !metainfo.is_single_file() => (base.child(&name), None),
                _ => continue,
            };
            let folder = folder.map_err(|source| failed(&location, source))?;
            return Ok(Self { folder, only_file, location, record, lock: None });
        }
        Err(FilesError::NotThere { path: dir.join(safe_file_name(metainfo.name())) })
    }

    /// Makes the part of the only file, if there is none, and keeps others away from it.
    pub(super) fn make_part(&mut self) -> Result<(), FilesError> {
        let Some(name) = self.only_file.as_ref().filter(|_| self.lock.is_none()) else { return Ok(()) };
        let part = with_suffix(name, ".part");
        let path = self.location.with_file_name(&part);
        let is_ours = match self.folder.open_file(&part, Open::New) {
            Ok(part) => self.keep(part).map_err(|source| FilesError::Io { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(source) => return Err(FilesError::Io { path, source }),
        };
        if is_ours { Ok(()) } else { Err(FilesError::InUse { path }) }
    }

    /// Lets others in again: nothing is changed any more.
    pub(super) fn unlock(&self) {
        match (&self.lock, &self.only_file) {
            (Some(part), _) => storage::unlock(part),
            (None, None) => self.folder.unlock(),
            (None, Some(_)) => {}
        }
    }

    fn keep(&mut self, part: File) -> io::Result<bool> {
        let is_free = storage::lock(&part)?;
        self.lock = is_free.then_some(part);
        Ok(is_free)
    }
}

/// Returns a path with something behind it.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Returns the name with ` (number)` behind it, or before its extension if it is a file's; as it is for 0.
pub(super) fn numbered(name: &str, number: u32, is_file: bool) -> PathBuf {
    numbered_file_name(name, number, is_file).into()
}
