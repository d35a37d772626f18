use std::io;
use std::path::{Path, PathBuf};

use protocol::configured::{
    CommonConfig, ConfigError, ConfigWarning, ConfiguredPeerId, Framing, ListedPeer, PeerList,
};
use protocol::limits::MAX_CONFIG;

use crate::storage::read_regular_file;

/// The configuration that a group shares.
#[derive(Debug, Clone)]
pub(crate) struct GroupConfig {
    /// Content and choking parameters.
    pub(crate) common: CommonConfig,
    /// Peers of the group.
    pub(crate) peer_list: PeerList,
    /// Folder that contains the peers' folders and logs.
    pub(crate) dir: PathBuf,
    /// Framing of all messages; `None` to detect it.
    pub(crate) framing: Option<Framing>,
    /// Warnings about the configuration files, one line each.
    pub(crate) warnings: Vec<String>,
    /// Words the advice to start this peer with another framing, in the terms of the front end.
    pub(crate) framing_advice: fn(Framing) -> String,
}

/// Why a configuration is unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// All errors, each with its file.
    #[error("invalid group configuration\n{}", error_lines(.0))]
    Config(Vec<(PathBuf, ConfigError)>),
    /// The peer is not listed.
    #[error("peer {id} is not listed in {}; it lists {}", path.display(), ids.join(", "))]
    NotListed {
        /// The peer.
        id: ConfiguredPeerId,
        /// The list.
        path: PathBuf,
        /// The first listed peers.
        ids: Vec<String>,
    },
}

/// Maximum number of listed peers to name in an error.
const MAX_NAMED: usize = 10;

impl GroupConfig {
    /// Reads and validates both files. Reports the errors of both.
    pub(crate) fn read(dir: &Path, common: &Path, peers: &Path) -> Result<Self, GroupConfigError> {
        let (list, settings) = (PeerList::parse(&read(peers)?), CommonConfig::parse(&read(common)?));
        match (list, settings) {
            (Ok(list), Ok((settings, warnings))) => {
                let text = ConfigWarning::display_all(&warnings, &common.to_string_lossy()).to_string();
                let warnings = text.lines().map(str::to_owned).collect();
                Ok(Self {
                    common: settings,
                    peer_list: list,
                    dir: dir.to_owned(),
                    framing: None,
                    warnings,
                    framing_advice: |framing| format!("try {framing} framing"),
                })
            }
            (list, settings) => {
                let errors = [(peers, list.err()), (common, settings.err())].into_iter();
                let errors = errors.filter_map(|(path, error)| Some((path.to_owned(), error?)));
                Err(GroupConfigError::Config(errors.collect()))
            }
        }
    }

    /// Returns a listed peer. `path` is the list's file, for the error.
    pub(crate) fn find(&self, id: ConfiguredPeerId, path: &Path) -> Result<&ListedPeer, GroupConfigError> {
        self.peer_list.find(id).ok_or_else(|| {
            let ids = self.peer_list.peers().iter().take(MAX_NAMED).map(|peer| peer.id.to_string()).collect();
            GroupConfigError::NotListed { id, path: path.to_owned(), ids }
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GroupConfigError> {
    let read = read_regular_file(path, MAX_CONFIG as u64 + 1);
    read.map_err(|source| GroupConfigError::Read { path: path.to_owned(), source })
}

/// Formats the errors, one line each.
fn error_lines(errors: &[(PathBuf, ConfigError)]) -> String {
    let lines = errors.iter().map(|(path, error)| error.display_for(&path.to_string_lossy()).to_string());
    lines.collect::<Vec<_>>().join("\n")
}
