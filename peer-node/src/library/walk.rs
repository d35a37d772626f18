//! Looks through shared places for files, on a blocking thread.
//!
//! It walks without recursion and holds one open folder per level, so that depth and size of a tree cost nothing; every
//! step is taken from the folder above and follows no link, so that nobody can lead it elsewhere by swapping a folder.

mod classify;
mod patterns;

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use protocol::escape::excerpt;
use protocol::limits::MAX_PATH_DEPTH;
use protocol::share_path::SharePath;
use rustix::fs::{CWD, Dir, FileType};
use rustix::io::Errno;

use super::exclusions::{Exclusions, IGNORE_FILE};
use super::inventory::ScannedFile;
use super::report::{SkipReason, SkippedEntry};
use super::shares::{ContainingShare, ShareSet, is_hidden};
use crate::state_dir::STATE_DIR_NAME;

use classify::{NetworkParent, check_file, child_path, classify, errno_reason, open_folder};
use patterns::read_patterns;

/// Receives what a walk sees.
pub(super) trait WalkSink {
    /// It comes to a folder, before it looks into it. The answer may end the walk, as may the next.
    fn enter(&mut self, folder: &Path) -> ControlFlow<()>;
    /// It sees a file that is to be shared.
    fn file(&mut self, found: ScannedFile) -> ControlFlow<()>;
    /// It passes something over.
    fn skip(&mut self, skip: SkippedEntry);
}

/// One walk through places of the same shares.
pub(super) struct Walk<'a, S> {
    shares: &'a ShareSet,
    sink: &'a mut S,
    /// The system was short of something, and it may have missed files that are there.
    pub(super) is_incomplete: bool,
}

/// An open folder.
struct OpenFolder {
    fd: OwnedFd,
    location: PathBuf,
    /// Its name on the network; the share folder and the folder around a registered place have none.
    path: Option<NetworkParent>,
    /// The patterns that hold for what lies in it.
    exclusions: Exclusions,
}

/// A folder that is being read.
struct FolderCursor {
    dir: Dir,
    location: PathBuf,
    path: Option<NetworkParent>,
    exclusions: Exclusions,
}

/// Something that is not shared, and where.
struct Blocked(PathBuf, SkipReason);

impl<'a, S: WalkSink> Walk<'a, S> {
    /// Begins a walk that tells `sink` what it sees.
    pub(super) fn new(shares: &'a ShareSet, sink: &'a mut S) -> Self {
        Self { shares, sink, is_incomplete: false }
    }

    /// Looks at a place and all below it. A place that is not shared, or not there, has nothing.
    pub(super) fn walk_place(&mut self, place: &Path) -> ControlFlow<()> {
        let Some(cover) = self.shares.containing_share(place) else { return ControlFlow::Continue(()) };
        match self.open_parent(cover, place) {
            Ok((folder, Some(name))) => self.visit(&folder, &name),
            Ok((folder, None)) => self.walk_folder(folder),
            Err(Blocked(location, reason)) => {
                self.skip(&location, reason);
                ControlFlow::Continue(())
            }
        }
    }

    /// Opens the folder around a place, step by step from the cover; returns it with the place's name in it. Returns
    /// the share folder itself, without a name, if that is the place.
    fn open_parent(
        &mut self,
        cover: ContainingShare<'_>,
        place: &Path,
    ) -> Result<(OpenFolder, Option<OsString>), Blocked> {
        let below = place.strip_prefix(cover.base).unwrap_or(Path::new(""));
        let mut names: Vec<&OsStr> = below.iter().collect();
        let anchor = match (cover.name, cover.base.parent(), cover.base.file_name()) {
            (Some(_), Some(parent), Some(name)) => {
                names.insert(0, name);
                parent
            }
            _ => cover.base,
        };
        let Some((last, above)) = names.split_last() else {
            let fd =
                open_folder(CWD, anchor).map_err(|errno| Blocked(anchor.to_owned(), errno_reason(errno)))?;
            return Ok((self.open_anchor(fd, anchor, None)?, None));
        };
        let fd =
            open_folder(CWD, anchor).map_err(|errno| Blocked(anchor.to_owned(), lookup_reason(errno)))?;
        if cover.name.is_some() {
            // So that a registered file is noticed when it is replaced, and a lost one when it returns.
            let _ = self.sink.enter(anchor);
        }
        let mut folder = self.open_anchor(fd, anchor, cover.name)?;
        for name in above {
            folder = self.open_child(&folder, name)?;
        }
        Ok((folder, Some((*last).to_owned())))
    }

