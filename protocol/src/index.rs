//! The messages between a node and the index.
//!
//! The node begins with [`Request::Greet`], which the index answers with [`Reply::Greeting`] (in version 1 with
//! [`Request::Hello`] and [`Reply::Challenge`]). Then it sends [`Request::Proof`], which the index answers with
//! [`Reply::Welcome`]; it may send other requests directly behind it. Each request carries an id that its reply
//! repeats, and the index answers in order. Messages that the index sends without a request are [`Notice`]s.

pub mod list_hash;
mod record;
mod refusal;
mod reply;
mod request;
mod torrent;

#[cfg(test)]
mod golden;

pub use record::{FileRecord, ListSummary, RecordError, SearchCursor, Share};
pub use refusal::Refusal;
pub use reply::{
    ContentSource, Hit, HitWithSources, NodeAddress, Notice, Reply, Statistics, WordSuggestions,
};
pub use request::{PeerRef, Request, proof_text};
pub use torrent::{HintError, TorrentHint, TrackerLocation};

use bincode::{Decode, Encode};

use crate::frame::{FrameError, decode_body, is_known_kind};

/// Matches a reply to its request; the node counts ids up.
pub type RequestId = u64;

/// A message from a node: a request and its id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RequestEnvelope {
    /// The id that the reply repeats.
    pub id: RequestId,
    /// The request.
    pub request: Request,
}

impl RequestEnvelope {
    /// Decodes a message of version 2, where a request of an unknown kind is not an error of the sender.
    pub fn decode(body: &[u8]) -> Result<DecodedRequest, FrameError> {
        decode_body(body).map(DecodedRequest::Known).or_else(|error| match kind_of(body) {
            Some((id, kind)) if !is_known_kind::<Request>(kind) => Ok(DecodedRequest::Unknown { id, kind }),
            _ => Err(error),
        })
    }
}

/// A received request of version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodedRequest {
    /// A request that this crate knows.
    Known(RequestEnvelope),
    /// A request of a later release.
    Unknown {
        /// Its id.
        id: RequestId,
        /// Its kind.
        kind: u32,
    },
}

fn kind_of(body: &[u8]) -> Option<(RequestId, u32)> {
    let (id, rest) = body.split_first_chunk()?;
    Some((u64::from_be_bytes(*id), u32::from_be_bytes(*rest.first_chunk()?)))
}

/// A message from the index.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum IndexMessage {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// An unsolicited message.
    Notice(Notice),
}
