//! Sets of optional protocol features, announced in the greetings of version 2.
//!
//! Each side announces the features that it supports. A message or enum variant that belongs to a feature is sent
//! only to a side that announced the feature. Unknown bits are preserved and have no effect, so a newer program can
//! announce more.
//!
//! A new feature gets the next free bit, is listed in `docs/protocol.md`, and never changes its meaning.

use std::fmt;

use bincode::{Decode, Encode};

macro_rules! feature_set {
    ($(#[$attribute:meta])* $name:ident { $($(#[$feature_attribute:meta])* $feature:ident = $bit:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
        pub struct $name(u64);

        impl $name {
            /// No features: the implicit set of a side that speaks version 1.
            pub const NONE: Self = Self(0);
            $($(#[$feature_attribute])* pub const $feature: Self = Self(1 << $bit);)*

            /// Creates a set from its bits on the wire, including unknown ones.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// Returns the bits on the wire.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// Returns the union with another set.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Returns true if every feature of `other` is in the set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

feature_set! {
    /// Optional features of the dialect between two peers.
    PeerFeatures {
        /// The peer accepts every [`SharePath`](crate::share_path::SharePath) in the answer to a search, not only
        /// those of release 0.1.0.
        ANY_NAMES = 0,
        /// The peer supports [`PeerMessage::WrongPiece`](crate::peer::PeerMessage::WrongPiece).
        WRONG_PIECES = 1,
        /// The peer wants its position in the queue for an upload slot as
        /// [`PeerMessage::Queued`](crate::peer::PeerMessage::Queued).
        QUEUE_LENGTH = 2,
        /// The peer supports [`PeerMessage::Details`](crate::peer::PeerMessage::Details) after an offer.
        DETAILS = 3,
        /// The peer supports further connections of a link for blocks:
        /// [`PeerMessage::Widen`](crate::peer::PeerMessage::Widen) and
        /// [`PeerMessage::Join`](crate::peer::PeerMessage::Join).
        PARALLEL_CONNECTIONS = 4,
        /// The peer lists its files in answer to [`PeerMessage::Browse`](crate::peer::PeerMessage::Browse). The lists contain
        /// every [`SharePath`](crate::share_path::SharePath), not only those of release 0.1.0.
        BROWSE = 5,
    }
}

feature_set! {
    /// Optional features of the dialect between a node and an index; both sides announce theirs.
    IndexFeatures {
        /// The index supports [`Request::SearchWithSources`](crate::index::Request::SearchWithSources).
        SEARCH_WITH_SOURCES = 0,
        /// The side accepts every [`SharePath`](crate::share_path::SharePath) as a name, not only those of release
        /// 0.1.0.
        ANY_NAMES = 1,
        /// The index supports [`Request::Suggest`](crate::index::Request::Suggest).
        SUGGESTIONS = 2,
        /// The index supports [`Request::FindNodes`](crate::index::Request::FindNodes).
        FIND_NODES = 3,
        /// The index stores offered torrents on disk until they are withdrawn, even while the node is offline.
        KEEPS_TORRENTS = 4,
        /// The index supports [`Request::FindTorrentByKey`](crate::index::Request::FindTorrentByKey).
        TORRENT_KEYS = 5,
        /// The index supports [`Request::ReportUnreachable`](crate::index::Request::ReportUnreachable).
        UNREACHABLE_REPORTS = 6,
        /// The node supports [`Refusal::OverBudget`](crate::index::Refusal::OverBudget).
        BUDGETS = 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::assert_frozen;

    #[test]
    fn unknown_bits_are_kept_without_effect() {
        let unknown = IndexFeatures::from_bits(1 << 63);
        let features = IndexFeatures::SEARCH_WITH_SOURCES.with(unknown);
        assert_eq!(features.bits(), 1 << 63 | 1);
        assert!(features.contains(IndexFeatures::SEARCH_WITH_SOURCES) && features.contains(unknown));
        assert!(!unknown.contains(IndexFeatures::SEARCH_WITH_SOURCES));
        assert!(!IndexFeatures::SEARCH_WITH_SOURCES.contains(features));
        assert!(unknown.contains(IndexFeatures::NONE));
    }

    #[test]
    fn feature_bits_are_frozen() {
        assert_frozen(&PeerFeatures::from_bits(258), "0000000000000102");
        assert_frozen(&PeerFeatures::DETAILS, "0000000000000008");
        assert_frozen(&PeerFeatures::BROWSE, "0000000000000020");
        assert_frozen(&IndexFeatures::SEARCH_WITH_SOURCES, "0000000000000001");
        assert_frozen(&IndexFeatures::BUDGETS, "0000000000000080");
        assert_eq!(format!("{:?}", PeerFeatures::from_bits(17)), "PeerFeatures(0x11)");
    }
}
