//! Remembers for the account in which folders its nodes were started, so that a node that is started elsewhere by accident
//! is noticed. It lies in the account's state folder (XDG Base Directory Specification); nothing depends on it, and a
//! file that is missing, damaged or cannot be written is no error.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use serde::{Deserialize, Serialize};

use crate::library::StoredPath;
use crate::state_dir::{STATE_DIR_NAME, replace_file};

/// The form of the file; one with a higher number is left alone.
const VERSION: u32 = 1;

/// The most folders that are remembered; those that were used longest ago are forgotten first.
const MAX_NODES: usize = 1000;

/// The longest file that is read, in bytes: more than so many paths.
const MAX_FILE: u64 = 8 << 20;

/// How often and after what pause the lock is tried while other nodes write.
const LOCK_TRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// Where the account's nodes are remembered.
#[derive(Debug, Clone)]
pub(crate) struct UsedFolders {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredNodes {
    version: u32,
    /// The one that was used last comes first.
    nodes: Vec<StoredNode>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNode {
    port: u16,
    folder: StoredPath,
}

impl UsedFolders {
    /// Returns those of the account that runs the program; `None` if it has no state folder.
    pub(crate) fn of_account() -> Option<Self> {
        let folder = state_home(std::env::var_os("XDG_STATE_HOME"), std::env::home_dir())?;
        Some(Self { path: folder.join("peerdex").join("nodes.json") })
    }

    /// Returns the folder other than `folder` in which a node with that port was used last, if it still holds a node.
    pub(crate) fn elsewhere(&self, port: u16, folder: &Path) -> Option<PathBuf> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let nodes = self.read().ok()?.nodes.into_iter().filter(|node| node.port == port);
        let mut folders = nodes.map(|node| PathBuf::from(node.folder));
        folders.find(|used| *used != folder && holds_node(used))
    }

    /// Remembers that a node with that port is used in a folder.
    pub(crate) fn remember(&self, port: u16, folder: &Path) -> io::Result<()> {
        if let Some(around) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(around)?;
        }
        let _lock = self.lock()?;
        let mut stored = self.read()?;
        let known = stored.nodes.iter().position(|node| node.is(port, folder));
        if known == Some(0) {
            return Ok(());
        }
        if let Some(known) = known {
            stored.nodes.remove(known);
        }
        stored.nodes.insert(0, StoredNode { port, folder: folder.into() });
        stored.nodes.truncate(MAX_NODES);
        let mut json = serde_json::to_vec_pretty(&stored).map_err(io::Error::from)?;
        json.push(b'\n');
        replace_file(&self.path, &json)
    }

    /// Reads what is remembered; nothing, if it is missing or damaged. An error means that it must not be written.
    fn read(&self) -> io::Result<StoredNodes> {
        let nothing = || StoredNodes { version: VERSION, nodes: Vec::new() };
        let mut json = Vec::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(nothing()),
            opened => opened?.take(MAX_FILE).read_to_end(&mut json)?,
        };
        match serde_json::from_slice::<StoredNodes>(&json) {
            Ok(stored) if stored.version > VERSION => Err(io::ErrorKind::Unsupported.into()),
            Ok(stored) => Ok(stored),
            Err(_) => Ok(nothing()),
        }
    }

    fn lock(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(self.path.with_extension("lock"), flags, Mode::RUSR | Mode::WUSR)?;
        let (tries, pause) = LOCK_TRIES;
        for _ in 0..tries {
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(File::from(lock));
            }
            thread::sleep(pause);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl StoredNode {
    fn is(&self, port: u16, folder: &Path) -> bool {
        self.port == port && self.folder == StoredPath::from(folder)
    }
}

/// Returns where programs of an account keep their state. A relative path in the environment is to be ignored.
fn state_home(xdg: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| Some(home.filter(|home| home.is_absolute())?.join(".local/state")))
}

/// Returns true if a node has been started in a folder.
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
            UsedFolders { path: self.0.path().join("state/peerdex/nodes.json") }
        }

        fn node(&self, name: &str) -> PathBuf {
            let folder = self.0.path().canonicalize().unwrap().join(name);
            fs::create_dir_all(folder.join(STATE_DIR_NAME)).unwrap();
            folder
        }
    }

    #[test]
    fn the_folder_that_was_used_last_is_found_while_it_holds_a_node() {
        let account = Account::new();
        let (folders, [a, b, c]) = (account.folders(), ["a", "b", "c"].map(|name| account.node(name)));
        assert_eq!(folders.elsewhere(1, &c), None);
        for folder in [&a, &b, &a] {
            folders.remember(1, folder).unwrap();
        }
        folders.remember(2, &c).unwrap();
        assert_eq!(folders.elsewhere(1, &c), Some(a.clone()));
        assert_eq!(folders.elsewhere(1, &a), Some(b.clone()));
        assert_eq!(folders.elsewhere(3, &a), None);
        fs::remove_dir_all(&a).unwrap();
        assert_eq!(folders.elsewhere(1, &c), Some(b));
    }

    #[test]
    fn a_damaged_file_is_replaced_and_a_later_one_left_alone() {
        let account = Account::new();
        let (folders, a) = (account.folders(), account.node("a"));
        folders.remember(1, &a).unwrap();
        for damaged in ["", "{", "[]", r#"{"version":1,"nodes":[{"port":70000,"folder":"x"}]}"#] {
            fs::write(&folders.path, damaged).unwrap();
            assert_eq!(folders.elsewhere(1, Path::new("/x")), None, "{damaged}");
            folders.remember(1, &a).unwrap();
            assert_eq!(folders.elsewhere(1, Path::new("/x")), Some(a.clone()), "{damaged}");
        }
        let later = r#"{"version":2,"nodes":[]}"#;
        fs::write(&folders.path, later).unwrap();
        assert!(folders.remember(1, &a).is_err());
        assert_eq!(fs::read_to_string(&folders.path).unwrap(), later);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_and_no_panic() {
        let folders = UsedFolders { path: "/dev/null/peerdex/nodes.json".into() };
        assert!(folders.remember(1, Path::new("/x")).is_err());
        assert_eq!(folders.elsewhere(1, Path::new("/x")), None);
    }

    #[test]
    fn the_state_folder_follows_the_specification() {
        let home = || Some(PathBuf::from("/home/ann"));
        assert_eq!(state_home(Some("/state".into()), home()).unwrap(), Path::new("/state"));
        for ignored in [None, Some("".into()), Some("state".into())] {
            assert_eq!(state_home(ignored, home()).unwrap(), Path::new("/home/ann/.local/state"));
        }
        assert_eq!(state_home(None, None), None);
    }
}
