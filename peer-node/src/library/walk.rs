//! Looks through shared places for files, on a blocking thread.
//!
//! It walks without recursion and holds one open folder a level, so that depth and size of a tree cost nothing; every
//! step is taken from the folder above and follows no link, so that nobody can lead it elsewhere by swapping a folder.

mod judge;

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use protocol::limits::MAX_PATH_DEPTH;
use protocol::share_path::SharePath;
use rustix::fs::{CWD, Dir, FileType};
use rustix::io::Errno;

use super::inventory::Found;
use super::report::{Skip, SkipReason};
use super::shares::{Cover, Shares, is_hidden};
use crate::state_dir::STATE_DIR_NAME;

use judge::{Named, below_path, judge, judge_file, open_folder, refusal};

/// What a walk tells as it goes.
pub(super) trait Sink {
    /// It comes to a folder, before it looks into it. The answer may end the walk, as may the next.
    fn enter(&mut self, folder: &Path) -> ControlFlow<()>;
    /// It sees a file that is to be shared.
    fn file(&mut self, found: Found) -> ControlFlow<()>;
    /// It passes something over.
    fn skip(&mut self, skip: Skip);
}

/// One walk through places of the same shares.
pub(super) struct Walk<'a, S> {
    shares: &'a Shares,
    sink: &'a mut S,
    /// The system was short of something, and it may have missed files that are there.
    pub(super) has_gaps: bool,
}

/// A folder that is being read.
struct Level {
    dir: Dir,
    location: PathBuf,
    /// Its name on the network; the share folder has none.
    path: Option<SharePath>,
}

impl<'a, S: Sink> Walk<'a, S> {
    /// Begins a walk that tells `sink` what it sees.
    pub(super) fn new(shares: &'a Shares, sink: &'a mut S) -> Self {
        Self { shares, sink, has_gaps: false }
    }

    /// Looks at a place and all below it. A place that is not shared, or not there, has nothing.
    pub(super) fn place(&mut self, place: &Path) -> ControlFlow<()> {
        let Some(cover) = self.shares.cover(place) else { return ControlFlow::Continue(()) };
        match self.descend(cover, place) {
            Ok(Some((folder, name, above))) => {
                self.visit(folder.as_fd(), &name, place.to_owned(), above.as_ref())
            }
            Ok(None) => self.folder_at(place),
            // What is not there any more is no news to whoever asked.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => ControlFlow::Continue(()),
            Err(errno) => {
                self.pass_over(place, refusal(errno));
                ControlFlow::Continue(())
            }
        }
    }

    /// Opens the folder around a place, step by step from the cover; returns it with the place's name in it and its
    /// own path on the network. `None` if the place is the share folder itself.
    fn descend(
        &mut self,
        cover: Cover<'_>,
        place: &Path,
    ) -> Result<Option<(OwnedFd, OsString, Option<Named>)>, Errno> {
        let below = place.strip_prefix(cover.base).unwrap_or(Path::new(""));
        let mut names: Vec<&OsStr> = below.iter().collect();
        let anchor = match (cover.name, cover.base.parent(), cover.base.file_name()) {
            (Some(_), Some(parent), Some(name)) => {
                names.insert(0, name);
                parent
            }
            _ => cover.base,
        };
        let Some((last, above)) = names.split_last() else { return Ok(None) };
        let mut folder = open_folder(CWD, anchor)?;
        if cover.name.is_some() {
            // So that a registered file is noticed when it is replaced, and a lost one when it returns.
            let _ = self.sink.enter(anchor);
        }
        let mut path = cover.name.map(|name| Named::AtBase(name.clone()));
        for name in above {
            let is_base = matches!(path, Some(Named::AtBase(_)));
            if !is_base && is_hidden(name) {
                return Err(Errno::NOENT);
            }
            folder = open_folder(folder.as_fd(), *name)?;
            path = Some(Named::Folder(below_path(path.as_ref(), name).map_err(|_| Errno::NOENT)?));
        }
        Ok(Some((folder, (*last).to_owned(), path)))
    }

