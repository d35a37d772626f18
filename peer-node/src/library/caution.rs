//! What a user should confirm before it is shared. Pure.

use std::path::Path;

/// From this number of files on, sharing a folder is to be confirmed.
pub const MANY_FILES: usize = 10_000;

/// What speaks against sharing a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Caution {
    /// It is the user's home folder, or contains it.
    #[error("is your home folder, or contains it")]
    OwnHome,
    /// It is somebody else's home folder.
    #[error("is a home folder")]
    Home,
    /// It is the whole machine or a folder that belongs to the system.
    #[error("is a folder of the system")]
    System,
    /// It has many files.
    #[error("has more than {MANY_FILES} files")]
    ManyFiles,
}

/// Folders that a system has, and that nobody means to share as a whole.
const SYSTEM_FOLDERS: [&str; 16] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/run", "/sbin", "/sys", "/tmp",
    "/usr", "/var", "/home",
];

/// Returns what speaks against sharing a place, as far as its path tells.
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
