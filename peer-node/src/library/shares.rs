//! The set of shares: the share folder, places registered outside it, and exceptions. Pure: handles paths and accesses no file.

mod stored;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use protocol::share_path::SharePath;

use super::free_name::{EntryKind, free_name};
use super::report::SkipReason;
use crate::state_dir::STATE_DIR_NAME;

pub(super) use stored::{VERSION, load, save};

/// The shared places. Where exceptions nest, the innermost one decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShareSet {
    root: PathBuf,
    /// Places outside the share folder, not nested, with their network names.
    outside: BTreeMap<PathBuf, SharePath>,
    marks: BTreeMap<PathBuf, ShareMark>,
    /// Exclusion patterns and the folders in which they apply.
    patterns: BTreeMap<PathBuf, Vec<String>>,
    /// Patterns that apply in every folder while the node runs.
    global_patterns: Vec<String>,
}

/// An exception for a place and everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShareMark {
    Excluded,
    /// Shared, although a folder above it is excluded.
    Shared,
}

/// The share to which a place belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainingShare<'a> {
    /// The share folder or a registered place.
    pub(super) base: &'a Path,
    /// Its network name; the share folder has none.
    pub(super) name: Option<&'a SharePath>,
}

impl ShareSet {
    /// Creates a set that shares only `root`, an absolute path without links.
    pub(super) fn with_root(root: PathBuf) -> Self {
        let (outside, marks, patterns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { root, outside, marks, patterns, global_patterns: Vec::new() }
    }

    /// Sets the patterns that apply in every folder. They are not stored.
    pub(super) fn with_global_patterns(mut self, patterns: Vec<String>) -> Self {
        self.global_patterns = patterns;
        self
    }

    /// Returns the patterns that apply in every folder.
    pub(super) fn global_patterns(&self) -> impl Iterator<Item = &str> {
        self.global_patterns.iter().map(String::as_str)
    }

    /// Returns the patterns that were registered with a folder.
    pub(super) fn patterns_of(&self, folder: &Path) -> &[String] {
        self.patterns.get(folder).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns all patterns at and below a folder, with the folders in which they apply.
    pub(super) fn patterns_beneath<'a>(
        &'a self,
        folder: &'a Path,
    ) -> impl Iterator<Item = (&'a Path, &'a [String])> {
        beneath(&self.patterns, folder).map(|(folder, patterns)| (folder.as_path(), patterns.as_slice()))
    }

    /// Replaces the patterns of a folder.
    pub(super) fn set_patterns(&mut self, folder: &Path, patterns: Vec<String>) {
        if patterns.is_empty() {
            self.patterns.remove(folder);
        } else {
            self.patterns.insert(folder.to_owned(), patterns);
        }
    }

    /// Returns the excluded places.
    pub(super) fn excluded_places(&self) -> impl Iterator<Item = &Path> {
        self.marks.iter().filter(|(_, mark)| **mark == ShareMark::Excluded).map(|(place, _)| place.as_path())
    }

    /// Returns the places outside the share folder with their network names.
    pub(super) fn outside(&self) -> impl Iterator<Item = (&Path, &SharePath)> {
        self.outside.iter().map(|(place, name)| (place.as_path(), name))
    }

    /// Returns the share folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the roots of all scans: the share folder and every place outside it.
    pub(super) fn bases(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.root.as_path()).chain(self.outside.keys().map(PathBuf::as_path))
    }