    /// Returns the folder with which every walk to a place begins: the share folder, or the one around what was
    /// registered.
    fn open_anchor(
        &self,
        fd: OwnedFd,
        location: &Path,
        name: Option<&SharePath>,
    ) -> Result<OpenFolder, Blocked> {
        let everywhere = self.shares.global_patterns();
        let exclusions = Exclusions::default().within(location, everywhere);
        let exclusions = exclusions.map_err(|error| bad_patterns(location, &error))?;
        let folder = OpenFolder {
            fd,
            location: location.to_owned(),
            path: name.cloned().map(NetworkParent::Registered),
            exclusions,
        };
        // Patterns of a folder around what was registered are no business of ours.
        if name.is_some() { Ok(folder) } else { self.with_patterns(folder) }
    }

    /// Opens a folder on the way to a place.
    fn open_child(&self, around: &OpenFolder, name: &OsStr) -> Result<OpenFolder, Blocked> {
        let location = around.location.join(name);
        let is_base = matches!(around.path, Some(NetworkParent::Registered(_)));
        let gone = || Blocked(location.clone(), SkipReason::Unreadable(ErrorKind::NotFound));
        if !is_base && is_hidden(name) {
            return Err(gone());
        }
        if let Some(pattern) = around.exclusions.excluding(&location, true).filter(|_| !is_base) {
            return Err(Blocked(location, excluded_reason(pattern)));
        }
        let fd = open_folder(around.fd.as_fd(), name)
            .map_err(|errno| Blocked(location.clone(), lookup_reason(errno)))?;
        let path = child_path(around.path.as_ref(), name).map_err(|_| gone())?;
        let exclusions = around.exclusions.clone();
        self.with_patterns(OpenFolder { fd, location, path: Some(NetworkParent::Folder(path)), exclusions })
    }

    /// Adds a folder's own patterns to those that hold around it. One whose patterns cannot be used is left out, since
    /// passing them over would share what they were to keep back.
    fn with_patterns(&self, folder: OpenFolder) -> Result<OpenFolder, Blocked> {
        let OpenFolder { fd, location, path, exclusions } = folder;
        let given = self.shares.patterns_of(&location);
        let in_file = read_patterns(fd.as_fd()).map_err(|error| bad_patterns(&location, &error))?;
        let patterns = given.iter().map(String::as_str).chain(in_file.iter().flat_map(|text| text.lines()));
        let exclusions =
            exclusions.within(&location, patterns).map_err(|error| bad_patterns(&location, &error))?;
        Ok(OpenFolder { fd, location, path, exclusions })
    }

