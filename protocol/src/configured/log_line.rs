use std::fmt;

use super::ConfiguredPeerId;
use crate::escape::display_safe;
use crate::geometry::PieceIndex;

/// An entry of a peer's log, in the exact wording of the dialect. Displayed without the time, which precedes it as
/// `[Time]: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The peer that writes the log.
    pub own_id: ConfiguredPeerId,
    /// What happened.
    pub event: LogEvent,
}

/// An event in the log of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// It connected to a peer.
    Connects(ConfiguredPeerId),
    /// A peer connected to it.
    Connected(ConfiguredPeerId),
    /// Its preferred neighbours changed.
    Preferred(Vec<ConfiguredPeerId>),
    /// Its optimistically unchoked neighbour changed.
    Optimistic(ConfiguredPeerId),
    /// A peer unchoked it.
    Unchoked(ConfiguredPeerId),
    /// A peer choked it.
    Choked(ConfiguredPeerId),
    /// A peer completed a piece.
    Have(ConfiguredPeerId, PieceIndex),
    /// A peer is interested in its pieces.
    Interested(ConfiguredPeerId),
    /// A peer is no longer interested in its pieces.
    NotInterested(ConfiguredPeerId),
    /// It received and stored a piece.
    Downloaded {
        /// The piece.
        piece: PieceIndex,
        /// The source.
        from: ConfiguredPeerId,
        /// The number of pieces that it has now.
        count: u32,
    },
    /// It has all pieces.
    Complete,
    /// It moved away a file that it had not downloaded itself. No other program writes this line.
    Unverified {
        /// The file's old name.
        from: String,
        /// The file's new name.
        to: String,
    },
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.own_id;
        match &self.event {
            LogEvent::Connects(peer) => write!(f, "Peer {us} makes a connection to Peer {peer}."),
            LogEvent::Connected(peer) => write!(f, "Peer {us} is connected from Peer {peer}."),
            LogEvent::Preferred(peers) => {
                write!(f, "Peer {us} has the preferred neighbors ")?;
                for (index, peer) in peers.iter().enumerate() {
                    write!(f, "{}{peer}", if index > 0 { "," } else { "" })?;
                }
                f.write_str(".")
            }
            LogEvent::Optimistic(peer) => {
                write!(f, "Peer {us} has the optimistically unchoked neighbor {peer}.")
            }
            LogEvent::Unchoked(peer) => write!(f, "Peer {us} is unchoked by {peer}."),
            LogEvent::Choked(peer) => write!(f, "Peer {us} is choked by {peer}."),
            LogEvent::Have(peer, piece) => {
                let piece = piece.get();
                write!(f, "Peer {us} received the 'have' message from {peer} for the piece {piece}.")
            }
            LogEvent::Interested(peer) => {
                write!(f, "Peer {us} received the 'interested' message from {peer}.")
            }
            LogEvent::NotInterested(peer) => {
                write!(f, "Peer {us} received the 'not interested' message from {peer}.")
            }
            LogEvent::Downloaded { piece, from, count } => {
                let piece = piece.get();
                write!(f, "Peer {us} has downloaded the piece {piece} from {from}. ")?;
                write!(f, "Now the number of pieces it has is {count}.")
            }
            LogEvent::Complete => write!(f, "Peer {us} has downloaded the complete file."),
            LogEvent::Unverified { from, to } => {
                let (from, to) = (display_safe(from), display_safe(to));
                write!(f, "Peer {us} moved the unverified file {from} to {to}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn log_lines_are_frozen() {
        let geometry = Geometry::new(100, 10).unwrap();
        let (piece, peer) = (geometry.piece(5).unwrap(), ConfiguredPeerId(1002));
        for (event, expected) in [
            (LogEvent::Connects(peer), "makes a connection to Peer 1002."),
            (LogEvent::Connected(peer), "is connected from Peer 1002."),
            (LogEvent::Preferred(vec![peer, ConfiguredPeerId(7)]), "has the preferred neighbors 1002,7."),
            (LogEvent::Optimistic(peer), "has the optimistically unchoked neighbor 1002."),
            (LogEvent::Unchoked(peer), "is unchoked by 1002."),
            (LogEvent::Choked(peer), "is choked by 1002."),
            (LogEvent::Have(peer, piece), "received the 'have' message from 1002 for the piece 5."),
            (LogEvent::Interested(peer), "received the 'interested' message from 1002."),
            (LogEvent::NotInterested(peer), "received the 'not interested' message from 1002."),
            (
                LogEvent::Downloaded { piece, from: peer, count: 3 },
                "has downloaded the piece 5 from 1002. Now the number of pieces it has is 3.",
            ),
            (LogEvent::Complete, "has downloaded the complete file."),
            (
                LogEvent::Unverified { from: "a".into(), to: "a.unverified-1".into() },
                "moved the unverified file a to a.unverified-1.",
            ),
        ] {
            let line = LogLine { own_id: ConfiguredPeerId(1001), event };
            assert_eq!(line.to_string(), format!("Peer 1001 {expected}"));
        }
    }
}
