use serde::Deserialize;

use super::card::quoted;
use super::{ChunkName, ChunkNameError};
use crate::escape::excerpt;
use crate::limits::MAX_CHUNK_REQUEST;

/// Why a request cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The request is over the length limit.
    #[error("the request is longer than {MAX_CHUNK_REQUEST} bytes")]
    TooLong,
    /// The request is not JSON, or not an object that names a chunk.
    #[error("it is not a request in JSON: {0}")]
    Malformed(String),
    /// The requested name is not a chunk name.
    #[error("it requests an invalid chunk name: {0}")]
    Name(#[from] ChunkNameError),
}

/// The format in which a program sends a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplyFormat {
    /// Raw bytes.
    #[default]
    Raw,
    /// Base64 in a JSON object, like the programs of 2025 and 2026.
    Json,
}

/// A request for a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRequest {
    /// The chunk.
    pub chunk: ChunkName,
    /// The expected reply format, as far as the request shows it.
    pub format: ReplyFormat,
}

#[derive(Deserialize)]
struct RawRequest {
    requested_content: Option<String>,
    /// The key of the programs of 2025 and 2026.
    #[serde(rename = "requested content")]
    requested_in_json: Option<String>,
}

/// Encodes the request for a chunk, without a terminator. For a program of the JSON variant it has both keys, because
/// some of them know only one or the other.
pub fn encode_request(chunk: &ChunkName, variant: ReplyFormat) -> Vec<u8> {
    let name = quoted(chunk.as_str());
    let second = match variant {
        ReplyFormat::Raw => String::new(),
        ReplyFormat::Json => format!(", \"requested content\": {name}"),
    };
    format!("{{\"requested_content\": {name}{second}}}").into_bytes()
}

/// Returns the text before and after the base64 of a chunk in a JSON reply.
pub fn json_reply_frame(chunk: &ChunkName) -> [Vec<u8>; 2] {
    let head = format!("{{\"chunk name\": {}, \"data\": \"", quoted(chunk.as_str()));
    [head.into_bytes(), b"\"}".to_vec()]
}

/// Assembles a request from the fragments that arrive on a connection.
#[derive(Debug, Default)]
pub struct RequestReader {
    bytes: Vec<u8>,
}

impl RequestReader {
    /// Adds received bytes; returns the request once it is complete. Errors are final.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<ChunkRequest>, RequestError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX_CHUNK_REQUEST {
            return Err(RequestError::TooLong);
        }
        // serde would accept a JSON list as the fields in their order.
        if self.bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(RequestError::Malformed("it is not an object".to_owned()));
        }
        match serde_json::from_slice::<RawRequest>(&self.bytes) {
            Ok(raw) => {
                let (name, variant) = match (raw.requested_content, raw.requested_in_json) {
                    (Some(name), _) => (name, ReplyFormat::Raw),
                    (None, Some(name)) => (name, ReplyFormat::Json),
                    (None, None) => return Err(RequestError::Malformed("it names no chunk".to_owned())),
                };
                Ok(Some(ChunkRequest { chunk: name.parse()?, format: variant }))
            }
            Err(error) if error.is_eof() => Ok(None),
            Err(error) => Err(RequestError::Malformed(excerpt(&error.to_string()))),
        }
    }
}