    /// Goes through a folder and all below it.
    fn walk_folder(&mut self, folder: OpenFolder) -> ControlFlow<()> {
        let mut levels = Vec::new();
        self.enter(&mut levels, folder)?;
        while let Some(level) = levels.last_mut() {
            let name = match level.dir.read() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(errno)) => {
                    let location = level.location.clone();
                    levels.pop();
                    self.skip(&location, errno_reason(errno));
                    continue;
                }
                Some(Ok(entry)) => OsString::from_vec(entry.file_name().to_bytes().to_vec()),
            };
            if name == "." || name == ".." || name == STATE_DIR_NAME || name == IGNORE_FILE {
                continue;
            }
            let location = level.location.join(&name);
            let Ok(fd) = level.dir.fd() else { continue };
            let seen = self.examine(fd, &name, &location, level.path.as_ref(), &level.exclusions)?;
            if let Some(folder) = seen {
                self.enter(&mut levels, folder)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks at one name and, if it is a folder, at all below it.
    fn visit(&mut self, around: &OpenFolder, name: &OsStr) -> ControlFlow<()> {
        let location = around.location.join(name);
        match self.examine(around.fd.as_fd(), name, &location, around.path.as_ref(), &around.exclusions)? {
            Some(folder) => self.walk_folder(folder),
            None => ControlFlow::Continue(()),
        }
    }

    /// Looks at one name: reports a file, passes it over, or opens the folder that it is.
    fn examine(
        &mut self,
        around: BorrowedFd<'_>,
        name: &OsStr,
        location: &Path,
        above: Option<&NetworkParent>,
        exclusions: &Exclusions,
    ) -> ControlFlow<(), Option<OpenFolder>> {
        if self.shares.is_fully_excluded(location) {
            return ControlFlow::Continue(None);
        }
        match self.classify_entry(around, name, location, above, exclusions) {
            Ok(WalkEntry::Folder(folder)) => return ControlFlow::Continue(Some(folder)),
            Ok(WalkEntry::File(found)) => self.sink.file(found)?,
            Ok(WalkEntry::Nothing) => {}
            Err(Blocked(location, reason)) => self.skip(&location, reason),
        }
        ControlFlow::Continue(None)
    }

    fn classify_entry(
        &self,
        around: BorrowedFd<'_>,
        name: &OsStr,
        location: &Path,
        above: Option<&NetworkParent>,
        exclusions: &Exclusions,
    ) -> Result<WalkEntry, Blocked> {
        let left_out = |reason| Blocked(location.to_owned(), reason);
        let (stat, path) = classify(around, name, above).map_err(left_out)?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        // A folder that was registered is wanted, whatever it is called.
        let is_base = matches!(above, Some(NetworkParent::Registered(_)));
        if let Some(pattern) = exclusions.excluding(location, is_folder).filter(|_| !(is_base && is_folder)) {
            return Err(left_out(excluded_reason(pattern)));
        }
        if is_folder {
            let fd = open_folder(around, name).map_err(|errno| left_out(errno_reason(errno)))?;
            let (location, path) = (location.to_owned(), Some(NetworkParent::Folder(path)));
            return self
                .with_patterns(OpenFolder { fd, location, path, exclusions: exclusions.clone() })
                .map(WalkEntry::Folder);
        }
        if self.shares.is_excluded(location) {
            return Ok(WalkEntry::Nothing);
        }
        let identity = check_file(&stat, name).map_err(left_out)?;
        Ok(WalkEntry::File(ScannedFile { location: location.to_owned(), path, identity }))
    }

    fn enter(&mut self, levels: &mut Vec<FolderCursor>, folder: OpenFolder) -> ControlFlow<()> {
        let OpenFolder { fd, location, path, exclusions } = folder;
        let depth = path.as_ref().map_or(0, NetworkParent::depth);
        if depth >= MAX_PATH_DEPTH {
            self.skip(&location, SkipReason::OverLimit);
            return ControlFlow::Continue(());
        }
        self.sink.enter(&location)?;
        match Dir::new(fd) {
            Ok(dir) => levels.push(FolderCursor { dir, location, path, exclusions }),
            Err(errno) => self.skip(&location, errno_reason(errno)),
        }
        ControlFlow::Continue(())
    }

    fn skip(&mut self, location: &Path, reason: SkipReason) {
        self.is_incomplete |= reason == SkipReason::SystemLimit;
        // What went away meanwhile is no news.
        if reason != SkipReason::Unreadable(ErrorKind::NotFound) {
            self.sink.skip(SkippedEntry { location: location.to_owned(), reason });
        }
    }
}

/// What a name turned out to be.
enum WalkEntry {
    File(ScannedFile),
    Folder(OpenFolder),
    Nothing,
}

/// Returns why the way to a place is blocked. One that leads nowhere is no news to whoever asked.
fn lookup_reason(errno: Errno) -> SkipReason {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => SkipReason::Unreadable(ErrorKind::NotFound),
        errno => errno_reason(errno),
    }
}

fn excluded_reason(pattern: &str) -> SkipReason {
    SkipReason::Excluded(excerpt(pattern))
}

fn bad_patterns(folder: &Path, error: &super::exclusions::PatternError) -> Blocked {
    Blocked(folder.to_owned(), SkipReason::BadPatterns(error.clone()))
}

#[cfg(test)]
mod tests;
