use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;

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
    /// Returns whose limits an address falls under, unless it is exempt: see [`household`].
    pub(crate) fn sharer(&self, address: IpAddr) -> Option<IpAddr> {
        let address = household(address);
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

/// Returns what stands for all addresses that whoever has this one has as well: the network (/64) of a public IPv6 address. In a
/// private network every address is a member.
pub(crate) const fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_unique_local() && !address.is_unicast_link_local() => {
            if address.is_loopback() {
                return IpAddr::V6(address);
            }
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn household_of(address: &str) -> String {
        household(address.parse().unwrap()).to_string()
    }

    #[test]
    fn public_addresses_of_ipv6_count_by_network() {
        assert_eq!(household_of("2001:db8:0:1::7"), "2001:db8:0:1::");
        assert_eq!(household_of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(household_of("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn every_member_of_a_private_network_counts_by_itself() {
        for address in ["fd00::7", "fe80::7", "10.0.0.7", "::1"] {
            assert_eq!(household_of(address), address);
        }
    }

    #[test]
    fn loopback_is_exempt_unless_it_is_included() {
        let (here, far) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([192, 0, 2, 7]));
        let limits = AddressLimits::default();
        assert_eq!((limits.sharer(here), limits.sharer(far)), (None, Some(far)));
        let limits = AddressLimits { includes_loopback: true, ..limits };
        assert_eq!(limits.sharer(here), Some(here));
    }
}
