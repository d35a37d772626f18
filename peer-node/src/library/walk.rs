//! Walks through shared places on a blocking thread and reports the files in them.
//!
//! The walk is not recursive and keeps one open folder per level, so depth and size of a tree are no problem. Every step starts
//! from the open parent folder and follows no link, so replacing a folder during the walk cannot redirect it.

mod classify;
mod patterns;

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use protocol::escape::excerpt;
use protocol::limits::MAX_PATH_DEPTH;
use protocol::share_path::SharePath;

use super::exclusions::{Exclusions, IGNORE_FILE};
use super::inventory::ScannedFile;
use super::report::{SkipReason, SkippedEntry};
use super::shares::{ContainingShare, ShareSet, is_hidden};
use crate::platform::{EntryType, Folder, FolderEntries, FolderRef, is_not_a_folder};
use crate::state_dir::STATE_DIR_NAME;

use classify::{NetworkParent, check_file, child_path, classify, error_reason};
use patterns::read_patterns;

/// Receives what a walk finds.
pub(super) trait WalkSink {
    /// The walk reaches a folder and has not read it yet. `Break` ends the walk, as it does in `file`.
    fn enter(&mut self, folder: &Path) -> ControlFlow<()>;
    /// The walk finds a file to share.
    fn file(&mut self, found: ScannedFile) -> ControlFlow<()>;
    /// The walk skips an entry.
    fn skip(&mut self, skip: SkippedEntry);
}

/// A walk through places of one share set.
pub(super) struct Walk<'a, S> {
    shares: &'a ShareSet,
    sink: &'a mut S,
    /// The system was out of resources, so the walk may have missed files.
    pub(super) is_incomplete: bool,
}

/// An open folder.
struct OpenFolder {
    folder: Folder,
    location: PathBuf,
    /// Its network name. The share folder and the parent of a registered place have none.
    path: Option<NetworkParent>,
    /// The patterns that apply to its content.
    exclusions: Exclusions,
}

/// A folder that is being read.
struct FolderCursor {
    entries: FolderEntries,
    location: PathBuf,
    path: Option<NetworkParent>,
    exclusions: Exclusions,
}

/// An entry that is not shared, with its location and the reason.
struct Blocked(PathBuf, SkipReason);

impl<'a, S: WalkSink> Walk<'a, S> {
    /// Creates a walk that reports to `sink`.
    pub(super) fn new(shares: &'a ShareSet, sink: &'a mut S) -> Self {
        Self { shares, sink, is_incomplete: false }
    }

    /// Walks through a place and everything below it. A place that is not shared or does not exist is empty.
    pub(super) fn walk_place(&mut self, place: &Path) -> ControlFlow<()> {
        let Some(share) = self.shares.containing_share(place) else { return ControlFlow::Continue(()) };
        match self.open_parent(share, place) {
            Ok((folder, Some(name))) => self.visit(&folder, &name),
            Ok((folder, None)) => self.walk_folder(folder),
            Err(Blocked(location, reason)) => {
                self.skip(&location, reason);
                ControlFlow::Continue(())
            }
        }
    }

    /// Opens the parent folder of a place step by step, starting at the share's root. Returns it with the place's name in it,
    /// or the share folder itself without a name if that is the place.
    fn open_parent(
        &mut self,
        share: ContainingShare<'_>,
        place: &Path,
    ) -> Result<(OpenFolder, Option<OsString>), Blocked> {
        let below = place.strip_prefix(share.base).unwrap_or(Path::new(""));
        let mut names: Vec<&OsStr> = below.iter().collect();
        let anchor = match (share.name, share.base.parent(), share.base.file_name()) {
            (Some(_), Some(parent), Some(name)) => {
                names.insert(0, name);
                parent
            }
            _ => share.base,
        };
        let Some((last, parents)) = names.split_last() else {
            let folder = Folder::open_no_follow(anchor)
                .map_err(|error| Blocked(anchor.to_owned(), error_reason(&error)))?;
            return Ok((self.open_anchor(folder, anchor, None)?, None));
        };
        let folder = Folder::open_no_follow(anchor)
            .map_err(|error| Blocked(anchor.to_owned(), lookup_reason(&error)))?;
        if share.name.is_some() {
            // Watching the parent shows when a registered file is replaced or comes back.
            let _ = self.sink.enter(anchor);
        }
        let mut folder = self.open_anchor(folder, anchor, share.name)?;
        for name in parents {
            folder = self.open_child(&folder, name)?;
        }
        Ok((folder, Some((*last).to_owned())))
    }

