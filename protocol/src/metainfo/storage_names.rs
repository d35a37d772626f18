//! Assigns each file of a torrent a path that no other file has.

use std::collections::{HashMap, HashSet};

use super::files::FileSpan;
use crate::share_path::numbered_file_name;

/// Stands before each component of a place. It is the smallest separator there is, so in order a folder stands directly
/// before what is in it.
const SEPARATOR: char = '\0';

/// The place of a file, below the torrent's folder, under names that are safe on every system.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StorageName {
    path: String,
    /// Whether the torrent has other names. Of files that want one place, one that has exactly these names keeps it.
    is_changed: bool,
    /// The file's place in the torrent's list.
    file_index: usize,
}

/// Gives files that would be at the place of another file, or of a folder, the next free number in their names.
///
/// What counts is the name under which a file may be created anywhere, so `a?` and `a*` are one. Upper and lower case are
/// two, as on most systems of those who make torrents. Which file gets which name follows from the torrent alone.
pub(super) fn resolve_conflicts(files: &mut [FileSpan]) {
    let places = StorageNames::of(files);
    if !places.has_conflicts() {
        return;
    }
    let displaced = places.displaced_files(files);
    let mut numbered: HashSet<String> = HashSet::new();
    let mut next: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::new();
    for (file, path) in displaced.files {
        let (folder, name) = path.rsplit_once(SEPARATOR).unwrap_or(("", path));
        let number = next.entry(path).or_insert(1);
        loop {
            let name = numbered_file_name(name, *number, true);
            *number = number.saturating_add(1);
            let place = format!("{folder}{SEPARATOR}{name}");
            if !places.is_taken(&place) && numbered.insert(place) {
                names.push((file, name));
                break;
            }
        }
    }
    for (file, name) in names {
        if let Some(file) = files.get_mut(file) {
            file.path.store_as(name);
        }
    }
    for twin in displaced.duplicates {
        if let Some(file) = files.get_mut(twin) {
            file.path.mark_duplicate();
        }
    }
}

/// The places of all files, in order.
#[derive(Debug)]
struct StorageNames(Vec<StorageName>);

/// Files that cannot have the place that they want.
#[derive(Debug)]
struct DisplacedFiles<'a> {
    /// In the order of the torrent, each with the place that it wants.
    files: Vec<(usize, &'a str)>,
    /// Files that have the path of an earlier one.
    duplicates: Vec<usize>,
}

impl StorageNames {
    fn of(files: &[FileSpan]) -> Self {
        let real = files.iter().enumerate().filter(|(_, file)| !file.is_padding);
        let mut places: Vec<StorageName> = real.map(|(number, file)| StorageName::of(number, file)).collect();
        places.sort_unstable();
        Self(places)
    }

    fn has_conflicts(&self) -> bool {
        self.0.windows(2).any(|pair| {
            let [before, after] = pair else { return false };
            after.path.strip_prefix(&before.path).is_some_and(|rest| rest.is_empty() || is_below(rest))
        })
    }

    /// Returns true if a place is wanted by a file, or is a folder.
    fn is_taken(&self, path: &str) -> bool {
        let at = self.0.partition_point(|place| place.path.as_str() < path);
        self.0.get(at).is_some_and(|place| place.path == path) || self.has_folder(path)
    }

    /// Returns true if a file lies below a place.
    fn has_folder(&self, path: &str) -> bool {
        let below = format!("{path}{SEPARATOR}");
        let at = self.0.partition_point(|place| place.path < below);
        self.0.get(at).is_some_and(|place| place.path.starts_with(&below))
    }

    fn displaced_files<'a>(&'a self, files: &[FileSpan]) -> DisplacedFiles<'a> {
        let mut displaced = DisplacedFiles { files: Vec::new(), duplicates: Vec::new() };
        for group in self.0.chunk_by(|one, other| one.path == other.path) {
            let Some(first) = group.first() else { continue };
            let kept = usize::from(!self.has_folder(&first.path));
            displaced
                .files
                .extend(group.iter().skip(kept).map(|place| (place.file_index, place.path.as_str())));
            let mut seen = HashSet::new();
            let text = |place: &StorageName| files.get(place.file_index).map(|file| file.path.as_str());
            displaced.duplicates.extend(
                group
                    .iter()
                    .filter(|place| group.len() > 1 && !seen.insert(text(place)))
                    .map(|place| place.file_index),
            );
        }
        displaced.files.sort_unstable();
        displaced
    }
}

impl StorageName {
    fn of(file: usize, span: &FileSpan) -> Self {
        let mut path = String::with_capacity(span.path.as_str().len());
        for component in span.path.stored_components().skip(1) {
            path.push(SEPARATOR);
            path.push_str(&component);
        }
        let is_changed =
            span.path.is_mapped() || !span.path.components().skip(1).eq(path.split(SEPARATOR).skip(1));
        Self { path, is_changed, file_index: file }
    }
}

fn is_below(rest: &str) -> bool {
    rest.starts_with(SEPARATOR)
}