    /// Returns the share to which `location` belongs, regardless of exceptions.
    pub(super) fn containing_share(&self, location: &Path) -> Option<ContainingShare<'_>> {
        if location.starts_with(&self.root) {
            return Some(ContainingShare { base: &self.root, name: None });
        }
        let (base, name) = location.ancestors().find_map(|ancestor| self.outside.get_key_value(ancestor))?;
        Some(ContainingShare { base, name: Some(name) })
    }

    /// Returns the network name of a file, which follows from its location.
    pub(super) fn path_of(&self, location: &Path) -> Result<SharePath, SkipReason> {
        let share = self.containing_share(location).ok_or(SkipReason::ContainsNode)?;
        let below = location.strip_prefix(share.base).unwrap_or(location);
        let below = below.to_str().ok_or(SkipReason::NotUtf8)?;
        match share.name {
            Some(name) if below.is_empty() => Ok(name.clone()),
            Some(name) => {
                SharePath::parse(&format!("{}/{below}", name.as_str())).map_err(SkipReason::BadName)
            }
            None => SharePath::parse(below).map_err(SkipReason::BadName),
        }
    }

    /// Returns true if a file at this location would be shared, judging by its path only.
    pub(super) fn is_shared(&self, location: &Path) -> bool {
        self.containing_share(location).is_some() && !self.is_excluded(location)
    }

    /// Returns true if an exception excludes the location.
    pub(super) fn is_excluded(&self, location: &Path) -> bool {
        !self.marks.is_empty()
            && location.ancestors().find_map(|ancestor| self.marks.get(ancestor))
                == Some(&ShareMark::Excluded)
    }

    /// Returns true if the location and everything below it are excluded.
    pub(super) fn is_fully_excluded(&self, location: &Path) -> bool {
        self.is_excluded(location)
            && beneath(&self.marks, location).all(|(_, mark)| *mark == ShareMark::Excluded)
    }

    /// Returns an error if the location must not be shared, judging by its path only.
    pub(super) fn check_shareable(&self, location: &Path) -> Result<(), SkipReason> {
        if location.starts_with(self.root.join(STATE_DIR_NAME)) {
            return Err(SkipReason::OwnState);
        }
        if self.contains_share_dir(location) {
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

    /// Shares a place and everything below it, for the first time or again. A place outside the share folder gets a name for
    /// which `is_taken` returns false. Places registered inside it become part of it.
    pub(super) fn share(
        &mut self,
        location: &Path,
        kind: EntryKind,
        is_taken: impl Fn(&SharePath) -> bool,
    ) -> Result<(), SkipReason> {
        self.check_shareable(location)?;
        // Inside a share, removing the exceptions is enough unless a folder above is excluded.
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
        let nested: Vec<PathBuf> = beneath(&self.outside, location).map(|(path, _)| path.clone()).collect();
        let is_used = |candidate: &SharePath| {
            is_taken(candidate)
                || self.outside.iter().any(|(path, used)| used == candidate && !nested.contains(path))
        };
        let name = free_name(&name, kind, is_used).ok_or(SkipReason::OverLimit)?;
        self.clear_marks(location);
        self.outside.retain(|path, _| !nested.contains(path));
        self.outside.insert(location.to_owned(), name);
        Ok(())
    }

    /// Stops sharing a place and everything below it.
    pub(super) fn unshare(&mut self, location: &Path) {
        self.outside.retain(|path, _| !path.starts_with(location));
        if self.containing_share(location).is_none() {
            self.patterns.retain(|folder, _| !folder.starts_with(location));
        }
        self.clear_marks(location);
        // Inside another share, only an exception excludes the place.
        if self.containing_share(location).is_some() && !self.is_excluded(location) {
            self.marks.insert(location.to_owned(), ShareMark::Excluded);
        }
    }

    /// Returns true if a place outside the share folder is registered at or below the location.
    pub(super) fn has_outside_beneath(&self, location: &Path) -> bool {
        beneath(&self.outside, location).next().is_some()
    }

    /// Returns true if the location is a folder that contains the share folder.
    pub(super) fn contains_share_dir(&self, location: &Path) -> bool {
        location != self.root && self.root.starts_with(location)
    }

    /// Returns the locations that a network path may name.
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

/// Returns the entries at and below a place.
pub(super) fn beneath<'a, V>(
    map: &'a BTreeMap<PathBuf, V>,
    place: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a V)> {
    // Paths sort by component, so everything below a place follows it immediately.
    map.range::<Path, _>((std::ops::Bound::Included(place), std::ops::Bound::Unbounded))
        .take_while(move |(path, _)| path.starts_with(place))
}

/// Returns true for a hidden file or folder: its name begins with a dot.
pub(super) fn is_hidden(name: impl AsRef<std::ffi::OsStr>) -> bool {
    name.as_ref().as_encoded_bytes().starts_with(b".")
}

/// Returns true for the name of a partial file or its journal.
pub(super) fn is_unfinished(name: impl AsRef<std::ffi::OsStr>) -> bool {
    let name = name.as_ref().as_encoded_bytes().to_ascii_lowercase();
    name.ends_with(b".part") || name.ends_with(b".part.json")
}

#[cfg(test)]
mod tests;
