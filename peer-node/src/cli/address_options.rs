use std::num::NonZeroUsize;

use clap::Args;

use crate::transport::{AddressLimits, CONNECTIONS_PER_ADDRESS};

/// What one address may have, so that nobody keeps others from being served. An address is an IPv4 address or the network (/64) of a
/// public IPv6 address.
#[derive(Debug, Clone, Copy, Args)]
pub struct AddressOptions {
    /// Serve at most this many peers of one address at once while peers of others want something; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_SLOTS_PER_ADDRESS", default_value_t = 1)]
    slots_per_address: usize,

    /// Give at most this many peers of one address a place in the queue; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_QUEUE_PER_ADDRESS", default_value_t = CONNECTIONS_PER_ADDRESS)]
    queue_per_address: usize,

    /// Accept at most this many connections from one address; 0 for no limit
    #[arg(long, value_name = "N", env = "PEER_NODE_CONNECTIONS_PER_ADDRESS", default_value_t = CONNECTIONS_PER_ADDRESS)]
    connections_per_address: usize,

    /// Reserve this many connections for addresses that have none; 0 for none [default: half of --max-connections]
    #[arg(long, value_name = "N", env = "PEER_NODE_RESERVED_CONNECTIONS")]
    reserved_connections: Option<usize>,

    /// Apply the limits by address to this machine's own addresses too
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
