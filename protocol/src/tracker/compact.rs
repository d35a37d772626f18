//! Addresses of peers as strings of bytes: address and port, most significant byte first (BEP 23; BEP 7 for IPv6).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The bytes of an IPv4 address and its port.
pub const V4: usize = 6;

/// The bytes of an IPv6 address and its port.
pub const V6: usize = 18;

/// Reads addresses of IPv4. Bytes at the end that are no whole entry are left out.
pub fn read_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<V4>().0.iter().map(|[a, b, c, d, high, low]| {
        SocketAddr::from((Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])))
    })
}

/// Reads addresses of IPv6. Bytes at the end that are no whole entry are left out.
pub fn read_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<V6>().0.iter().filter_map(|entry| {
        let (address, port) = entry.split_first_chunk::<16>()?;
        let port = port.first_chunk::<2>().copied()?;
        Some(SocketAddr::from((Ipv6Addr::from(*address), u16::from_be_bytes(port))))
    })
}

/// Writes those addresses that are of IPv4.
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

/// Writes those addresses that are of IPv6.
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
