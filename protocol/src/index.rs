//! What a node and the index say to each other.
//!
//! The node begins with [`Request::Greet`], which the index answers with [`Reply::Greeting`] (in version 1 with [`Request::Hello`]
//! and [`Reply::Challenge`]). Then it sends [`Request::Proof`], which the index answers with [`Reply::Welcome`], and may send any
//! other request directly behind it. Each request carries an id that its reply repeats; the index answers in order. What it sends
//! without a request is a [`Notice`].

mod record;
mod refusal;
mod reply;
mod request;
mod torrent;

#[cfg(test)]
mod golden;

pub use record::{FileRecord, ListSummary, RecordError, SearchCursor, Share};
pub use refusal::Refusal;
pub use reply::{Hit, HitWithSources, NearWords, NodePlace, Notice, Reply, Source, Statistics};
pub use request::{PeerRef, Request, proof_text};
pub use torrent::{HintError, TorrentHint, TrackerPlace};

use bincode::{Decode, Encode};

use crate::frame::{FrameError, decode_body, is_known_kind};

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

impl ToIndex {
    /// Decodes a message of version 2, in which a request of an unknown kind is no error of the sender.
    pub fn decode(body: &[u8]) -> Result<Decoded, FrameError> {
        decode_body(body).map(Decoded::Known).or_else(|error| match kind_of(body) {
            Some((id, kind)) if !is_known_kind::<Request>(kind) => Ok(Decoded::Unknown { id, kind }),
            _ => Err(error),
        })
    }
}

/// A request of version 2 as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// One that this crate knows.
    Known(ToIndex),
    /// One of a later release.
    Unknown {
        /// Its id.
        id: RequestId,
        /// The number of its kind.
        kind: u32,
    },
}

fn kind_of(body: &[u8]) -> Option<(RequestId, u32)> {
    let (id, rest) = body.split_first_chunk()?;
    Some((u64::from_be_bytes(*id), u32::from_be_bytes(*rest.first_chunk()?)))
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
