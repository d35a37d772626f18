use std::net::IpAddr;
use std::num::NonZeroUsize;

use protocol::address_group::address_group;

/// Default maximum number of incoming connections per address.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 16;

/// Limits on the connections of one address. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressLimits {
    /// Upload slots, as long as other addresses want any.
    pub slots: Option<NonZeroUsize>,
    /// Positions in the queue for a slot.
    pub queue: Option<NonZeroUsize>,
    /// Incoming connections.
    pub connections: Option<NonZeroUsize>,
    /// Connections reserved for addresses that have none; `None` for half of all.
    pub reserved: Option<usize>,
    /// Whether loopback addresses are limited too.
    pub includes_loopback: bool,
}

impl AddressLimits {
    /// Returns the [`address_group`] whose limits apply to an address, or `None` if the address is exempt.
    pub(crate) fn address_group(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address_group(address);
        (self.includes_loopback || !address.is_loopback()).then_some(address)
    }
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self {
            slots: Some(NonZeroUsize::MIN),
            queue: NonZeroUsize::new(CONNECTIONS_PER_ADDRESS),
            connections: NonZeroUsize::new(CONNECTIONS_PER_ADDRESS),
            reserved: None,
            includes_loopback: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_exempt_unless_it_is_included() {
        let (local, far) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([192, 0, 2, 7]));
        let limits = AddressLimits::default();
        assert_eq!((limits.address_group(local), limits.address_group(far)), (None, Some(far)));
        let limits = AddressLimits { includes_loopback: true, ..limits };
        assert_eq!(limits.address_group(local), Some(local));
    }
}
