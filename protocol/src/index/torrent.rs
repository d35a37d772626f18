use bincode::{Decode, Encode};

use crate::digest::Digest;
use crate::infohash::Infohash;
use crate::limits::{MAX_COMPONENT, MAX_TORRENT_PIECE, MAX_TRACKER_URL};
use crate::share_path::{SharePath, SharePathError};

/// Which content a single-file torrent represents, as claimed by the nodes that offer it.
///
/// It is a hint: the infohash of a single-file torrent follows from its content, name and piece length, so a node
/// with the content creates the torrent again and compares the infohash. [`TorrentHint::check`] rejects impossible
/// hints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TorrentHint {
    /// The torrent's infohash.
    pub infohash: Infohash,
    /// The SHA-256 of its content.
    pub digest: Digest,
    /// The file's name in the torrent: a single path component.
    pub name: String,
    /// The length of the torrent's pieces in bytes.
    pub piece_length: u32,
}

/// Why a hint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    /// The name is not a valid file name.
    #[error(transparent)]
    Name(#[from] SharePathError),
    /// The name is a path of several components.
    #[error("the name of a single-file torrent must not contain a folder")]
    NotAFileName,
    /// The piece length is out of range.
    #[error("piece length {piece_length} is not between 1 and {MAX_TORRENT_PIECE} bytes")]
    PieceLength {
        /// The claimed length.
        piece_length: u32,
    },
    /// The content is empty, which no torrent can represent.
    #[error("the digest is that of the empty content, which no torrent can represent")]
    Empty,
}

impl TorrentHint {
    /// Returns the number of bytes that the hint counts against the index's budgets: the sum of its fields.
    pub const fn weight(&self) -> usize {
        20 + 32 + 4 + self.name.len()
    }

    /// Checks the whole hint.
    pub fn check(&self) -> Result<(), HintError> {
        if self.name.len() <= MAX_COMPONENT && self.name.contains('/') {
            return Err(HintError::NotAFileName);
        }
        SharePath::parse(&self.name)?;
        if self.piece_length == 0 || self.piece_length > MAX_TORRENT_PIECE {
            return Err(HintError::PieceLength { piece_length: self.piece_length });
        }
        if self.digest == Digest::EMPTY {
            return Err(HintError::Empty);
        }
        Ok(())
    }
}

/// Where the index's tracker listens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TrackerLocation {
    /// On this port of the index's host, under `/announce`. The node knows the host better than the index does,
    /// because it has dialed it.
    Port(u16),
    /// At this announce URL.
    Url(String),
}

impl TrackerLocation {
    /// Returns the announce URL for a node that reached the index at `host`, a name or an address; `None` if the
    /// index's own URL is not a supported tracker URL or not safe to display.
    pub fn url(&self, host: &str) -> Option<String> {
        let url = match self {
            Self::Port(port) if host.contains(':') && !host.starts_with('[') => {
                format!("http://[{host}]:{port}/announce")
            }
            Self::Port(port) => format!("http://{host}:{port}/announce"),
            Self::Url(url) => url.clone(),
        };
        let is_tracker = ["http://", "https://", "udp://"].iter().any(|scheme| {
            url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && url.len() > scheme.len()
        });
        let is_plain = url.len() <= MAX_TRACKER_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
        (is_tracker && is_plain).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint() -> TorrentHint {
        TorrentHint {
            infohash: Infohash::from_bytes([1; 20]),
            digest: Digest::from_bytes([2; 32]),
            name: "a b.iso".into(),
            piece_length: 1 << 18,
        }
    }

    #[test]
    fn hints_are_checked_by_name_piece_length_and_digest() {
        assert_eq!(hint().check(), Ok(()));
        for name in ["", "..", "a\0b", &"x".repeat(256)] {
            assert!(
                matches!(TorrentHint { name: name.into(), ..hint() }.check(), Err(HintError::Name(_))),
                "{name}"
            );
        }
        for name in ["a/b", "/a", "../a"] {
            assert_eq!(TorrentHint { name: name.into(), ..hint() }.check(), Err(HintError::NotAFileName));
        }
        for piece_length in [0, (64 << 20) + 1, u32::MAX] {
            let refused = TorrentHint { piece_length, ..hint() }.check();
            assert_eq!(refused, Err(HintError::PieceLength { piece_length }));
        }
        assert_eq!(TorrentHint { digest: Digest::EMPTY, ..hint() }.check(), Err(HintError::Empty));
    }

    #[test]
    fn port_becomes_a_url_at_the_dialled_host() {
        let at = |host| TrackerLocation::Port(6969).url(host);
        assert_eq!(at("index.example").as_deref(), Some("http://index.example:6969/announce"));
        assert_eq!(at("10.0.0.1").as_deref(), Some("http://10.0.0.1:6969/announce"));
        assert_eq!(at("::1").as_deref(), Some("http://[::1]:6969/announce"));
        assert_eq!(at("[::1]").as_deref(), Some("http://[::1]:6969/announce"));
    }

    #[test]
    fn unsafe_or_unsupported_tracker_urls_are_ignored() {
        let url = |text: &str| TrackerLocation::Url(text.into()).url("h");
        for good in ["http://t/announce", "HTTPS://t:1/a?key=1", "udp://t:1"] {
            assert_eq!(url(good).as_deref(), Some(good));
        }
        let long = format!("http://{}", "x".repeat(MAX_TRACKER_URL));
        for bad in
            ["", "http://", "file:///etc/passwd", "http://t/\u{1b}[2J", "http://t/ a", "http://t\r\n", &long]
        {
            assert_eq!(url(bad), None, "{bad}");
        }
    }
}
