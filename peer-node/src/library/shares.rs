//! Which places are shared: the share folder, what was registered outside it, and the exceptions. Pure; it knows paths
//! and touches no file.

mod stored;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use protocol::share_path::SharePath;

use super::free_name::{EntryKind, free_name};
use super::report::SkipReason;
use crate::state_dir::STATE_DIR_NAME;

pub(super) use stored::{VERSION, load, save};

/// The places that are shared. Where exceptions nest, the one nearest to a file decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShareSet {
    root: PathBuf,
    /// Places outside the share folder, none within another, with the name that each has on the network.
    outside: BTreeMap<PathBuf, SharePath>,
    marks: BTreeMap<PathBuf, ShareMark>,
    /// Patterns that leave files out, with the folder in which they hold.
    patterns: BTreeMap<PathBuf, Vec<String>>,
    /// Patterns that hold in every folder, as long as the node runs.
    global_patterns: Vec<String>,
}

/// An exception for a place and all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShareMark {
    Excluded,
    /// Shared, though it lies within something excluded.
    Shared,
}

/// What a place is shared as part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainingShare<'a> {
    /// The share folder, or a place that was registered.
    pub(super) base: &'a Path,
    /// Its name on the network; the share folder has none.
    pub(super) name: Option<&'a SharePath>,
}

impl ShareSet {
    /// Shares a folder, absolute and without links, and nothing else.
    pub(super) fn with_root(root: PathBuf) -> Self {
        let (outside, marks, patterns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { root, outside, marks, patterns, global_patterns: Vec::new() }
    }

    /// Leaves out in every folder what matches these patterns; they are not remembered.
    pub(super) fn with_global_patterns(mut self, patterns: Vec<String>) -> Self {
        self.global_patterns = patterns;
        self
    }

    /// Returns the patterns that hold in every folder.
    pub(super) fn global_patterns(&self) -> impl Iterator<Item = &str> {
        self.global_patterns.iter().map(String::as_str)
    }

    /// Returns the patterns that were given with a folder.
    pub(super) fn patterns_of(&self, folder: &Path) -> &[String] {
        self.patterns.get(folder).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns all patterns at and below a folder, with the folders in which they hold.
    pub(super) fn patterns_beneath<'a>(
        &'a self,
        folder: &'a Path,
    ) -> impl Iterator<Item = (&'a Path, &'a [String])> {
        beneath(&self.patterns, folder).map(|(folder, patterns)| (folder.as_path(), patterns.as_slice()))
    }

    /// Leaves out of a folder what matches these patterns and no others.
    pub(super) fn set_patterns(&mut self, folder: &Path, patterns: Vec<String>) {
        if patterns.is_empty() {
            self.patterns.remove(folder);
        } else {
            self.patterns.insert(folder.to_owned(), patterns);
        }
    }

    /// Returns the places that were taken out.
    pub(super) fn excluded_places(&self) -> impl Iterator<Item = &Path> {
        self.marks.iter().filter(|(_, mark)| **mark == ShareMark::Excluded).map(|(place, _)| place.as_path())
    }

    /// Returns the places outside the share folder with their names on the network.
    pub(super) fn outside(&self) -> impl Iterator<Item = (&Path, &SharePath)> {
        self.outside.iter().map(|(place, name)| (place.as_path(), name))
    }

    /// Returns the share folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the share folder and every place outside it, each to be looked through.
    pub(super) fn bases(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.root.as_path()).chain(self.outside.keys().map(PathBuf::as_path))
    }