    fn folder_at(&mut self, place: &Path) -> ControlFlow<()> {
        match open_folder(CWD, place) {
            Ok(folder) => self.walk(folder, place.to_owned(), None),
            Err(errno) => {
                self.pass_over(place, refusal(errno));
                ControlFlow::Continue(())
            }
        }
    }

    /// Goes through a folder and all below it.
    fn walk(&mut self, folder: OwnedFd, location: PathBuf, path: Option<SharePath>) -> ControlFlow<()> {
        let mut levels = Vec::new();
        self.push(&mut levels, folder, location, path)?;
        while let Some(level) = levels.last_mut() {
            let name = match level.dir.read() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(errno)) => {
                    let location = level.location.clone();
                    levels.pop();
                    self.pass_over(&location, refusal(errno));
                    continue;
                }
                Some(Ok(entry)) => OsString::from_vec(entry.file_name().to_bytes().to_vec()),
            };
            if name == "." || name == ".." || name == STATE_DIR_NAME {
                continue;
            }
            let location = level.location.join(&name);
            let above = level.path.clone().map(Named::Folder);
            let Ok(folder) = level.dir.fd() else { continue };
            if let Some((folder, path)) = self.look(folder, &name, &location, above.as_ref())? {
                self.push(&mut levels, folder, location, Some(path))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks at one name and, if it is a folder, at all below it.
    fn visit(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        location: PathBuf,
        above: Option<&Named>,
    ) -> ControlFlow<()> {
        match self.look(folder, name, &location, above)? {
            Some((folder, path)) => self.walk(folder, location, Some(path)),
            None => ControlFlow::Continue(()),
        }
    }

    /// Looks at one name: tells of a file, passes it over, or opens the folder that it is.
    fn look(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        location: &Path,
        above: Option<&Named>,
    ) -> ControlFlow<(), Option<(OwnedFd, SharePath)>> {
        if self.shares.is_excluded_whole(location) {
            return ControlFlow::Continue(None);
        }
        let judged = judge(folder, name, above).and_then(|(stat, path)| {
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                return open_folder(folder, name).map(|folder| Seen::Folder(folder, path)).map_err(refusal);
            }
            if self.shares.is_excluded(location) {
                return Ok(Seen::Nothing);
            }
            let identity = judge_file(&stat, name)?;
            Ok(Seen::File(Found { location: location.to_owned(), path, identity }))
        });
        match judged {
            Ok(Seen::Folder(folder, path)) => return ControlFlow::Continue(Some((folder, path))),
            Ok(Seen::File(found)) => self.sink.file(found)?,
            Ok(Seen::Nothing) => {}
            Err(reason) => self.pass_over(location, reason),
        }
        ControlFlow::Continue(None)
    }

    fn push(
        &mut self,
        levels: &mut Vec<Level>,
        folder: OwnedFd,
        location: PathBuf,
        path: Option<SharePath>,
    ) -> ControlFlow<()> {
        let depth = path.as_ref().map_or(0, |path| path.components().count());
        if depth >= MAX_PATH_DEPTH {
            self.pass_over(&location, SkipReason::OverLimit);
            return ControlFlow::Continue(());
        }
        self.sink.enter(&location)?;
        match Dir::new(folder) {
            Ok(dir) => levels.push(Level { dir, location, path }),
            Err(errno) => self.pass_over(&location, refusal(errno)),
        }
        ControlFlow::Continue(())
    }

    fn pass_over(&mut self, location: &Path, reason: SkipReason) {
        self.has_gaps |= reason == SkipReason::NoRoom;
        // What went away meanwhile is no news.
        if reason != SkipReason::Unreadable(ErrorKind::NotFound) {
            self.sink.skip(Skip { location: location.to_owned(), reason });
        }
    }
}

/// What a name turned out to be.
enum Seen {
    File(Found),
    Folder(OwnedFd, SharePath),
    Nothing,
}

#[cfg(test)]
mod tests;
