//! Compact peer addresses: address and port in big-endian bytes (BEP 23; BEP 7 for IPv6).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The length of an IPv4 address and its port in bytes.
pub const V4: usize = 6;

/// The length of an IPv6 address and its port in bytes.
pub const V6: usize = 18;

/// Decodes IPv4 addresses. An incomplete entry at the end is ignored.
pub fn read_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<V4>().0.iter().map(|[a, b, c, d, high, low]| {
        SocketAddr::from((Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])))
    })
}

/// Decodes IPv6 addresses. An incomplete entry at the end is ignored.
pub fn read_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<V6>().0.iter().filter_map(|entry| {
        let (address, port) = entry.split_first_chunk::<16>()?;
        let port = port.first_chunk::<2>().copied()?;
        Some(SocketAddr::from((Ipv6Addr::from(*address), u16::from_be_bytes(port))))
    })
}

/// Encodes the IPv4 addresses among `addresses`.
pub fn write_v4(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in addresses {
        if let SocketAddr::V4(address) = address {
            bytes.extend_from_slice(&address.ip().octets());
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
    }
    bytes
}

/// Encodes the IPv6 addresses among `addresses`.
pub fn write_v6(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in addresses {
        if let SocketAddr::V6(address) = address {
            bytes.extend_from_slice(&address.ip().octets());
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
    }
    bytes
}