    /// Returns what `location` is shared as part of, exceptions aside.
    pub(super) fn containing_share(&self, location: &Path) -> Option<ContainingShare<'_>> {
        if location.starts_with(&self.root) {
            return Some(ContainingShare { base: &self.root, name: None });
        }
        let (base, name) = location.ancestors().find_map(|ancestor| self.outside.get_key_value(ancestor))?;
        Some(ContainingShare { base, name: Some(name) })
    }

    /// Returns the name on the network that a file has by the place where it lies.
    pub(super) fn path_of(&self, location: &Path) -> Result<SharePath, SkipReason> {
        let cover = self.containing_share(location).ok_or(SkipReason::ContainsNode)?;
        let below = location.strip_prefix(cover.base).unwrap_or(location);
        let below = below.to_str().ok_or(SkipReason::NotUtf8)?;
        match cover.name {
            Some(name) if below.is_empty() => Ok(name.clone()),
            Some(name) => {
                SharePath::parse(&format!("{}/{below}", name.as_str())).map_err(SkipReason::BadName)
            }
            None => SharePath::parse(below).map_err(SkipReason::BadName),
        }
    }

    /// Says whether a file at that place would be shared, as far as its path tells.
    pub(super) fn is_shared(&self, location: &Path) -> bool {
        self.containing_share(location).is_some() && !self.is_excluded(location)
    }

    /// Says whether an exception takes the place out.
    pub(super) fn is_excluded(&self, location: &Path) -> bool {
        !self.marks.is_empty()
            && location.ancestors().find_map(|ancestor| self.marks.get(ancestor))
                == Some(&ShareMark::Excluded)
    }

    /// Says whether the place is excluded with all that lies below it.
    pub(super) fn is_fully_excluded(&self, location: &Path) -> bool {
        self.is_excluded(location)
            && beneath(&self.marks, location).all(|(_, mark)| *mark == ShareMark::Excluded)
    }

    /// Says whether the place, by its path alone, may be shared.
    pub(super) fn check_shareable(&self, location: &Path) -> Result<(), SkipReason> {
        if location.starts_with(self.root.join(STATE_DIR_NAME)) {
            return Err(SkipReason::OwnState);
        }
        if self.is_around_root(location) {
            return Err(SkipReason::ContainsNode);
        }
        let below = location.strip_prefix(&self.root).unwrap_or(location);
        if below.components().any(|part| matches!(part, Component::Normal(name) if is_hidden(name))) {
            return Err(SkipReason::Hidden);
        }
        if location.file_name().is_some_and(is_unfinished) {
            return Err(SkipReason::Unfinished);
        }
        Ok(())
    }

    /// Shares a place and all below it again, or for the first time. A place outside gets a name that `is_taken` does
    /// not know; those that were registered within it become part of it.
    pub(super) fn share(
        &mut self,
        location: &Path,
        of: EntryKind,
        is_taken: impl Fn(&SharePath) -> bool,
    ) -> Result<(), SkipReason> {
        self.check_shareable(location)?;
        if self.containing_share(location).is_some() {
            self.clear_marks(location);
            if self.is_excluded(location) {
                self.marks.insert(location.to_owned(), ShareMark::Shared);
            }
            return Ok(());
        }
        let name = location.file_name().ok_or(SkipReason::ContainsNode)?;
        let name =
            SharePath::parse(name.to_str().ok_or(SkipReason::NotUtf8)?).map_err(SkipReason::BadName)?;
        let within: Vec<PathBuf> = beneath(&self.outside, location).map(|(path, _)| path.clone()).collect();
        let is_used = |candidate: &SharePath| {
            is_taken(candidate)
                || self.outside.iter().any(|(path, used)| used == candidate && !within.contains(path))
        };
        let name = free_name(&name, of, is_used).ok_or(SkipReason::OverLimit)?;
        self.clear_marks(location);
        self.outside.retain(|path, _| !within.contains(path));
        self.outside.insert(location.to_owned(), name);
        Ok(())
    }

    /// Stops sharing a place and all below it.
    pub(super) fn unshare(&mut self, location: &Path) {
        self.outside.retain(|path, _| !path.starts_with(location));
        if self.containing_share(location).is_none() {
            self.patterns.retain(|folder, _| !folder.starts_with(location));
        }
        self.clear_marks(location);
        if self.containing_share(location).is_some() && !self.is_excluded(location) {
            self.marks.insert(location.to_owned(), ShareMark::Excluded);
        }
    }

    /// Says whether something outside the share folder was registered at or below the place.
    pub(super) fn has_outside_beneath(&self, location: &Path) -> bool {
        beneath(&self.outside, location).next().is_some()
    }

    /// Says whether the place is a folder somewhere around the share folder.
    pub(super) fn is_around_root(&self, location: &Path) -> bool {
        location != self.root && self.root.starts_with(location)
    }

    /// Returns the places that a path on the network may stand for.
    pub(super) fn locations_of(&self, path: &SharePath) -> Vec<PathBuf> {
        let outside = self.outside.iter().filter_map(|(base, name)| {
            let below = path.as_str().strip_prefix(name.as_str())?;
            if below.is_empty() {
                Some(base.clone())
            } else {
                below.strip_prefix('/').map(|below| base.join(below))
            }
        });
        outside.chain([self.root.join(path.as_str())]).collect()
    }

    fn clear_marks(&mut self, location: &Path) {
        self.marks.retain(|path, _| !path.starts_with(location));
    }
}

/// Goes through the entries at and below a place.
pub(super) fn beneath<'a, V>(
    map: &'a BTreeMap<PathBuf, V>,
    place: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a V)> {
    // Paths are ordered by whole components, so that what lies below a place follows it at once.
    map.range::<Path, _>((std::ops::Bound::Included(place), std::ops::Bound::Unbounded))
        .take_while(move |(path, _)| path.starts_with(place))
}

/// Says whether a name is one that listings of folders leave out.
pub(super) fn is_hidden(name: impl AsRef<std::ffi::OsStr>) -> bool {
    name.as_ref().as_encoded_bytes().starts_with(b".")
}

/// Says whether a name is that of an unfinished download or its journal.
pub(super) fn is_unfinished(name: impl AsRef<std::ffi::OsStr>) -> bool {
    let name = name.as_ref().as_encoded_bytes().to_ascii_lowercase();
    name.ends_with(b".part") || name.ends_with(b".part.json")
}

#[cfg(test)]
mod tests;
