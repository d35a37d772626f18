use std::net::IpAddr;
use std::num::NonZeroUsize;

use protocol::address_group::address_group;

/// How many connections one address may open to us, unless something else is asked for.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 16;

/// What the connections of one address may have together. None is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimits {
    /// Upload slots, while another address wants any.
    pub slots: Option<NonZeroUsize>,
    /// Places in the queue for a slot.
    pub queue: Option<NonZeroUsize>,
    /// Connections that it opens.
    pub connections: Option<NonZeroUsize>,
    /// How many connections are reserved for addresses that have none, instead of half of all.
    pub reserved: Option<usize>,
    /// Whether the addresses of this machine are limited like others.
    pub includes_loopback: bool,
}

impl AddressLimits {
    /// Returns whose limits an address falls under, unless it is exempt: see [`address_group`].
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
        let (here, far) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([192, 0, 2, 7]));
        let limits = AddressLimits::default();
        assert_eq!((limits.address_group(here), limits.address_group(far)), (None, Some(far)));
        let limits = AddressLimits { includes_loopback: true, ..limits };
        assert_eq!(limits.address_group(here), Some(here));
    }
}
