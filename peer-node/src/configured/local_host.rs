//! Which hosts are this machine, and where a peer listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, UdpSocket, lookup_host};

/// Begins to listen for a peer that is listed with that host and port.
///
/// An address is listened on as it is. A name may stand for several addresses, or on this machine for another one than
/// elsewhere, so all are listened on; but for the name that means this machine alone.
pub(super) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = match host.parse() {
        Ok(address) => address,
        Err(_) if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
        Err(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    match TcpListener::bind(SocketAddr::new(address, port)).await {
        // Where there is no IPv6.
        Err(_) if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// Says whether a host is this machine: one of its addresses is loopback's or belongs to one of its interfaces.
pub(crate) async fn is_local_host(host: &str) -> bool {
    let addresses: Vec<SocketAddr> = match lookup_host((host, 0)).await {
        Ok(found) => found.collect(),
        Err(_) => return false,
    };
    for address in addresses {
        // Nobody can have a socket at an address of another machine.
        if address.ip().is_loopback() || UdpSocket::bind(address).await.is_ok() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn local_hosts_are_recognized() {
        for host in ["localhost", "127.0.0.1", "127.0.0.7"] {
            assert!(is_local_host(host).await, "{host}");
        }
        // Addresses for documentation (RFC 5737) are nobody's.
        for host in ["192.0.2.1", "198.51.100.7"] {
            assert!(!is_local_host(host).await, "{host}");
        }
    }

    #[tokio::test]
    async fn localhost_listens_on_loopback_only() {
        let listener = listen("LocalHost", 0).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        let listener = listen("lin114-00.example", 0).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
    }
}
