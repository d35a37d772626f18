//! The hidden folder inside the share folder in which a node keeps its state.
//!
//! This module owns the folder's existence, its permissions and the lock that keeps a second node out, even if the folder is
//! removed or replaced while the node runs. The content of the files belongs to the modules that write them. Those modules
//! follow [`StateDir::health`] to learn when to write their files again.

mod health;
mod permissions;
mod watchdog;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::platform::{Folder, is_not_a_folder, is_same_file, private_folder_builder, try_lock};
pub(crate) use health::StateHealth;
use permissions::restrict_to_owner;
pub(crate) use watchdog::run_watchdog;

/// Name of the state folder.
pub(crate) const STATE_DIR_NAME: &str = ".peerdex";

/// Name of the lock file in the state folder.
const LOCK_FILE: &str = "lock";

/// Subfolders that every state folder has.
const SUBFOLDERS: [&str; 2] = ["manifests", "log"];

/// A node's share folder and its state folder, locked by this process until dropped.
#[derive(Debug)]
pub(crate) struct StateDir {
    share_dir: PathBuf,
    path: PathBuf,
    /// The lock is held while this file is open.
    lock: Mutex<File>,
    health: watch::Sender<StateHealth>,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Another node uses the folder.
    #[error("{} is in use by another node: stop that node, or give this one its own folder", path.display())]
    InUse {
        /// The state folder.
        path: PathBuf,
    },
    /// The path of the state folder is not a folder.
    #[error("{} is not a folder: move it away, because the node keeps its state there", path.display())]
    NotAFolder {
        /// Path of the state folder.
        path: PathBuf,
    },
    /// The folder cannot be created or read.
    #[error("cannot prepare {}: {source}", path.display())]
    Io {
        /// Path that could not be created or opened.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl StateDir {
    /// Creates the share folder and the state folder if they are missing, and takes the lock.
    pub(crate) fn open(share_dir: &Path) -> Result<Self, StateError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { path, source }
        };
        fs::create_dir_all(share_dir).map_err(failed(share_dir))?;
        let share_dir = share_dir.canonicalize().map_err(failed(share_dir))?;
        let path = share_dir.join(STATE_DIR_NAME);
        create_state_folder(&path)?;
        let LockedFolder { lock, exposed_mode: exposure } = lock_folder(&path)?;
        create_subfolders(&path)?;
        let health = watch::Sender::new(StateHealth { exposed_mode: exposure, ..StateHealth::default() });
        Ok(Self { share_dir, path, lock: Mutex::new(lock), health })
    }

    /// Returns true if the folder is still the one that was opened and contains everything that a node needs.
    pub(crate) fn is_intact(&self) -> bool {
        // A removed or replaced folder contains another lock file, or none.
        self.holds_lock_file()
            && SUBFOLDERS.iter().all(|folder| self.path.join(folder).is_dir())
            && [self.identity_key(), self.hash_cache()].iter().all(|file| file.is_file())
    }

    /// Creates the missing parts of the share folder and the state folder again, and takes the lock on the lock file that
    /// exists now.
    pub(crate) fn restore(&self) -> Result<(), StateError> {
        let failed = |source| StateError::Io { path: self.share_dir.clone(), source };
        fs::create_dir_all(&self.share_dir).map_err(failed)?;
        create_state_folder(&self.path)?;
        // Locking the file again through a second descriptor would fail.
        if !self.holds_lock_file() {
            let LockedFolder { lock, exposed_mode: exposure } = lock_folder(&self.path)?;
            *self.lock.lock() = lock;
            self.update_health(|health| health.exposed_mode = exposure);
        }
        create_subfolders(&self.path)
    }

    /// Returns true if the lock is held on the lock file that exists now.
    fn holds_lock_file(&self) -> bool {
        let held = self.lock.lock().metadata();
        let found = fs::symlink_metadata(self.path.join(LOCK_FILE));
        matches!((held, found), (Ok(held), Ok(found)) if is_same_file(&held, &found))
    }

    /// Returns a receiver of the folder's health.
    pub(crate) fn health(&self) -> watch::Receiver<StateHealth> {
        self.health.subscribe()
    }

    /// Updates the folder's health. Receivers are notified only if it differs.
    pub(crate) fn update_health(&self, change: impl FnOnce(&mut StateHealth)) {
        self.health.send_if_modified(|health| {
            let before = health.clone();
            change(health);
            *health != before
        });
    }

    /// Returns the share folder, absolute and without links.
    pub(crate) fn share_dir(&self) -> &Path {
        &self.share_dir
    }

    /// Returns the path of the state folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the node's secret key.
    pub(crate) fn identity_key(&self) -> PathBuf {
        self.path.join("identity.key")
    }

    /// Returns the path of the hash cache.
    pub(crate) fn hash_cache(&self) -> PathBuf {
        self.path.join("hashes.jsonl")
    }

    /// Returns the folder of the manifests.
    pub(crate) fn manifests(&self) -> PathBuf {
        self.path.join("manifests")
    }

    /// Returns the path of the list of shares outside the share folder and exceptions inside it.
    pub(crate) fn shares(&self) -> PathBuf {
        self.path.join("shares.json")
    }

    /// Returns the path of the list of downloads that resume after a restart.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.path.join("downloads.json")
    }

    /// Returns the folder of partial files.
    pub(crate) fn partials(&self) -> PathBuf {
        self.path.join("partial")
    }

    /// Returns the path of the list of hidden folders on other file systems that hold partial files.
    pub(crate) fn partial_folders(&self) -> PathBuf {
        self.path.join("partial-folders.json")
    }

    /// Returns the folder of the `.torrent` files of downloads that resume after a restart.
    pub(crate) fn torrents(&self) -> PathBuf {
        self.path.join("torrents")
    }

    /// Returns the path of the prompt's history.
    pub(crate) fn history(&self) -> PathBuf {
        self.path.join("history")
    }

    /// Returns the folder of the logs.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.path.join("log")
    }
}

