mod split;

use serde::Deserialize;
use serde_json::Value;

use super::card::quoted;
use super::{Card, ChunkName};
use crate::escape::excerpt;
use crate::limits::{MAX_ANNOUNCED, MAX_ANNOUNCEMENT, MAX_ANNOUNCEMENT_SENT};

/// What one datagram says: who sends it has these chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanAnnouncement {
    /// The chunks.
    pub chunks: Vec<ChunkName>,
    /// What programs of ours say besides.
    pub card: Option<Card>,
    /// The name of the sender. Programs of 2025 and 2026 skip announcements without one; it is not read here.
    pub username: Option<String>,
}

/// A datagram that is not an announcement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// It is longer than any that is read.
    #[error("it is longer than {MAX_ANNOUNCEMENT} bytes")]
    TooLong,
    /// It is not JSON, or not an object with chunks.
    #[error("it is not an announcement in JSON: {0}")]
    Malformed(String),
    /// It names too many chunks.
    #[error("it names more than {MAX_ANNOUNCED} chunks")]
    TooManyChunks,
}

/// Everything else in the object is skipped, however it looks.
#[derive(Deserialize)]
struct RawAnnouncement {
    chunks: Value,
    peerdex: Option<Value>,
}

impl LanAnnouncement {
    /// Reads a datagram. Names that cannot be those of chunks are left out.
    ///
    /// The chunks are a list of names, or an object: of one whose keys are names these are taken, otherwise its values, be they
    /// names or lists of names.
    pub fn decode(bytes: &[u8]) -> Result<Self, AnnouncementError> {
        if bytes.len() > MAX_ANNOUNCEMENT {
            return Err(AnnouncementError::TooLong);
        }
        let malformed = |error: serde_json::Error| AnnouncementError::Malformed(excerpt(&error.to_string()));
        // A list would be taken for the fields in their order.
        if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(AnnouncementError::Malformed("it is not an object".to_owned()));
        }
        let raw: RawAnnouncement = serde_json::from_slice(bytes).map_err(malformed)?;
        let mut chunks = Vec::new();
        match &raw.chunks {
            Value::Array(names) => names.iter().try_for_each(|name| parse_and_add(name, &mut chunks))?,
            Value::Object(entries) => {
                for (key, value) in entries {
                    match (key.parse(), value) {
                        (Ok(name), _) => add_chunk(name, &mut chunks)?,
                        (Err(_), Value::Array(names)) => {
                            names.iter().try_for_each(|name| parse_and_add(name, &mut chunks))?;
                        }
                        (Err(_), value) => parse_and_add(value, &mut chunks)?,
                    }
                }
            }
            _ => return Err(AnnouncementError::Malformed("the chunks are no list".to_owned())),
        }
        Ok(Self { chunks, card: raw.peerdex.and_then(Card::read), username: None })
    }

    /// Writes it as one datagram, as Python's `json.dumps` would.
    pub fn encode(&self) -> Vec<u8> {
        let names: Vec<String> = self.chunks.iter().map(|name| quoted(name.as_str())).collect();
        let username = self.username.as_ref().map(|name| format!(", \"username\": {}", quoted(name)));
        let card = self.card.as_ref().map(|card| format!(", \"peerdex\": {}", card.write()));
        let (username, card) = (username.unwrap_or_default(), card.unwrap_or_default());
        format!("{{\"chunks\": [{}]{username}{card}}}", names.join(", ")).into_bytes()
    }

    /// Writes it as datagrams of at most [`MAX_ANNOUNCEMENT_SENT`] bytes, since programs in the wild read no more of one. Who
    /// speaks stands in each of them, and a chunk's digest beside its name. One that says nothing gives none.
    pub fn datagrams(self) -> Vec<Vec<u8>> {
        split::split(self, MAX_ANNOUNCEMENT_SENT)
    }
}

fn parse_and_add(name: &Value, chunks: &mut Vec<ChunkName>) -> Result<(), AnnouncementError> {
    match name.as_str().map(str::parse) {
        Some(Ok(name)) => add_chunk(name, chunks),
        _ => Ok(()),
    }
}

fn add_chunk(name: ChunkName, chunks: &mut Vec<ChunkName>) -> Result<(), AnnouncementError> {
    if chunks.len() >= MAX_ANNOUNCED {
        return Err(AnnouncementError::TooManyChunks);
    }
    chunks.push(name);
    Ok(())
}
