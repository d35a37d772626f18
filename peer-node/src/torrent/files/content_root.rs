//! Chooses the location of a torrent so that nothing is ever replaced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::metainfo::Metainfo;
use protocol::share_path::{numbered_file_name, safe_file_name};

use super::TorrentFilesError;
use super::torrent_record::RecordOwner;
use crate::storage::{self, Folder, OpenMode, PathKind};

/// Maximum number of names to try.
const MAX_NAME_ATTEMPTS: u32 = 500;

/// A name that a torrent may use.
#[derive(Debug)]
pub(super) struct NameCandidate {
    name: PathBuf,
    pub(super) kind: CandidateKind,
}

/// Why a name is a candidate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CandidateKind {
    /// An earlier attempt at the torrent uses it, with the pieces it claims.
    Resumable(Option<Bitfield>),
    /// Something exists that may be the torrent's; nothing may be modified before it is verified.
    Existing,
    /// The name is free.
    Free,
}

/// The location of a torrent.
#[derive(Debug)]
pub(super) struct ContentRoot {
    /// The torrent's folder, or the parent of its only file.
    pub(super) folder: Folder,
    /// Name of the only file.
    pub(super) only_file: Option<PathBuf>,
    /// Full path of the torrent's folder or only file.
    pub(super) location: PathBuf,
    /// Path of the record.
    pub(super) record: PathBuf,
    /// Lock on the part of the only file.
    lock: Option<File>,
}

/// Returns the candidate names of the torrent, those of earlier attempts first.
pub(super) fn candidates(dir: &Path, base: &Folder, metainfo: &Metainfo) -> io::Result<Vec<NameCandidate>> {
    let mut candidates = Vec::new();
    for number in 0..MAX_NAME_ATTEMPTS {
        let name = numbered(&safe_file_name(metainfo.name()), number, metainfo.is_single_file());
        let owner = RecordOwner::of(&dir.join(with_suffix(&name, ".part.json")), metainfo);
        let kind = if metainfo.is_single_file() {
            kind_of_file(base, &name, metainfo, owner)?
        } else {
            kind_of_folder(base, &name, owner)?
        };
        let Some(kind) = kind else { continue };
        let is_last = kind == CandidateKind::Free;
        candidates.push(NameCandidate { name, kind });
        if is_last {
            break;
        }
    }
    candidates.sort_by_key(|candidate| !matches!(candidate.kind, CandidateKind::Resumable(_)));
    Ok(candidates)
}

fn kind_of_file(
    base: &Folder,
    name: &Path,
    metainfo: &Metainfo,
    owner: RecordOwner,
) -> io::Result<Option<CandidateKind>> {
    let target = base.kind_of(name)?;
    let part = match base.kind_of(&with_suffix(name, ".part"))? {
        PathKind::File(_) => true,
        PathKind::Missing => false,
        _ => return Ok(None),
    };
    Ok(match owner {
        // Resume even if the final name has been taken meanwhile: the file gets another one.
        RecordOwner::This(claimed) if part || target == PathKind::Missing => {
            Some(CandidateKind::Resumable(claimed))
        }
        _ if is_full_length(target, metainfo) => Some(CandidateKind::Existing),
        _ if target != PathKind::Missing => None,
        RecordOwner::Missing if !part => Some(CandidateKind::Free),
        RecordOwner::Missing | RecordOwner::Unknown if part => Some(CandidateKind::Existing),
        RecordOwner::Digest(digest) if part && metainfo.digest().is_none_or(|hint| hint == digest) => {
            Some(CandidateKind::Existing)
        }
        _ => None,
    })
}

/// Returns true if the target is a file with the length of the only file.
fn is_full_length(target: PathKind, metainfo: &Metainfo) -> bool {
    matches!(target, PathKind::File(identity) if identity.size == metainfo.geometry().size())
}

fn kind_of_folder(base: &Folder, name: &Path, owner: RecordOwner) -> io::Result<Option<CandidateKind>> {
    let is_there = match base.kind_of(name)? {
        PathKind::Folder => true,
        PathKind::Missing => false,
        _ => return Ok(None),
    };
    let is_free = base.kind_of(&with_suffix(name, ".part"))? == PathKind::Missing;
    Ok(match owner {
        RecordOwner::This(claimed) => Some(CandidateKind::Resumable(claimed)),
        RecordOwner::Missing if !is_there && is_free => Some(CandidateKind::Free),
        RecordOwner::Missing | RecordOwner::Unknown if is_there && is_free => Some(CandidateKind::Existing),
        _ => None,
    })
}

