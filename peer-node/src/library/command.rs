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

/// How many commands may wait for the actor: more than one user and all downloads that end at the same moment.
pub(super) const BACKLOG: usize = 64;

/// What the actor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Share these places, and leave out what matches these patterns in these folders.
    Register {
        places: Vec<ShareTarget>,
        patterns: Vec<(PathBuf, Vec<String>)>,
        reply: ReplySender<ShareReport>,
    },
    /// Return which places are shared.
    Shares { reply: ReplySender<Arc<ShareSet>> },
    /// Look through everything.
    Rescan { reply: ReplySender<ShareReport> },
    /// Share these no more.
    Unregister { targets: Vec<PathCandidates>, reply: ReplySender<ShareReport> },
    /// Share a file whose digest is known.
    Adopt { adoption: Adoption, reply: ReplySender<SharedFile> },
}

/// A file whose digest is known.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) location: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
}
