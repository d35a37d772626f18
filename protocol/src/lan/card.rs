use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::ChunkName;
use crate::digest::Digest;
use crate::hex::hex_text;
use crate::limits::MAX_ANNOUNCED;
use crate::node_id::NodeId;

/// The supported version of the card. Cards of other versions are ignored, like any unknown key.
const VERSION: u64 = 1;

/// Eight random bytes in all announcements of one run of a program, by which it recognizes its own announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cookie([u8; 8]);

/// A text that is not a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cookie is 16 hexadecimal digits")]
pub struct ParseCookieError;

hex_text!(Cookie, 8, ParseCookieError);

/// The extra key of announcements by Peerdex nodes: `"peerdex": {"version": 1, "cookie": …}`. Everything in it is an
/// unproven claim. A node that includes its id answers searches in the native dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Identifies the sender's run.
    pub cookie: Cookie,
    /// The sender's node id and the port on which it accepts peers; `None` if it is not a node.
    pub node: Option<(NodeId, u16)>,
    /// The digests of announced chunks.
    pub digests: BTreeMap<ChunkName, Digest>,
    /// Contents that the node shares; not necessarily all of them.
    pub contents: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawCard {
    version: u64,
    cookie: String,
    node: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    digests: BTreeMap<String, String>,
    #[serde(default)]
    contents: Vec<String>,
}

impl Card {
    /// Creates a card with nothing but a cookie.
    pub const fn of(cookie: Cookie) -> Self {
        Self { cookie, node: None, digests: BTreeMap::new(), contents: Vec::new() }
    }

    /// Returns the part of the card that all datagrams of an announcement have in common.
    pub(super) const fn without_lists(&self) -> Self {
        Self { cookie: self.cookie, node: self.node, digests: BTreeMap::new(), contents: Vec::new() }
    }

    /// Parses a card; returns `None` if it is invalid or has another version.
    pub(super) fn read(value: Value) -> Option<Self> {
        let raw: RawCard = serde_json::from_value(value).ok()?;
        if raw.version != VERSION || raw.digests.len() > MAX_ANNOUNCED || raw.contents.len() > MAX_ANNOUNCED {
            return None;
        }
        let node = match (raw.node, raw.port) {
            (Some(node), Some(port)) if port != 0 => Some((node.parse().ok()?, port)),
            (None, None) => None,
            _ => return None,
        };
        let digest = |(name, digest): (String, String)| Some((name.parse().ok()?, digest.parse().ok()?));
        Some(Self {
            cookie: raw.cookie.parse().ok()?,
            node,
            digests: raw.digests.into_iter().map(digest).collect::<Option<_>>()?,
            contents: raw.contents.iter().map(|digest| digest.parse().ok()).collect::<Option<_>>()?,
        })
    }

    /// Encodes the card as the JSON value of its key.
    pub(super) fn write(&self) -> String {
        let node = self.node.map(|(node, port)| format!(", \"node\": \"{node}\", \"port\": {port}"));
        let pairs =
            self.digests.iter().map(|(name, digest)| format!("{}: \"{digest}\"", quoted(name.as_str())));
        let contents = self.contents.iter().map(|digest| format!("\"{digest}\""));
        let list = |key: &str, items: Vec<String>, [open, close]: [char; 2]| match items.as_slice() {
            [] => String::new(),
            items => format!(", \"{key}\": {open}{}{close}", items.join(", ")),
        };
        format!(
            "{{\"version\": {VERSION}, \"cookie\": \"{}\"{}{}{}}}",
            self.cookie,
            node.unwrap_or_default(),
            list("digests", pairs.collect(), ['{', '}']),
            list("contents", contents.collect(), ['[', ']']),
        )
    }
}

/// Encodes a text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
