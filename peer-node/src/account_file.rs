//! A small file in the user's state folder (XDG Base Directory Specification), shared by all nodes of one user account. Nothing
//! depends on it: a missing or damaged file counts as empty, and a file of a later version is not touched.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::platform::{open_lock_file, private_folder_builder, try_lock};
use crate::storage::read_regular_file;
use crate::storage::replace_file;

/// Maximum size of a file that is read, in bytes: enough for more than a thousand paths.
const MAX_FILE_SIZE: u64 = 8 << 20;

/// Number of attempts to take the lock, and the pause between them, while other programs write.
const LOCK_TRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// The content of an account file.
pub(crate) trait AccountRecord: Default + Serialize + DeserializeOwned {
    /// The version that this program writes. A file with a higher version is not touched.
    const VERSION: u32;

    /// Returns the version that was read from the file.
    fn version(&self) -> u32;
}

/// A file that all nodes of a user account share.
#[derive(Debug, Clone)]
pub(crate) struct AccountFile {
    path: PathBuf,
}

impl AccountFile {
    /// Returns the file `name` in the current user's state folder; `None` if the user has no state folder.
    pub(crate) fn for_current_user(name: &str) -> Option<Self> {
        let folder = state_home(std::env::var_os("XDG_STATE_HOME"), std::env::home_dir())?;
        Some(Self { path: folder.join("peerdex").join(name) })
    }

    /// Returns an account file at the given path.
    #[cfg(test)]
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the path of the file.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Reads the record. After an error the file must not be written.
    pub(crate) fn read<Record: AccountRecord>(&self) -> io::Result<Record> {
        let json = match read_regular_file(&self.path, MAX_FILE_SIZE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            read => read?,
        };
        match serde_json::from_slice::<Record>(&json) {
            Ok(stored) if stored.version() > Record::VERSION => Err(io::ErrorKind::Unsupported.into()),
            Ok(stored) => Ok(stored),
            Err(_) => Ok(Record::default()),
        }
    }

    /// Applies `change` to the record and writes it, unless `change` returns false. Blocks while other programs write.
    pub(crate) fn update<Record: AccountRecord>(
        &self,
        change: impl FnOnce(&mut Record) -> bool,
    ) -> io::Result<()> {
        if let Some(around) = self.path.parent() {
            private_folder_builder().recursive(true).create(around)?;
        }
        let _lock = self.lock()?;
        let mut stored = self.read()?;
        if !change(&mut stored) {
            return Ok(());
        }
        let mut json = serde_json::to_vec_pretty(&stored).map_err(io::Error::from)?;
        json.push(b'\n');
        replace_file(&self.path, &json)
    }

    fn lock(&self) -> io::Result<File> {
        // The lock is a separate file, because writing the record replaces its file.
        let lock = open_lock_file(&self.path.with_extension("lock"))?;
        let (tries, pause) = LOCK_TRIES;
        for _ in 0..tries {
            if try_lock(&lock).is_ok_and(|is_locked| is_locked) {
                return Ok(lock);
            }
            thread::sleep(pause);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// Returns the folder in which programs keep their state. The specification says to ignore a relative path in the environment.
fn state_home(xdg: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| Some(home.filter(|home| home.is_absolute())?.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn state_folder_follows_the_xdg_specification() {
        let home = || Some(PathBuf::from("/home/ann"));
        assert_eq!(state_home(Some("/state".into()), home()).unwrap(), Path::new("/state"));
        for ignored in [None, Some("".into()), Some("state".into())] {
            assert_eq!(state_home(ignored, home()).unwrap(), Path::new("/home/ann/.local/state"));
        }
        assert_eq!(state_home(None, None), None);
    }
}
