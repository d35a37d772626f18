use std::num::{NonZeroU64, NonZeroUsize};

use clap::Args;
use protocol::units::parse_size;

use crate::transport::{AddressLimits, CONNECTIONS_PER_ADDRESS};

/// The limits of all transfers together, and per address.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TransferOptions {
    /// Maximum total upload rate in bytes/s, e.g. 10M [default: unlimited]
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_UPLOAD_RATE", value_parser = rate)]
    pub max_upload_rate: Option<NonZeroU64>,

    /// Maximum total download rate in bytes/s, e.g. 10M [default: unlimited]
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_DOWNLOAD_RATE", value_parser = rate)]
    pub max_download_rate: Option<NonZeroU64>,

    /// Maximum number of peers served at once, plus one rotating slot; others wait in the queue
    #[arg(long, value_name = "N", env = "PEER_NODE_UPLOAD_SLOTS", default_value_t = 8, value_parser = at_least_one)]
    pub upload_slots: usize,

    /// Maximum number of connections to other peers
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_CONNECTIONS", default_value_t = 200, value_parser = at_least_one)]
    pub max_connections: usize,

    /// The limits per address.
    #[command(flatten)]
    pub addresses: AddressOptions,
}

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

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = parse_size(text.trim_end_matches("/s")).map_err(|error| error.to_string())?;
    NonZeroU64::new(rate)
        .ok_or_else(|| "a rate of 0 would block all transfers; omit the option for no limit".to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a number of at least 1".to_owned())
}
