use std::io;
use std::path::{Path, PathBuf};

use protocol::configured::{
    CommonConfig, ConfigError, ConfigWarning, ConfiguredPeerId, Framing, ListedPeer, PeerList,
};
use protocol::limits::MAX_CONFIG;

use crate::storage::read_regular_file;

/// What a group has agreed on.
#[derive(Debug, Clone)]
pub(crate) struct GroupConfig {
    /// About the content and its spreading.
    pub(crate) common: CommonConfig,
    /// Who belongs to the group.
    pub(crate) peer_list: PeerList,
    /// The folder in which the folders of the peers and their logs lie.
    pub(crate) dir: PathBuf,
    /// What the lengths of messages count, if it need not be found out.
    pub(crate) framing: Option<Framing>,
    /// What is suspicious about the files, a line each.
    pub(crate) warnings: Vec<String>,
}

/// Files that configure nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is in them is wrong: all of it, by the file that it is in.
    #[error("invalid group configuration\n{}", error_lines(.0))]
    Config(Vec<(PathBuf, ConfigError)>),
    /// Somebody else is meant.
    #[error("peer {id} is not listed in {}; it lists {}", path.display(), ids.join(", "))]
    NotListed {
        /// Who.
        id: ConfiguredPeerId,
        /// Where.
        path: PathBuf,
        /// Who is, the first few.
        ids: Vec<String>,
    },
}

/// So many of those who are listed are named to somebody who is not.
const MAX_NAMED: usize = 10;

impl GroupConfig {
    /// Reads both files and judges all of them.
    pub(crate) fn read(dir: &Path, common: &Path, peers: &Path) -> Result<Self, GroupConfigError> {
        let (list, agreed) = (PeerList::parse(&read(peers)?), CommonConfig::parse(&read(common)?));
        match (list, agreed) {
            (Ok(list), Ok((agreed, warnings))) => {
                let text = ConfigWarning::display_all(&warnings, &common.to_string_lossy()).to_string();
                let warnings = text.lines().map(str::to_owned).collect();
                Ok(Self { common: agreed, peer_list: list, dir: dir.to_owned(), framing: None, warnings })
            }
            (list, agreed) => {
                let wrong = [(peers, list.err()), (common, agreed.err())].into_iter();
                let wrong = wrong.filter_map(|(path, error)| Some((path.to_owned(), error?)));
                Err(GroupConfigError::Config(wrong.collect()))
            }
        }
    }

    /// Finds a peer in the list, which was read there.
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

/// Tells what is wrong, a line each.
fn error_lines(wrong: &[(PathBuf, ConfigError)]) -> String {
    let lines = wrong.iter().map(|(path, error)| error.display_for(&path.to_string_lossy()).to_string());
    lines.collect::<Vec<_>>().join("\n")
}
