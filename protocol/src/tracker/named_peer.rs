use crate::bencode::{Tree, Value};

/// The maximum length of a host name, in bytes (RFC 1035).
const MAX_HOST_NAME: usize = 253;

/// A peer that a tracker identifies by a host name, which is not resolved here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPeer {
    /// The host name: ASCII letters, digits, `-`, `_` and dots.
    pub host: String,
    /// The port on which it accepts connections.
    pub port: u16,
}

impl NamedPeer {
    /// Parses an entry of the dictionary form whose `ip` is a host name.
    pub(super) fn from_dictionary(entry: Value<'_>) -> Option<Self> {
        let host = entry.get("ip")?.as_text()?;
        let port = entry.get("port")?.as_unsigned()?.try_into().ok()?;
        is_host_name(host).then(|| Self { host: host.to_owned(), port })
    }

    pub(super) fn dictionary(&self) -> Tree {
        Tree::dictionary([("ip", self.host.as_str().into()), ("port", u32::from(self.port).into())])
    }
}

fn is_host_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_HOST_NAME).contains(&text.len()) && !text.starts_with(['-', '.']) && text.bytes().all(is_part)
}
