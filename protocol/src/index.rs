//! What a node and the index say to each other.
//!
//! The node begins: [`Request::Hello`], which the index answers with [`Reply::Challenge`]; [`Request::Proof`], which it
//! answers with [`Reply::Welcome`]; then whatever it likes. Each request carries an id that its reply repeats; the index
//! answers in order. What it says unasked is a [`Notice`].

mod record;
mod refusal;
mod reply;
mod request;
mod torrent;

#[cfg(test)]
mod golden;

pub use record::{FileRecord, ListSummary, RecordError, SearchCursor, Share};
pub use refusal::Refusal;
pub use reply::{Hit, Notice, Reply, Source, Statistics};
pub use request::{PeerRef, Request, proof_text};
pub use torrent::{HintError, TorrentHint, TrackerPlace};

use bincode::{Decode, Encode};

/// Ties a reply to its request; the node counts them up.
pub type RequestId = u64;

/// What a node sends: a request and its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ToIndex {
    /// The number that the reply repeats.
    pub id: RequestId,
    /// What it wants.
    pub request: Request,
}

/// What the index sends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromIndex {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Something the node did not ask for.
    Notice(Notice),
}
