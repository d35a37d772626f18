use std::path::Path;

use protocol::share_path::{local_file_name, safe_file_name};

use crate::platform::{FileSystemType, file_system_type};

/// The names that a file system can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamingRules {
    /// All names valid on Linux.
    Linux,
    /// Names valid on Windows.
    Windows,
}

impl NamingRules {
    /// Returns the rules of the file system that holds a path, or will hold it once its parents are created.
    pub(crate) fn for_path(path: &Path) -> Self {
        let found = path.ancestors().find_map(|above| file_system_type(above).ok());
        found.map_or(Self::Linux, Self::for_type)
    }

    /// Converts a name to one that can be stored.
    pub(crate) fn storable_name(self, name: &str) -> String {
        match self {
            Self::Linux => local_file_name(name),
            Self::Windows => safe_file_name(name),
        }
    }

    /// Returns the rules of a type of file systems.
    const fn for_type(found: FileSystemType) -> Self {
        match found {
            FileSystemType::Fat | FileSystemType::ExFat | FileSystemType::Ntfs | FileSystemType::Smb => {
                Self::Windows
            }
            _ => Self::Linux,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_file_system() {
        let (ext4, fat) =
            (NamingRules::for_type(FileSystemType::Ordinary), NamingRules::for_type(FileSystemType::Fat));
        assert_eq!(ext4.storable_name("K: Missing Kings.mkv"), "K: Missing Kings.mkv");
        assert_eq!(fat.storable_name("K: Missing Kings.mkv"), "K_ Missing Kings.mkv");
        let home = tempfile::tempdir().unwrap();
        assert_eq!(
            NamingRules::for_path(&home.path().join("not/there/yet")),
            NamingRules::for_path(home.path())
        );
    }
}
