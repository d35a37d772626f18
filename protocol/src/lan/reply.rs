//! Replies of the LAN dialect: the chunk's raw bytes, or a JSON object that carries them.

mod scanner;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::ChunkName;
use crate::escape::excerpt;

pub use scanner::ReplyScanner;

/// A JSON object that came as the reply to a request, as far as it concerns the request.
///
/// Programs of 2025 and 2026 answer `{"chunk name": "forest_1", "data": "iVBORw0…"}` or `{"error": "File not found"}`. All other
/// keys are skipped; of a key that occurs twice the last value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonReply {
    /// Whether the object was closed before the stream ended.
    pub is_complete: bool,
    /// The text of `chunk name` or `chunk_name`.
    pub chunk: Option<String>,
    /// The text of `error`.
    pub error: Option<String>,
    /// The text of `data`.
    pub data: Option<DataText>,
}

/// Where the text of `data` stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataText {
    /// Its place in the reply, in bytes, without the quotes; to the end of the stream if it was not closed.
    pub range: Range<u64>,
    /// Whether it has no other characters than those of base64.
    pub is_base64: bool,
}

/// What a reply holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyContent {
    /// The chunk's bytes, as they are.
    Raw,
    /// The chunk's bytes in base64, at this place of the reply.
    Base64(Range<u64>),
    /// JSON without the chunk.
    Error(ChunkReplyError),
}

/// A JSON reply that does not hold the chunk that was requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkReplyError {
    /// It reports an error.
    #[error("it answered in JSON with an error: {0}")]
    Reported(String),
    /// It holds another chunk.
    #[error("it answered in JSON with another chunk: {0}")]
    OtherChunk(String),
    /// The chunk is not base64.
    #[error("it answered in JSON, and \"data\" is not valid base64")]
    NotBase64,
    /// There is no chunk in it.
    #[error("it answered in JSON without the chunk: \"data\" is missing or empty")]
    MissingData,
    /// The stream ended within the object.
    #[error("it answered in JSON, and the connection ended before the object did")]
    Truncated,
}

impl JsonReply {
    /// Returns true if this is the complete reply with the chunk, so that no more bytes are to be expected.
    pub fn is_reply_to(&self, chunk: &ChunkName) -> bool {
        self.chunk.is_some() && matches!(self.content(chunk), ReplyContent::Base64(_))
    }

    /// Returns what the reply to a request for a chunk holds. An object that was not closed is the beginning of a JSON file
    /// unless it has the keys of a reply.
    pub fn content(&self, chunk: &ChunkName) -> ReplyContent {
        let is_named = self.chunk.as_deref() == Some(chunk.as_str());
        let data = self.data.as_ref();
        if !self.is_complete {
            let is_reply = is_named || self.error.is_some() || data.is_some_and(DataText::is_chunk);
            return if is_reply {
                ReplyContent::Error(ChunkReplyError::Truncated)
            } else {
                ReplyContent::Raw
            };
        }
        ReplyContent::Error(match (&self.chunk, &self.error, data) {
            (Some(other), _, _) if !is_named => ChunkReplyError::OtherChunk(excerpt(other)),
            (_, _, Some(data)) if data.is_chunk() => return ReplyContent::Base64(data.range.clone()),
            (_, Some(error), _) => ChunkReplyError::Reported(excerpt(error)),
            (_, _, Some(data)) if !data.range.is_empty() => ChunkReplyError::NotBase64,
            _ => ChunkReplyError::MissingData,
        })
    }
}

impl DataText {
    fn is_chunk(&self) -> bool {
        self.is_base64 && !self.range.is_empty()
    }
}