    /// Returns the folder at which every walk to a place begins: the share folder, or the parent of a registered place.
    fn open_anchor(
        &self,
        folder: Folder,
        location: &Path,
        name: Option<&SharePath>,
    ) -> Result<OpenFolder, Blocked> {
        let global_patterns = self.shares.global_patterns();
        let exclusions = Exclusions::default().within(location, global_patterns);
        let exclusions = exclusions.map_err(|error| bad_patterns(location, &error))?;
        let folder = OpenFolder {
            folder,
            location: location.to_owned(),
            path: name.cloned().map(NetworkParent::Registered),
            exclusions,
        };
        // Patterns in the parent of a registered place do not apply.
        if name.is_some() { Ok(folder) } else { self.with_patterns(folder) }
    }

    /// Opens a folder on the path to a place.
    fn open_child(&self, parent: &OpenFolder, name: &OsStr) -> Result<OpenFolder, Blocked> {
        let location = parent.location.join(name);
        let is_base = matches!(parent.path, Some(NetworkParent::Registered(_)));
        let not_found = || Blocked(location.clone(), SkipReason::Unreadable(ErrorKind::NotFound));
        if !is_base && is_hidden(name) {
            return Err(not_found());
        }
        if let Some(pattern) = parent.exclusions.excluding(&location, true).filter(|_| !is_base) {
            return Err(Blocked(location, excluded_reason(pattern)));
        }
        let folder = parent.folder.as_folder_ref().open_folder(name);
        let folder = folder.map_err(|error| Blocked(location.clone(), lookup_reason(&error)))?;
        let path = child_path(parent.path.as_ref(), name).map_err(|_| not_found())?;
        let exclusions = parent.exclusions.clone();
        self.with_patterns(OpenFolder {
            folder,
            location,
            path: Some(NetworkParent::Folder(path)),
            exclusions,
        })
    }

    /// Adds a folder's own patterns to those that apply in its parent. A folder with invalid patterns is left out: ignoring
    /// them would share files that they were meant to exclude.
    fn with_patterns(&self, folder: OpenFolder) -> Result<OpenFolder, Blocked> {
        let OpenFolder { folder, location, path, exclusions } = folder;
        let user_patterns = self.shares.patterns_of(&location);
        let in_file =
            read_patterns(folder.as_folder_ref()).map_err(|error| bad_patterns(&location, &error))?;
        let patterns =
            user_patterns.iter().map(String::as_str).chain(in_file.iter().flat_map(|text| text.lines()));
        let exclusions =
            exclusions.within(&location, patterns).map_err(|error| bad_patterns(&location, &error))?;
        Ok(OpenFolder { folder, location, path, exclusions })
    }

