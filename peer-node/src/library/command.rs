use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::digest::Digest;

use super::listing::SharedFile;
use super::publisher::ReplySender;
use super::report::ShareReport;
use super::share_target::{PathCandidates, ShareTarget};
use super::shares::ShareSet;
use crate::storage::FileIdentity;

/// Capacity of the actor's inbox: more than one user and all downloads that finish at the same moment need.
pub(super) const BACKLOG: usize = 64;

/// A command to the library actor.
#[derive(Debug)]
pub(super) enum Command {
    /// Share these places and exclude files in these folders by these patterns.
    Register {
        places: Vec<ShareTarget>,
        patterns: Vec<(PathBuf, Vec<String>)>,
        reply: ReplySender<ShareReport>,
    },
    /// Return the current shares.
    Shares { reply: ReplySender<Arc<ShareSet>> },
    /// Rescan every share.
    Rescan { reply: ReplySender<ShareReport> },
    /// Stop sharing these targets.
    Unregister { targets: Vec<PathCandidates>, reply: ReplySender<ShareReport> },
    /// Share a file with a known digest.
    Adopt { adoption: Adoption, reply: ReplySender<SharedFile> },
}

/// A file with a known digest.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) location: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
}
