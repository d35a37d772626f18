use std::io;
use std::path::{Path, PathBuf};

use protocol::configured::{Common, ConfigError, ConfigWarning, Framing, ListedPeer, PeerId, PeerList};
use protocol::limits::MAX_CONFIG;

use crate::storage::read_regular_file;

/// What a group has agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// About the content and its spreading.
    pub(crate) common: Common,
    /// Who belongs to the group.
    pub(crate) list: PeerList,
    /// The folder in which the folders of the peers and their logs lie.
    pub(crate) dir: PathBuf,
    /// What the lengths of messages count, if it need not be found out.
    pub(crate) framing: Option<Framing>,
    /// What is suspicious about the files, a line each.
    pub(crate) warnings: Vec<String>,
}

/// Files that configure nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is in them is wrong: all of it, by the file that it is in.
    #[error("invalid group configuration\n{}", told(.0))]
    Config(Vec<(PathBuf, ConfigError)>),
    /// Somebody else is meant.
    #[error("peer {id} is not listed in {}; it lists {}", path.display(), ids.join(", "))]
    NotListed {
        /// Who.
        id: PeerId,
        /// Where.
        path: PathBuf,
        /// Who is, the first few.
        ids: Vec<String>,
    },
}

/// So many of those who are listed are named to somebody who is not.
const NAMED: usize = 10;

impl Plan {
    /// Reads both files and judges all of them.
    pub(crate) fn read(dir: &Path, common: &Path, peers: &Path) -> Result<Self, PlanError> {
        let (list, agreed) = (PeerList::parse(&read(peers)?), Common::parse(&read(common)?));
        match (list, agreed) {
            (Ok(list), Ok((agreed, warnings))) => {
                let text = ConfigWarning::all_of(&warnings, &common.to_string_lossy()).to_string();
                let warnings = text.lines().map(str::to_owned).collect();
                Ok(Self { common: agreed, list, dir: dir.to_owned(), framing: None, warnings })
            }
            (list, agreed) => {
                let wrong = [(peers, list.err()), (common, agreed.err())].into_iter();
                let wrong = wrong.filter_map(|(path, error)| Some((path.to_owned(), error?)));
                Err(PlanError::Config(wrong.collect()))
            }
        }
    }

    /// Finds a peer in the list, which was read there.
    pub(crate) fn find(&self, id: PeerId, path: &Path) -> Result<&ListedPeer, PlanError> {
        self.list.find(id).ok_or_else(|| {
            let ids = self.list.peers().iter().take(NAMED).map(|peer| peer.id.to_string()).collect();
            PlanError::NotListed { id, path: path.to_owned(), ids }
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PlanError> {
    let read = read_regular_file(path, MAX_CONFIG as u64 + 1);
    read.map_err(|source| PlanError::Read { path: path.to_owned(), source })
}

/// Tells what is wrong, a line each.
fn told(wrong: &[(PathBuf, ConfigError)]) -> String {
    let told = wrong.iter().map(|(path, error)| error.told_of(&path.to_string_lossy()).to_string());
    told.collect::<Vec<_>>().join("\n")
}
