use std::path::Path;

use protocol::share_path::{local_file_name, safe_file_name};

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
        let stat = path.ancestors().find_map(|above| rustix::fs::statfs(above).ok());
        stat.map_or(Self::Linux, |stat| Self::from_magic(u64::from_ne_bytes(stat.f_type.to_ne_bytes())))
    }

    /// Converts a name to one that can be stored.
    pub(crate) fn storable_name(self, name: &str) -> String {
        match self {
            Self::Linux => local_file_name(name),
            Self::Windows => safe_file_name(name),
        }
    }

    /// Returns the rules for a magic number from statfs(2).
    const fn from_magic(magic: u64) -> Self {
        match magic & 0xffff_ffff {
            // FAT, exFAT, NTFS (two drivers), SMB (three versions).
            0x4d44 | 0x2011_bab0 | 0x5346_544e | 0x7366_746e | 0xff53_4d42 | 0xfe53_4d42 | 0x517b => {
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
        let (ext4, fat) = (NamingRules::from_magic(0xef53), NamingRules::from_magic(0x4d44));
        assert_eq!(ext4.storable_name("K: Missing Kings.mkv"), "K: Missing Kings.mkv");
        assert_eq!(fat.storable_name("K: Missing Kings.mkv"), "K_ Missing Kings.mkv");
        let home = tempfile::tempdir().unwrap();
        assert_eq!(
            NamingRules::for_path(&home.path().join("not/there/yet")),
            NamingRules::for_path(home.path())
        );
    }
}
