use crate::bencode::{Tree, Value};

/// The longest name of a host, in bytes (RFC 1035).
const MAX_HOST_NAME: usize = 253;

/// A peer of which a tracker tells the name of its host. Nothing is said of where the name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPeer {
    /// The name: ASCII letters, digits, `-`, `_` and dots.
    pub host: String,
    /// The port on which it takes connections.
    pub port: u16,
}

impl NamedPeer {
    /// Reads an entry of the dictionary form whose `ip` is no address.
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
