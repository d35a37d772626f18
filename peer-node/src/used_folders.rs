//! Records in which folders the user's nodes were started, so that a node started in the wrong folder by accident is noticed.
//! Nothing depends on the file: if it is missing, damaged or not writable, that is no error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::account_file::{AccountFile, AccountRecord};
use crate::library::StoredPath;
use crate::state_dir::STATE_DIR_NAME;

/// Maximum number of folders that are recorded. The least recently used folders are dropped first.
const MAX_NODES: usize = 1000;

/// The record of the folders that the user's nodes have used.
#[derive(Debug, Clone)]
pub(crate) struct UsedFolders {
    file: AccountFile,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNodes {
    version: u32,
    /// The most recently used node comes first.
    nodes: Vec<StoredNode>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNode {
    port: u16,
    folder: StoredPath,
}

impl Default for StoredNodes {
    fn default() -> Self {
        Self { version: Self::VERSION, nodes: Vec::new() }
    }
}

impl AccountRecord for StoredNodes {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl UsedFolders {
    /// Returns the record of the current user; `None` if the user has no state folder.
    pub(crate) fn for_current_user() -> Option<Self> {
        Some(Self { file: AccountFile::for_current_user("nodes.json")? })
    }

    /// Returns the folder other than `folder` in which a node on this port ran most recently, if it still contains a node.
    pub(crate) fn other_folder(&self, port: u16, folder: &Path) -> Option<PathBuf> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let nodes = self.file.read::<StoredNodes>().ok()?.nodes.into_iter().filter(|node| node.port == port);
        let mut folders = nodes.map(|node| PathBuf::from(node.folder));
        folders.find(|used| *used != folder && holds_node(used))
    }

    /// Records that a node on this port uses a folder.
    pub(crate) fn remember(&self, port: u16, folder: &Path) -> io::Result<()> {
        self.file.update(|stored: &mut StoredNodes| {
            let known = stored.nodes.iter().position(|node| node.matches(port, folder));
            if known == Some(0) {
                return false;
            }
            if let Some(known) = known {
                stored.nodes.remove(known);
            }
            stored.nodes.insert(0, StoredNode { port, folder: folder.into() });
            stored.nodes.truncate(MAX_NODES);
            true
        })
    }
}

impl StoredNode {
    fn matches(&self, port: u16, folder: &Path) -> bool {
        self.port == port && self.folder == StoredPath::from(folder)
    }
}

/// Returns true if a node has been started in the folder.
pub(crate) fn holds_node(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(STATE_DIR_NAME)).is_ok_and(|state| state.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Account(tempfile::TempDir);

    impl Account {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn folders(&self) -> UsedFolders {
            UsedFolders { file: AccountFile::at(self.0.path().join("state/peerdex/nodes.json")) }
        }

        fn node(&self, name: &str) -> PathBuf {
            let folder = self.0.path().canonicalize().unwrap().join(name);
            fs::create_dir_all(folder.join(STATE_DIR_NAME)).unwrap();
            folder
        }
    }

    #[test]
    fn last_used_folder_is_found_while_it_holds_a_node() {
        let account = Account::new();
        let (folders, [a, b, c]) = (account.folders(), ["a", "b", "c"].map(|name| account.node(name)));
        assert_eq!(folders.other_folder(1, &c), None);
        for folder in [&a, &b, &a] {
            folders.remember(1, folder).unwrap();
        }
        folders.remember(2, &c).unwrap();
        assert_eq!(folders.other_folder(1, &c), Some(a.clone()));
        assert_eq!(folders.other_folder(1, &a), Some(b.clone()));
        assert_eq!(folders.other_folder(3, &a), None);
        fs::remove_dir_all(&a).unwrap();
        assert_eq!(folders.other_folder(1, &c), Some(b));
    }

    #[test]
    fn damaged_file_is_replaced_and_a_newer_version_kept() {
        let account = Account::new();
        let (folders, a) = (account.folders(), account.node("a"));
        folders.remember(1, &a).unwrap();
        for damaged in ["", "{", "[]", r#"{"version":1,"nodes":[{"port":70000,"folder":"x"}]}"#] {
            fs::write(folders.file.path(), damaged).unwrap();
            assert_eq!(folders.other_folder(1, Path::new("/x")), None, "{damaged}");
            folders.remember(1, &a).unwrap();
            assert_eq!(folders.other_folder(1, Path::new("/x")), Some(a.clone()), "{damaged}");
        }
        let later = r#"{"version":2,"nodes":[]}"#;
        fs::write(folders.file.path(), later).unwrap();
        assert!(folders.remember(1, &a).is_err());
        assert_eq!(fs::read_to_string(folders.file.path()).unwrap(), later);
    }

    #[test]
    fn unwritable_path_is_an_error_and_no_panic() {
        let folders = UsedFolders { file: AccountFile::at("/dev/null/peerdex/nodes.json".into()) };
        assert!(folders.remember(1, Path::new("/x")).is_err());
        assert_eq!(folders.other_folder(1, Path::new("/x")), None);
    }
}
