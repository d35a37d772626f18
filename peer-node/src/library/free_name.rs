use protocol::limits::{MAX_COMPONENT, MAX_PATH};
use protocol::share_path::SharePath;

/// What kind of name is to be changed: only files have an extension to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
}

/// How many numbers are tried before a name is given up.
const MAX_TRIES: u32 = 10_000;

/// Returns the path itself if it is free, or else the first of `name (1).ext`, `name (2).ext` and so on that is.
pub(super) fn free_name(
    path: &SharePath,
    of: EntryKind,
    is_taken: impl Fn(&SharePath) -> bool,
) -> Option<SharePath> {
    if !is_taken(path) {
        return Some(path.clone());
    }
    (1..MAX_TRIES).filter_map(|number| numbered(path, of, number)).find(|candidate| !is_taken(candidate))
}

fn numbered(path: &SharePath, of: EntryKind, number: u32) -> Option<SharePath> {
    let name = path.file_name();
    let folder = path.as_str().strip_suffix(name)?;
    // A name that begins with its only dot has no extension.
    let dot = name.rfind('.').filter(|dot| *dot > 0 && of == EntryKind::File).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let addition = format!(" ({number}){extension}");
    let room = MAX_COMPONENT.min(MAX_PATH.checked_sub(folder.len())?).checked_sub(addition.len())?;
    let (stem, _) = stem.split_at(stem.floor_char_boundary(room));
    SharePath::parse(&format!("{folder}{stem}{addition}")).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn free(path: &str, of: EntryKind, taken: &[&str]) -> String {
        let taken: HashSet<&str> = taken.iter().copied().collect();
        let path = SharePath::parse(path).unwrap();
        free_name(&path, of, |candidate| taken.contains(candidate.as_str())).unwrap().into()
    }

    #[test]
    fn first_free_number_precedes_the_extension() {
        assert_eq!(free("a/x.iso", EntryKind::File, &[]), "a/x.iso");
        assert_eq!(free("a/x.iso", EntryKind::File, &["a/x.iso"]), "a/x (1).iso");
        assert_eq!(free("x.iso", EntryKind::File, &["x.iso", "x (1).iso"]), "x (2).iso");
        assert_eq!(free("x", EntryKind::File, &["x"]), "x (1)");
        assert_eq!(free("v1.2", EntryKind::Folder, &["v1.2"]), "v1.2 (1)");
    }

    #[test]
    fn long_name_is_cut_at_a_char_boundary() {
        let long = format!("{}.iso", "é".repeat(125));
        let found = free(&long, EntryKind::File, &[&long]);
        assert!(found.len() <= MAX_COMPONENT && found.ends_with("é (1).iso"), "{found}");
    }

    #[test]
    fn name_without_room_for_a_number_is_given_up() {
        let path = SharePath::parse(&format!("a.{}", "b".repeat(253))).unwrap();
        assert_eq!(free_name(&path, EntryKind::File, |_| true), None);
    }
}