/// Creates the state folder unless the path exists.
fn create_state_folder(path: &Path) -> Result<(), StateError> {
    match private_folder_builder().create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(StateError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Creates the subfolders of the state folder.
fn create_subfolders(path: &Path) -> Result<(), StateError> {
    for folder in SUBFOLDERS {
        let folder = path.join(folder);
        match private_folder_builder().create(&folder) {
            Err(source) if !folder.is_dir() => return Err(StateError::Io { path: folder, source }),
            _ => {}
        }
    }
    Ok(())
}

/// A state folder that this process has locked.
struct LockedFolder {
    lock: File,
    /// The folder's mode if other users can still access it.
    exposed_mode: Option<u32>,
}

/// Opens the state folder without following a link, restricts it to its owner and locks it.
fn lock_folder(path: &Path) -> Result<LockedFolder, StateError> {
    let failed = |source: io::Error| StateError::Io { path: path.to_owned(), source };
    let not_locked = |source: io::Error| StateError::Io { path: path.join(LOCK_FILE), source };
    let folder = Folder::open_no_follow(path).map_err(|error| {
        if is_not_a_folder(&error) { StateError::NotAFolder { path: path.to_owned() } } else { failed(error) }
    })?;
    let exposure = restrict_to_owner(&folder).map_err(failed)?;
    let lock = folder.open_lock_file(LOCK_FILE).map_err(not_locked)?;
    if !lock.metadata().map_err(not_locked)?.is_file() {
        return Err(not_locked(io::Error::other("not a regular file")));
    }
    if try_lock(&lock).map_err(not_locked)? {
        Ok(LockedFolder { lock, exposed_mode: exposure })
    } else {
        Err(StateError::InUse { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn folders_are_created_and_restricted_to_the_owner() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(state.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(state.manifests().is_dir() && state.log_dir().is_dir());
        assert_eq!(state.path(), state.share_dir().join(STATE_DIR_NAME));
    }

    #[test]
    fn unopenable_lock_is_named_in_the_error() {
        let home = tempfile::tempdir().unwrap();
        let lock = home.path().join(STATE_DIR_NAME).join(LOCK_FILE);
        fs::create_dir_all(&lock).unwrap();
        let error = StateDir::open(home.path()).unwrap_err().to_string();
        assert!(error.contains("/.peerdex/lock: "), "{error}");
    }

    #[test]
    fn second_node_is_refused_until_the_first_has_stopped() {
        let home = tempfile::tempdir().unwrap();
        let first = StateDir::open(home.path()).unwrap();
        assert!(matches!(StateDir::open(home.path()), Err(StateError::InUse { .. })));
        drop(first);
        StateDir::open(home.path()).unwrap();
    }

    #[test]
    fn link_or_file_instead_of_the_folder_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), home.path().join(STATE_DIR_NAME)).unwrap();
        assert!(matches!(StateDir::open(home.path()), Err(StateError::NotAFolder { .. })));
        fs::remove_file(home.path().join(STATE_DIR_NAME)).unwrap();
        fs::write(home.path().join(STATE_DIR_NAME), b"").unwrap();
        assert!(matches!(StateDir::open(home.path()), Err(StateError::NotAFolder { .. })));
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn removed_or_replaced_folder_is_locked_again() {
        let home = tempfile::tempdir().unwrap();
        let share = home.path().join("share");
        let state = StateDir::open(&share).unwrap();
        let complete = || {
            for file in [state.identity_key(), state.hash_cache()] {
                fs::write(file, "").unwrap();
            }
        };
        complete();
        assert!(state.is_intact());
        let damage: [&dyn Fn(); 4] = [
            &|| fs::remove_dir_all(state.path()).unwrap(),
            &|| fs::remove_dir_all(&share).unwrap(),
            &|| fs::rename(&share, home.path().join("elsewhere")).unwrap(),
            &|| fs::remove_dir_all(state.manifests()).unwrap(),
        ];
        for damage in damage {
            damage();
            assert!(!state.is_intact());
            state.restore().unwrap();
            complete();
            assert!(state.is_intact());
            assert!(matches!(StateDir::open(&share), Err(StateError::InUse { .. })));
        }
    }

    #[test]
    fn folder_locked_by_another_node_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        fs::remove_dir_all(state.path()).unwrap();
        let other = StateDir::open(home.path()).unwrap();
        assert!(matches!(state.restore(), Err(StateError::InUse { .. })));
        drop(other);
        state.restore().unwrap();
    }

    #[test]
    fn folder_open_to_others_is_restricted_to_the_owner() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(STATE_DIR_NAME);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let _state = StateDir::open(home.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
