//! Decides whether the user should confirm before a place is shared. Pure.

use std::path::Path;

/// Sharing a folder with more files than this needs confirmation.
pub(crate) const MANY_FILES: usize = 10_000;

/// Why sharing a place needs confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Caution {
    /// The place is the user's home folder, or contains it.
    #[error("is your home folder, or contains it")]
    OwnHome,
    /// The place is another user's home folder.
    #[error("is a home folder")]
    Home,
    /// The place is the root folder or belongs to the system.
    #[error("is a folder of the system")]
    System,
    /// The place has many files.
    #[error("has more than {MANY_FILES} files")]
    ManyFiles,
}

/// Folders of the system that are rarely shared as a whole on purpose.
const SYSTEM_FOLDERS: [&str; 16] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/run", "/sbin", "/sys", "/tmp",
    "/usr", "/var", "/home",
];

/// Returns why sharing a place needs confirmation, judging by its path only.
pub(super) fn for_path(location: &Path, home: Option<&Path>) -> Option<Caution> {
    if home.is_some_and(|home| home.starts_with(location)) {
        return Some(Caution::OwnHome);
    }
    if location == Path::new("/root") || location.parent() == Some(Path::new("/home")) {
        return Some(Caution::Home);
    }
    SYSTEM_FOLDERS.iter().any(|system| location == Path::new(system)).then_some(Caution::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_system_folders_need_confirmation() {
        let home = Some(Path::new("/home/ann"));
        for (location, caution) in [
            ("/home/ann", Some(Caution::OwnHome)),
            ("/home", Some(Caution::OwnHome)),
            ("/", Some(Caution::OwnHome)),
            ("/home/bob", Some(Caution::Home)),
            ("/root", Some(Caution::Home)),
            ("/etc", Some(Caution::System)),
            ("/home/ann/music", None),
            ("/data", None),
        ] {
            assert_eq!(for_path(Path::new(location), home), caution, "{location}");
        }
        assert_eq!(for_path(Path::new("/"), None), Some(Caution::System));
    }
}
