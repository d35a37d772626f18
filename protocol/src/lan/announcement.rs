mod split;

use serde::Deserialize;
use serde_json::Value;

use super::card::quoted;
use super::{Card, ChunkName};
use crate::escape::excerpt;
use crate::limits::{MAX_ANNOUNCED, MAX_ANNOUNCEMENT, MAX_ANNOUNCEMENT_SENT};

/// One datagram: its sender has these chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanAnnouncement {
    /// The chunks.
    pub chunks: Vec<ChunkName>,
    /// The extra key of Peerdex nodes.
    pub card: Option<Card>,
    /// The sender's name. Programs of 2025 and 2026 skip announcements without one; [`LanAnnouncement::decode`]
    /// ignores it.
    pub username: Option<String>,
}

/// A datagram that is not an announcement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// The datagram is over the length limit.
    #[error("it is longer than {MAX_ANNOUNCEMENT} bytes")]
    TooLong,
    /// The datagram is not JSON, or not an object with chunks.
    #[error("it is not an announcement in JSON: {0}")]
    Malformed(String),
    /// The datagram names too many chunks.
    #[error("it names more than {MAX_ANNOUNCED} chunks")]
    TooManyChunks,
}

/// Everything else in the object is skipped, whatever its type.
#[derive(Deserialize)]
struct RawAnnouncement {
    chunks: Value,
    peerdex: Option<Value>,
}

impl LanAnnouncement {
    /// Parses a datagram. Invalid chunk names are skipped.
    ///
    /// The chunks are a list of names or an object. For each entry of an object, the key is used if it is a chunk
    /// name, otherwise the value: a name or a list of names.
    pub fn decode(bytes: &[u8]) -> Result<Self, AnnouncementError> {
        if bytes.len() > MAX_ANNOUNCEMENT {
            return Err(AnnouncementError::TooLong);
        }
        let malformed = |error: serde_json::Error| AnnouncementError::Malformed(excerpt(&error.to_string()));
        // serde would accept a JSON list as the fields in their order.
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
            _ => {
                return Err(AnnouncementError::Malformed(
                    "`chunks` is neither a list nor an object".to_owned(),
                ));
            }
        }
        Ok(Self { chunks, card: raw.peerdex.and_then(Card::read), username: None })
    }

    /// Encodes the announcement as one datagram, formatted like Python's `json.dumps`.
    pub fn encode(&self) -> Vec<u8> {
        let names: Vec<String> = self.chunks.iter().map(|name| quoted(name.as_str())).collect();
        let username = self.username.as_ref().map(|name| format!(", \"username\": {}", quoted(name)));
        let card = self.card.as_ref().map(|card| format!(", \"peerdex\": {}", card.write()));
        let (username, card) = (username.unwrap_or_default(), card.unwrap_or_default());
        format!("{{\"chunks\": [{}]{username}{card}}}", names.join(", ")).into_bytes()
    }

    /// Encodes the announcement as datagrams of at most [`MAX_ANNOUNCEMENT_SENT`] bytes, because other programs read
    /// no more of one. Each datagram carries the sender, and the digest of each of its chunks. An empty announcement
    /// yields no datagram.
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
