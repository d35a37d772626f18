//! Replies of the LAN dialect: the chunk's raw bytes, or a JSON object that carries them.

mod scanner;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::ChunkName;
use crate::escape::excerpt;

pub use scanner::ReplyScanner;

/// The relevant part of a JSON object that was received as the reply to a request.
///
/// Programs of 2025 and 2026 answer `{"chunk name": "forest_1", "data": "iVBORw0…"}` or `{"error": "File not found"}`. All other
/// keys are skipped; if a key occurs twice, the last value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonReply {
    /// True if the object was closed before the stream ended.
    pub is_complete: bool,
    /// The value of `chunk name` or `chunk_name`.
    pub chunk: Option<String>,
    /// The value of `error`.
    pub error: Option<String>,
    /// The location of the value of `data`.
    pub data: Option<DataText>,
}

/// The location of the value of `data` in a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataText {
    /// Its byte range in the reply, without the quotes; up to the end of the stream if the string was not closed.
    pub range: Range<u64>,
    /// True if it contains only base64 characters.
    pub is_base64: bool,
}

/// The content of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyContent {
    /// The chunk's raw bytes.
    Raw,
    /// The chunk's bytes in base64, at this range of the reply.
    Base64(Range<u64>),
    /// A JSON object without the chunk.
    Error(ChunkReplyError),
}

/// Why a JSON reply does not contain the requested chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkReplyError {
    /// The reply reports an error.
    #[error("it answered in JSON with an error: {0}")]
    Reported(String),
    /// The reply contains another chunk.
    #[error("it answered in JSON with another chunk: {0}")]
    OtherChunk(String),
    /// The data is not base64.
    #[error("it answered in JSON, and \"data\" is not valid base64")]
    NotBase64,
    /// The reply contains no data.
    #[error("it answered in JSON without the chunk: \"data\" is missing or empty")]
    MissingData,
    /// The stream ended within the object.
    #[error("it answered in JSON, and the connection ended before the object did")]
    Truncated,
}

impl JsonReply {
    /// Returns true if this is the complete reply with the chunk, so no more bytes will follow.
    pub fn is_reply_to(&self, chunk: &ChunkName) -> bool {
        self.chunk.is_some() && matches!(self.content(chunk), ReplyContent::Base64(_))
    }

    /// Returns the content of the reply to a request for `chunk`. An object that was not closed is taken as raw
    /// bytes, the beginning of a JSON file, unless it has the keys of a reply.
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
