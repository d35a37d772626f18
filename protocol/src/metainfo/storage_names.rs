//! Assigns each file of a torrent a unique storage path.

use std::collections::{HashMap, HashSet};

use super::files::FileSpan;
use crate::share_path::numbered_file_name;

/// The separator before each component of a storage path. It is the smallest character, so a folder sorts directly
/// before its content.
const SEPARATOR: char = '\0';

/// The storage path of a file below the torrent's folder, with names that are safe on every system.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StorageName {
    path: String,
    /// True if the torrent has other names. Among conflicting files, one with exactly these names keeps the path.
    is_changed: bool,
    /// The file's index in the torrent's list.
    file_index: usize,
}

/// Adds the next free number to the names of files whose storage path is that of another file or of a folder.
///
/// Names are compared after mapping them to names that are safe on every system, so `a?` and `a*` conflict. Upper and
/// lower case are distinct, as on the systems of most torrent creators. The result depends on the torrent alone.
pub(super) fn resolve_conflicts(files: &mut [FileSpan]) {
    let storage = StorageNames::of(files);
    if !storage.has_conflicts() {
        return;
    }
    let displaced = storage.displaced_files(files);
    let mut numbered: HashSet<String> = HashSet::new();
    // The next number to try per path, so that many equal names do not take quadratic time.
    let mut next: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::new();
    for (file, path) in displaced.files {
        let (folder, name) = path.rsplit_once(SEPARATOR).unwrap_or(("", path));
        let number = next.entry(path).or_insert(1);
        loop {
            let name = numbered_file_name(name, *number, true);
            *number = number.saturating_add(1);
            let candidate = format!("{folder}{SEPARATOR}{name}");
            if !storage.is_taken(&candidate) && numbered.insert(candidate) {
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
    for duplicate in displaced.duplicates {
        if let Some(file) = files.get_mut(duplicate) {
            file.path.mark_duplicate();
        }
    }
}

/// The storage paths of all files, sorted.
#[derive(Debug)]
struct StorageNames(Vec<StorageName>);

/// Files that need another storage path.
#[derive(Debug)]
struct DisplacedFiles<'a> {
    /// The displaced files in the order of the torrent, each with its original storage path.
    files: Vec<(usize, &'a str)>,
    /// Files that have the same path as an earlier file.
    duplicates: Vec<usize>,
}

impl StorageNames {
    fn of(files: &[FileSpan]) -> Self {
        let real = files.iter().enumerate().filter(|(_, file)| !file.is_padding);
        let mut names: Vec<StorageName> = real.map(|(number, file)| StorageName::of(number, file)).collect();
        names.sort_unstable();
        Self(names)
    }

    fn has_conflicts(&self) -> bool {
        self.0.windows(2).any(|pair| {
            let [before, after] = pair else { return false };
            after.path.strip_prefix(&before.path).is_some_and(|rest| rest.is_empty() || is_below(rest))
        })
    }

    /// Returns true if `path` is the original storage path of a file, or a folder.
    fn is_taken(&self, path: &str) -> bool {
        let at = self.0.partition_point(|name| name.path.as_str() < path);
        self.0.get(at).is_some_and(|name| name.path == path) || self.has_folder(path)
    }

    /// Returns true if `path` is a folder, with a file below it.
    fn has_folder(&self, path: &str) -> bool {
        let below = format!("{path}{SEPARATOR}");
        let at = self.0.partition_point(|name| name.path < below);
        self.0.get(at).is_some_and(|name| name.path.starts_with(&below))
    }

    fn displaced_files<'a>(&'a self, files: &[FileSpan]) -> DisplacedFiles<'a> {
        let mut displaced = DisplacedFiles { files: Vec::new(), duplicates: Vec::new() };
        for group in self.0.chunk_by(|one, other| one.path == other.path) {
            let Some(first) = group.first() else { continue };
            // The first file keeps its path, unless that is also a folder.
            let kept = usize::from(!self.has_folder(&first.path));
            displaced.files.extend(group.iter().skip(kept).map(|name| (name.file_index, name.path.as_str())));
            let mut seen = HashSet::new();
            let text = |name: &StorageName| files.get(name.file_index).map(|file| file.path.as_str());
            displaced.duplicates.extend(
                group
                    .iter()
                    .filter(|name| group.len() > 1 && !seen.insert(text(name)))
                    .map(|name| name.file_index),
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
