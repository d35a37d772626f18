//! Classification of network addresses: canonical form, reachability, and whether an address is local or private.

use std::net::{IpAddr, SocketAddr};

/// Returns the address with an IPv4-mapped IPv6 address converted to IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Returns true if a host can listen at the address, which must be canonical.
pub(crate) fn is_dialable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let possible = match ip {
        // 0.0.0.0/8 means "this host", 240.0.0.0/4 is reserved and ends in the broadcast address.
        IpAddr::V4(ip) => !matches!(ip.octets(), [0 | 240..=255, ..]),
        IpAddr::V6(_) => true,
    };
    possible && address.port() != 0 && !ip.is_multicast() && !ip.is_unspecified()
}

/// Returns true for loopback and link-local addresses, where services often trust any client that reaches them.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

/// Returns true if the address cannot be reached from the whole Internet: local, private, or in the shared range that providers
/// use for carrier-grade NAT.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    is_local(ip)
        || match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_private() || matches!(ip.octets(), [100, 64..=127, ..]),
            IpAddr::V6(ip) => ip.is_unique_local(),
        }
}

/// Why other hosts cannot connect to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerFault {
    /// The listener is bound to the loopback interface only.
    LoopbackOnly,
    /// The listener is bound to an address other than the one at which the index sees the node.
    OtherAddress,
}

/// Compares the address on which a node listens with the address at which the index sees it. Returns `None` if the addresses
/// show no problem.
pub(crate) fn listener_fault(own: SocketAddr, seen: SocketAddr) -> Option<ListenerFault> {
    let (own, seen) = (own.ip().to_canonical(), seen.ip().to_canonical());
    if own.is_unspecified() || own == seen {
        None
    } else if own.is_loopback() {
        // All of 127.0.0.0/8 is this machine, but a listener is bound to one address of it.
        Some(if seen.is_loopback() { ListenerFault::OtherAddress } else { ListenerFault::LoopbackOnly })
    } else {
        Some(ListenerFault::OtherAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_listener_is_detected() {
        let fault = |own: &str, seen: &str| listener_fault(own.parse().unwrap(), seen.parse().unwrap());
        assert_eq!(fault("127.0.0.1:1", "10.0.0.7:1"), Some(ListenerFault::LoopbackOnly));
        assert_eq!(fault("[::1]:1", "[2001:db8::1]:1"), Some(ListenerFault::LoopbackOnly));
        assert_eq!(fault("127.0.0.2:1", "127.0.0.1:1"), Some(ListenerFault::OtherAddress));
        assert_eq!(fault("10.0.0.8:1", "10.0.0.7:1"), Some(ListenerFault::OtherAddress));
        for (own, seen) in [
            ("0.0.0.0:1", "10.0.0.7:1"),
            ("[::]:1", "10.0.0.7:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.7:1", "[::ffff:10.0.0.7]:1"),
        ] {
            assert_eq!(fault(own, seen), None, "{own} {seen}");
        }
    }

    #[test]
    fn local_and_private_addresses_are_recognized() {
        for home in
            ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0"]
        {
            let ip = home.parse().unwrap();
            assert!(is_local(ip) && is_private(ip), "{home}");
        }
        for private in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            let ip = private.parse().unwrap();
            assert!(!is_local(ip) && is_private(ip), "{private}");
        }
        for global in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            let ip = global.parse().unwrap();
            assert!(!is_local(ip) && !is_private(ip), "{global}");
        }
    }
}