impl NameCandidate {
    /// Opens and locks the location. Returns none if another process uses it.
    pub(super) fn open(
        &self,
        dir: &Path,
        base: &Folder,
        metainfo: &Metainfo,
    ) -> Result<Option<ContentRoot>, TorrentFilesError> {
        let location = dir.join(&self.name);
        let at = |source| TorrentFilesError::Io { path: location.clone(), source };
        let only_file = metainfo.is_single_file().then(|| self.name.clone());
        let folder = match (&only_file, &self.kind) {
            (Some(_), _) => base.open_child(Path::new("")),
            (None, CandidateKind::Existing) => base.open_child(&self.name),
            (None, _) => base.create_child(&self.name),
        };
        let record = dir.join(with_suffix(&self.name, ".part.json"));
        let mut root = ContentRoot {
            folder: folder.map_err(at)?,
            only_file,
            location: location.clone(),
            record,
            lock: None,
        };
        let is_free = match &root.only_file {
            None => root.folder.lock(),
            Some(name) => match root.folder.open_file(&with_suffix(name, ".part"), OpenMode::Read) {
                Ok(part) => root.lock_part(part),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) => Err(error),
            },
        };
        match (is_free.map_err(at)?, &self.kind) {
            (true, _) => Ok(Some(root)),
            (false, CandidateKind::Resumable(_)) => Err(TorrentFilesError::InUse { path: location }),
            (false, _) => Ok(None),
        }
    }
}

impl ContentRoot {
    /// Finds existing content under the torrent's exact name or the name that this program uses.
    pub(super) fn of_existing(dir: &Path, metainfo: &Metainfo) -> Result<Self, TorrentFilesError> {
        let failed = |path: &Path, source| TorrentFilesError::Io { path: path.to_owned(), source };
        let base = Folder::open(dir).map_err(|source| failed(dir, source))?;
        for name in [metainfo.name().to_owned(), safe_file_name(metainfo.name())].map(PathBuf::from) {
            let location = dir.join(&name);
            let record = dir.join(with_suffix(&name, ".part.json"));
            let found = base.kind_of(&name).map_err(|source| failed(&location, source))?;
            let (folder, only_file) = match found {
                PathKind::File(_) if metainfo.is_single_file() => {
                    (base.open_child(Path::new("")), Some(name))
                }
                PathKind::Folder if !metainfo.is_single_file() => (base.open_child(&name), None),
                _ => continue,
            };
            let folder = folder.map_err(|source| failed(&location, source))?;
            return Ok(Self { folder, only_file, location, record, lock: None });
        }
        Err(TorrentFilesError::NotFound { path: dir.join(safe_file_name(metainfo.name())) })
    }

    /// Creates and locks the part of the only file, unless that was done.
    pub(super) fn make_part(&mut self) -> Result<(), TorrentFilesError> {
        let Some(name) = self.only_file.as_ref().filter(|_| self.lock.is_none()) else { return Ok(()) };
        let part = with_suffix(name, ".part");
        let path = self.location.with_file_name(&part);
        let is_ours = match self.folder.open_file(&part, OpenMode::New) {
            Ok(part) => {
                self.lock_part(part).map_err(|source| TorrentFilesError::Io { path: path.clone(), source })?
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(source) => return Err(TorrentFilesError::Io { path, source }),
        };
        if is_ours { Ok(()) } else { Err(TorrentFilesError::InUse { path }) }
    }

    /// Releases the lock: nothing is modified any more.
    pub(super) fn unlock(&self) {
        match (&self.lock, &self.only_file) {
            (Some(part), _) => storage::unlock(part),
            (None, None) => self.folder.unlock(),
            (None, Some(_)) => {}
        }
    }

    fn lock_part(&mut self, part: File) -> io::Result<bool> {
        let is_free = storage::lock(&part)?;
        self.lock = is_free.then_some(part);
        Ok(is_free)
    }
}

/// Appends a suffix to a path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Returns the name with ` (number)` appended, before the extension of a file; unchanged for 0.
pub(super) fn numbered(name: &str, number: u32, is_file: bool) -> PathBuf {
    numbered_file_name(name, number, is_file).into()
}
