use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use protocol::digest::Digest;

use super::file_identity::FileIdentity;
use super::listing::SharedFile;
use super::place::{Asked, Place};
use super::publisher::ReplyTo;
use super::report::ShareReport;
use super::shares::Shares;

/// How many commands may wait for the actor: more than one user and all downloads that end at the same moment.
pub(super) const BACKLOG: usize = 64;

/// What the actor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Share these places, and leave out what matches these patterns in these folders.
    Register { places: Vec<Place>, patterns: Vec<(PathBuf, Vec<String>)>, reply: ReplyTo<ShareReport> },
    /// Return which places are shared.
    Shares { reply: ReplyTo<Arc<Shares>> },
    /// Look through everything.
    Rescan { reply: ReplyTo<ShareReport> },
    /// Share these no more.
    Unregister { asked: Vec<Asked>, reply: ReplyTo<ShareReport> },
    /// Share a file whose digest is known.
    Adopt { adoption: Adoption, reply: ReplyTo<SharedFile> },
}

/// A file whose digest is known.
#[derive(Debug)]
pub(super) struct Adoption {
    pub(super) location: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) digest: Digest,
    pub(super) since: SystemTime,
}
