use protocol::limits::{MAX_COMPONENT, MAX_PATH};
use protocol::share_path::SharePath;

/// The kind of entry that is named: only files have an extension to preserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
}

/// Number of candidates that are tried.
const MAX_TRIES: u32 = 10_000;

/// Returns the path itself if it is free, otherwise the first free one of `name (1).ext`, `name (2).ext` and so on.
pub(super) fn free_name(
    path: &SharePath,
    kind: EntryKind,
    is_taken: impl Fn(&SharePath) -> bool,
) -> Option<SharePath> {
    if !is_taken(path) {
        return Some(path.clone());
    }
    (1..MAX_TRIES).filter_map(|number| numbered(path, kind, number)).find(|candidate| !is_taken(candidate))
}

fn numbered(path: &SharePath, kind: EntryKind, number: u32) -> Option<SharePath> {
    let name = path.file_name();
    let folder = path.as_str().strip_suffix(name)?;
    // A name whose only dot is its first character has no extension.
    let dot = name.rfind('.').filter(|dot| *dot > 0 && kind == EntryKind::File).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let addition = format!(" ({number}){extension}");
    let max_stem = MAX_COMPONENT.min(MAX_PATH.checked_sub(folder.len())?).checked_sub(addition.len())?;
    let (stem, _) = stem.split_at(stem.floor_char_boundary(max_stem));
    SharePath::parse(&format!("{folder}{stem}{addition}")).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn free(path: &str, kind: EntryKind, taken: &[&str]) -> String {
        let taken: HashSet<&str> = taken.iter().copied().collect();
        let path = SharePath::parse(path).unwrap();
        free_name(&path, kind, |candidate| taken.contains(candidate.as_str())).unwrap().into()
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
    fn name_too_long_for_a_number_is_rejected() {
        let path = SharePath::parse(&format!("a.{}", "b".repeat(253))).unwrap();
        assert_eq!(free_name(&path, EntryKind::File, |_| true), None);
    }
}
