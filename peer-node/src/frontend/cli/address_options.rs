use std::num::NonZeroUsize;

use clap::Args;

use crate::transport::{AddressLimits, CONNECTIONS_PER_ADDRESS};

/// The limits per address, so that no peer can occupy a node alone. An address is an IPv4 address or the network (/64) of a
/// public IPv6 address.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AddressOptions {
    /// Serve at most this many peers of one address at once while peers of other addresses wait; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_SLOTS_PER_ADDRESS", default_value_t = 1)]
    slots_per_address: usize,

    /// Queue at most this many peers of one address; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_QUEUE_PER_ADDRESS", default_value_t = CONNECTIONS_PER_ADDRESS)]
    queue_per_address: usize,

    /// Accept at most this many connections from one address; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_CONNECTIONS_PER_ADDRESS", default_value_t = CONNECTIONS_PER_ADDRESS)]
    connections_per_address: usize,

    /// Reserve this many connections for addresses without one; 0 for none [default: half of --max-connections]
    #[arg(long, value_name = "N", env = "PEER_NODE_RESERVED_CONNECTIONS")]
    reserved_connections: Option<usize>,

    /// Apply the limits per address to this machine's own addresses too
    #[arg(long, env = "PEER_NODE_LIMIT_LOOPBACK")]
    limit_loopback: bool,
}

impl AddressOptions {
    /// Returns the limits.
    pub(super) const fn limits(self) -> AddressLimits {
        AddressLimits {
            slots: NonZeroUsize::new(self.slots_per_address),
            queue: NonZeroUsize::new(self.queue_per_address),
            connections: NonZeroUsize::new(self.connections_per_address),
            reserved: self.reserved_connections,
            includes_loopback: self.limit_loopback,
        }
    }
}
