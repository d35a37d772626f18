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

/// What programs of the dialect send a chunk as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplyFormat {
    /// As its bytes.
    #[default]
    Raw,
    /// As base64 in a JSON object, as the programs of 2025 and 2026 do.
    Json,
}

/// A request for a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRequest {
    /// The chunk.
    pub chunk: ChunkName,
    /// What the answer should be, as far as the request shows it.
    pub format: ReplyFormat,
}

#[derive(Deserialize)]
struct RawRequest {
    requested_content: Option<String>,
    /// The key of the programs of 2025 and 2026.
    #[serde(rename = "requested content")]
    requested_in_json: Option<String>,
}

/// Writes the request for a chunk, with nothing behind it. For a program of the JSON variant it has both keys: some of them know
/// one, some the other.
pub fn encode_request(chunk: &ChunkName, variant: ReplyFormat) -> Vec<u8> {
    let name = quoted(chunk.as_str());
    let second = match variant {
        ReplyFormat::Raw => String::new(),
        ReplyFormat::Json => format!(", \"requested content\": {name}"),
    };
    format!("{{\"requested_content\": {name}{second}}}").into_bytes()
}

/// Returns what stands before and behind the base64 of a chunk in a JSON reply.
pub fn json_reply_frame(chunk: &ChunkName) -> [Vec<u8>; 2] {
    let head = format!("{{\"chunk name\": {}, \"data\": \"", quoted(chunk.as_str()));
    [head.into_bytes(), b"\"}".to_vec()]
}

/// Puts a request together from what comes over a connection, in however many parts.
#[derive(Debug, Default)]
pub struct RequestReader {
    bytes: Vec<u8>,
}

impl RequestReader {
    /// Takes in some bytes; returns the request once it is whole. The error is final.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<ChunkRequest>, RequestError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX_CHUNK_REQUEST {
            return Err(RequestError::TooLong);
        }
        // A list would be taken for the fields in their order.
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
