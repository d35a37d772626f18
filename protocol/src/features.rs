//! Sets of optional protocol features, announced in the greetings of version 2.
//!
//! Each side announces the features that it understands. A message or an enum variant that belongs to a feature is sent only to a
//! side that announced the feature. Unknown bits are kept and have no effect, so a newer program can announce more.
//!
//! A new feature takes the next free bit, is listed in `docs/protocol.md`, and never changes its meaning.

use std::fmt;

use bincode::{Decode, Encode};

macro_rules! feature_set {
    ($(#[$attribute:meta])* $name:ident { $($(#[$feature_attribute:meta])* $feature:ident = $bit:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
        pub struct $name(u64);

        impl $name {
            /// No feature: what a side of version 1 is taken to announce.
            pub const NONE: Self = Self(0);
            $($(#[$feature_attribute])* pub const $feature: Self = Self(1 << $bit);)*

            /// Makes a set from its bits on the wire, unknown ones included.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// Returns the bits on the wire.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// Returns the set extended by another one.
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
        /// It accepts every [`SharePath`](crate::share_path::SharePath) in the answer to a search, not only those of release 0.1.0.
        ANY_NAMES = 0,
        /// It understands [`PeerMessage::WrongPiece`](crate::peer::PeerMessage::WrongPiece).
        WRONG_PIECES = 1,
        /// Its position in the queue for a slot is to come as [`PeerMessage::Queued`](crate::peer::PeerMessage::Queued).
        QUEUE_LENGTH = 2,
        /// It understands [`FileAttributes`](crate::peer::PeerMessage::Details) behind an offer.
        DETAILS = 3,
        /// Blocks may be sent over further connections of a link: [`PeerMessage::Widen`](crate::peer::PeerMessage::Widen) and
        /// [`PeerMessage::Join`](crate::peer::PeerMessage::Join).
        PARALLEL_CONNECTIONS = 4,
    }
}

feature_set! {
    /// Optional features of the dialect between a node and an index; both sides announce theirs.
    IndexFeatures {
        /// The index answers [`RequestPiece::SearchWithSources`](crate::index::Request::SearchWithSources).
        SEARCH_WITH_SOURCES = 0,
        /// It accepts every [`SharePath`](crate::share_path::SharePath) as a name, not only those of release 0.1.0.
        ANY_NAMES = 1,
        /// The index answers [`RequestPiece::Suggest`](crate::index::Request::Suggest).
        SUGGESTIONS = 2,
        /// The index answers [`RequestPiece::FindNodes`](crate::index::Request::FindNodes).
        FIND_NODES = 3,
        /// The index keeps offers of torrents on disk until they are withdrawn, whether the node that made them is there or not.
        KEEPS_TORRENTS = 4,
        /// The index answers [`RequestPiece::FindTorrentByKey`](crate::index::Request::FindTorrentByKey).
        TORRENT_KEYS = 5,
        /// The index takes [`RequestPiece::ReportUnreachable`](crate::index::Request::ReportUnreachable).
        UNREACHABLE_REPORTS = 6,
        /// The node understands [`AdmissionRefusal::OverBudget`](crate::index::Refusal::OverBudget).
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
        assert_frozen(&IndexFeatures::SEARCH_WITH_SOURCES, "0000000000000001");
        assert_frozen(&IndexFeatures::BUDGETS, "0000000000000080");
        assert_eq!(format!("{:?}", PeerFeatures::from_bits(17)), "PeerFeatures(0x11)");
    }
}