    /// Walks through a folder and everything below it.
    fn walk_folder(&mut self, folder: OpenFolder) -> ControlFlow<()> {
        let mut levels = Vec::new();
        self.enter(&mut levels, folder)?;
        while let Some(level) = levels.last_mut() {
            let name = match level.entries.next_name() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(error)) => {
                    let location = level.location.clone();
                    levels.pop();
                    self.skip(&location, error_reason(&error));
                    continue;
                }
                Some(Ok(name)) => name,
            };
            if name == "." || name == ".." || name == STATE_DIR_NAME || name == IGNORE_FILE {
                continue;
            }
            let location = level.location.join(&name);
            let Ok(parent) = level.entries.folder() else { continue };
            let subfolder = self.examine(parent, &name, &location, level.path.as_ref(), &level.exclusions)?;
            if let Some(folder) = subfolder {
                self.enter(&mut levels, folder)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits one entry and, if it is a folder, everything below it.
    fn visit(&mut self, parent: &OpenFolder, name: &OsStr) -> ControlFlow<()> {
        let location = parent.location.join(name);
        match self.examine(
            parent.folder.as_folder_ref(),
            name,
            &location,
            parent.path.as_ref(),
            &parent.exclusions,
        )? {
            Some(folder) => self.walk_folder(folder),
            None => ControlFlow::Continue(()),
        }
    }

    /// Examines one entry: reports a file, skips the entry, or returns the opened folder.
    fn examine(
        &mut self,
        parent_folder: FolderRef<'_>,
        name: &OsStr,
        location: &Path,
        parent: Option<&NetworkParent>,
        exclusions: &Exclusions,
    ) -> ControlFlow<(), Option<OpenFolder>> {
        if self.shares.is_fully_excluded(location) {
            return ControlFlow::Continue(None);
        }
        match self.classify_entry(parent_folder, name, location, parent, exclusions) {
            Ok(WalkEntry::Folder(folder)) => return ControlFlow::Continue(Some(folder)),
            Ok(WalkEntry::File(found)) => self.sink.file(found)?,
            Ok(WalkEntry::Nothing) => {}
            Err(Blocked(location, reason)) => self.skip(&location, reason),
        }
        ControlFlow::Continue(None)
    }

    fn classify_entry(
        &self,
        parent_folder: FolderRef<'_>,
        name: &OsStr,
        location: &Path,
        parent: Option<&NetworkParent>,
        exclusions: &Exclusions,
    ) -> Result<WalkEntry, Blocked> {
        let left_out = |reason| Blocked(location.to_owned(), reason);
        let (status, path) = classify(parent_folder, name, parent).map_err(left_out)?;
        let is_folder = status.entry_type == EntryType::Folder;
        // A registered folder is shared whatever its name is.
        let is_base = matches!(parent, Some(NetworkParent::Registered(_)));
        if let Some(pattern) = exclusions.excluding(location, is_folder).filter(|_| !(is_base && is_folder)) {
            return Err(left_out(excluded_reason(pattern)));
        }
        if is_folder {
            let folder = parent_folder.open_folder(name).map_err(|error| left_out(error_reason(&error)))?;
            let (location, path) = (location.to_owned(), Some(NetworkParent::Folder(path)));
            return self
                .with_patterns(OpenFolder { folder, location, path, exclusions: exclusions.clone() })
                .map(WalkEntry::Folder);
        }
        if self.shares.is_excluded(location) {
            return Ok(WalkEntry::Nothing);
        }
        let identity = check_file(&status, name).map_err(left_out)?;
        Ok(WalkEntry::File(ScannedFile { location: location.to_owned(), path, identity }))
    }

    fn enter(&mut self, levels: &mut Vec<FolderCursor>, folder: OpenFolder) -> ControlFlow<()> {
        let OpenFolder { folder, location, path, exclusions } = folder;
        let depth = path.as_ref().map_or(0, NetworkParent::depth);
        if depth >= MAX_PATH_DEPTH {
            self.skip(&location, SkipReason::OverLimit);
            return ControlFlow::Continue(());
        }
        self.sink.enter(&location)?;
        match folder.into_entries() {
            Ok(entries) => levels.push(FolderCursor { entries, location, path, exclusions }),
            Err(error) => self.skip(&location, error_reason(&error)),
        }
        ControlFlow::Continue(())
    }

    fn skip(&mut self, location: &Path, reason: SkipReason) {
        self.is_incomplete |= reason == SkipReason::SystemLimit;
        // An entry that disappeared meanwhile needs no report.
        if reason != SkipReason::Unreadable(ErrorKind::NotFound) {
            self.sink.skip(SkippedEntry { location: location.to_owned(), reason });
        }
    }
}

/// The kind of an entry.
enum WalkEntry {
    File(ScannedFile),
    Folder(OpenFolder),
    Nothing,
}

/// Returns why the path to a place is blocked. A missing component counts as not found, which is not reported.
fn lookup_reason(error: &io::Error) -> SkipReason {
    if error.kind() == ErrorKind::NotFound || is_not_a_folder(error) {
        SkipReason::Unreadable(ErrorKind::NotFound)
    } else {
        error_reason(error)
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
