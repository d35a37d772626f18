use serde::Deserialize;

use super::card::quoted;
use super::{ChunkName, ChunkNameError};
use crate::escape::excerpt;
use crate::limits::MAX_CHUNK_REQUEST;

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It does not end.
    #[error("a request is longer than {MAX_CHUNK_REQUEST} bytes")]
    TooLong,
    /// It is not JSON, or not an object that names a chunk.
    #[error("it is not a request in JSON: {0}")]
    Malformed(String),
    /// What it names cannot be a chunk.
    #[error("it asks for what cannot be a chunk: {0}")]
    Name(#[from] ChunkNameError),
}

#[derive(Deserialize)]
struct Raw {
    requested_content: String,
}

/// Writes the request for a chunk, with nothing behind it.
pub fn encode_request(chunk: &ChunkName) -> Vec<u8> {
    format!("{{\"requested_content\": {}}}", quoted(chunk.as_str())).into_bytes()
}

/// Puts a request together from what comes over a connection, in however many parts.
#[derive(Debug, Default)]
pub struct RequestReader {
    bytes: Vec<u8>,
}

impl RequestReader {
    /// Takes in some bytes; returns the chunk that is asked for once the request is whole. The error is final.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<ChunkName>, RequestError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX_CHUNK_REQUEST {
            return Err(RequestError::TooLong);
        }
        // A list would be taken for the fields in their order.
        if self.bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(RequestError::Malformed("it is not an object".to_owned()));
        }
        match serde_json::from_slice::<Raw>(&self.bytes) {
            Ok(raw) => Ok(Some(raw.requested_content.parse()?)),
            Err(error) if error.is_eof() => Ok(None),
            Err(error) => Err(RequestError::Malformed(excerpt(&error.to_string()))),
        }
    }
}
