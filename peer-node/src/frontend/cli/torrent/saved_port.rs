//! The ports on which the account's torrents accepted peers, so that a restarted torrent stays at the address that its peers and
//! trackers know.

use std::io;
use std::path::{Path, PathBuf};

use protocol::infohash::Infohash;
use serde::{Deserialize, Serialize};

use crate::account_file::{AccountFile, AccountRecord};
use crate::library::StoredPath;

/// The maximum number of saved ports; the least recently used are dropped first.
const MAX_PORTS: usize = 1000;

/// The saved port of a torrent in a folder.
#[derive(Debug, Clone)]
pub(super) struct SavedPort {
    file: AccountFile,
    infohash: String,
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPorts {
    version: u32,
    /// The most recently used first.
    torrents: Vec<StoredPort>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPort {
    infohash: String,
    folder: StoredPath,
    port: u16,
}

impl Default for StoredPorts {
    fn default() -> Self {
        Self { version: Self::VERSION, torrents: Vec::new() }
    }
}

impl AccountRecord for StoredPorts {
    const VERSION: u32 = 1;

    fn version(&self) -> u32 {
        self.version
    }
}

impl SavedPort {
    /// Returns the saved port of a torrent for the current user; `None` if the account has no state folder.
    pub(super) fn for_account(infohash: Infohash, folder: &Path) -> Option<Self> {
        Some(Self::new(AccountFile::for_current_user("torrents.json")?, infohash, folder))
    }

    fn new(file: AccountFile, infohash: Infohash, folder: &Path) -> Self {
        let absolute = || std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let folder = folder.canonicalize().unwrap_or_else(|_| absolute());
        Self { file, infohash: infohash.to_string(), folder }
    }

    /// Returns the last used port, if one is saved. Blocks.
    pub(super) fn port(&self) -> Option<u16> {
        let stored = self.file.read::<StoredPorts>().ok()?;
        stored
            .torrents
            .iter()
            .find(|torrent| self.matches(torrent))
            .map(|torrent| torrent.port)
            .filter(|port| *port != 0)
    }

    /// Saves the port in use. Blocks.
    pub(super) fn remember(&self, port: u16) -> io::Result<()> {
        let used = StoredPort { infohash: self.infohash.clone(), folder: self.folder.as_path().into(), port };
        self.file.update(|stored: &mut StoredPorts| {
            if stored.torrents.first() == Some(&used) {
                return false;
            }
            stored.torrents.retain(|torrent| !self.matches(torrent));
            stored.torrents.insert(0, used);
            stored.torrents.truncate(MAX_PORTS);
            true
        })
    }

    fn matches(&self, torrent: &StoredPort) -> bool {
        torrent.infohash == self.infohash && torrent.folder == StoredPath::from(self.folder.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved_port(account: &Path, torrent: u8, folder: &Path) -> SavedPort {
        let file = AccountFile::at(account.join("state/torrents.json"));
        SavedPort::new(file, Infohash::from_bytes([torrent; 20]), folder)
    }

    #[test]
    fn port_is_saved_per_torrent_and_folder() {
        let account = tempfile::tempdir().unwrap();
        let kept = |torrent, folder: &str| saved_port(account.path(), torrent, Path::new(folder));
        assert_eq!(kept(1, "/a").port(), None);
        for (torrent, folder, port) in [(1, "/a", 1000), (2, "/a", 2000), (1, "/b", 3000), (1, "/a", 4000)] {
            kept(torrent, folder).remember(port).unwrap();
        }
        let ports = [(1, "/a"), (2, "/a"), (1, "/b"), (2, "/b")]
            .map(|(torrent, folder)| kept(torrent, folder).port());
        assert_eq!(ports, [Some(4000), Some(2000), Some(3000), None]);
    }

    #[test]
    fn damaged_file_is_ignored_and_newer_version_kept() {
        let account = tempfile::tempdir().unwrap();
        let kept = saved_port(account.path(), 1, Path::new("/a"));
        kept.remember(1000).unwrap();
        for damaged in ["", "{", r#"{"version":1,"torrents":[{"infohash":"","folder":"x","port":70000}]}"#] {
            std::fs::write(kept.file.path(), damaged).unwrap();
            assert_eq!(kept.port(), None, "{damaged}");
        }
        kept.remember(1001).unwrap();
        assert_eq!(kept.port(), Some(1001));
        let later = r#"{"version":2,"torrents":[]}"#;
        std::fs::write(kept.file.path(), later).unwrap();
        assert!(kept.remember(1).is_err());
        assert_eq!(std::fs::read_to_string(kept.file.path()).unwrap(), later);
    }

    #[test]
    fn number_of_saved_ports_is_bounded() {
        let account = tempfile::tempdir().unwrap();
        let first = saved_port(account.path(), 1, Path::new("/a"));
        first.remember(1000).unwrap();
        let mut stored: StoredPorts = first.file.read().unwrap();
        let other = |number: usize| {
            let folder = StoredPath::from(Path::new(&format!("/{number}")));
            StoredPort { infohash: String::new(), folder, port: 1 }
        };
        stored.torrents = (0..MAX_PORTS).map(other).chain(stored.torrents).collect();
        std::fs::write(first.file.path(), serde_json::to_vec(&stored).unwrap()).unwrap();
        assert_eq!(first.port(), Some(1000));
        saved_port(account.path(), 2, Path::new("/a")).remember(2000).unwrap();
        assert_eq!(first.port(), None);
    }
}
