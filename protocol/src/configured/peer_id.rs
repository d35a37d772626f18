use std::fmt;

/// The number of a peer in `PeerInfo.cfg` and in its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfiguredPeerId(pub u32);

impl fmt::Display for ConfiguredPeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
