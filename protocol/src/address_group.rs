//! Address groups, which count as one address in all limits and counts of addresses.

use std::net::{IpAddr, Ipv6Addr};

/// Returns the representative of all addresses that one owner of this address also controls: the /64 network of a
/// public IPv6 address. Every other address, including private IPv6 addresses, is a group of its own.
pub const fn address_group(address: IpAddr) -> IpAddr {
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

    fn address_group_of(address: &str) -> String {
        address_group(address.parse().unwrap()).to_string()
    }

    #[test]
    fn public_ipv6_addresses_are_grouped_by_network() {
        assert_eq!(address_group_of("2001:db8:0:1::7"), "2001:db8:0:1::");
        assert_eq!(address_group_of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(address_group_of("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn private_addresses_are_grouped_one_by_one() {
        for address in ["fd00::7", "fe80::7", "10.0.0.7", "::1"] {
            assert_eq!(address_group_of(address), address);
        }
    }
}
