use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;

use super::{CompletionItem, MAX_COMPLETIONS, PathBases};
use crate::frontend::repl::words::escape;

/// The maximum number of entries of a folder that are read.
const MAX_ENTRIES: usize = 20_000;

/// Returns the files and folders that begin with the typed path; hidden ones only if the dot was typed. Names that are not
/// display-safe cannot be typed and are left out.
pub(super) fn paths(typed: &str, base: Option<&Path>, folders: &PathBases) -> Vec<CompletionItem> {
    let (folder, prefix) = typed.split_at(typed.rfind('/').map_or(0, |at| at + 1));
    let Some(dir) = folder_path(folder, base, folders) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut items: Vec<CompletionItem> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = plain_name(&entry.file_name())?;
            let is_match = name.starts_with(prefix) && (!name.starts_with('.') || prefix.starts_with('.'));
            // `is_dir` follows links, as the command will.
            is_match.then(|| path_item(folder, &name, entry.path().is_dir()))
        })
        .take(MAX_COMPLETIONS)
        .collect();
    items.sort_by(|one, other| one.label.cmp(&other.label));
    items
}

fn path_item(folder: &str, name: &str, is_folder: bool) -> CompletionItem {
    let (slash, end) = if is_folder { ("/", "/") } else { ("", " ") };
    CompletionItem {
        label: format!("{name}{slash}"),
        replacement: format!("{}{end}", escape(&format!("{folder}{name}"))),
    }
}

fn plain_name(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    (display_safe(name) == name).then(|| name.to_owned())
}

/// Returns the folder to list.
fn folder_path(folder: &str, base: Option<&Path>, folders: &PathBases) -> Option<PathBuf> {
    if let Some(below) = folder.strip_prefix("~/") {
        return folders.home.as_ref().map(|home| home.join(below));
    }
    let folder = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    Some(base.map_or_else(|| folder.to_owned(), |base| base.join(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_offered_escaped() {
        let home = tempfile::tempdir().unwrap();
        for name in ["my file.iso", "other", ".hidden", "ev\u{1b}il"] {
            fs::write(home.path().join(name), b"").unwrap();
        }
        fs::create_dir(home.path().join("my folder")).unwrap();
        let folders = PathBases { home: Some(home.path().to_owned()), share_dir: home.path().to_owned() };
        let texts = |typed: &str, base: Option<&Path>| -> Vec<String> {
            paths(typed, base, &folders).into_iter().map(|offer| offer.replacement).collect()
        };
        assert_eq!(texts("~/my", None), ["~/my\\ file.iso ", "~/my\\ folder/"]);
        assert_eq!(texts("~/", None).len(), 3);
        assert_eq!(texts("~/.", None), ["~/.hidden "]);
        assert_eq!(texts("oth", Some(home.path())), ["other "]);
        assert_eq!(texts("/nowhere/at/all/", None), Vec::<String>::new());
    }
}
