//! Detects whether a host is this machine, and listens on a peer's listed address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, UdpSocket, lookup_host};

/// Listens for a peer that is listed with this host and port.
///
/// An IP address is bound as it is. A name may resolve to several addresses, or on this machine to another one than
/// elsewhere, so all addresses are bound, except that `localhost` is bound to loopback only.
pub(super) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = match host.parse() {
        Ok(address) => address,
        Err(_) if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
        Err(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    match TcpListener::bind(SocketAddr::new(address, port)).await {
        // The system may lack IPv6.
        Err(_) if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// Returns true if the host is this machine: one of its addresses is a loopback address or belongs to a local interface.
pub(crate) async fn is_local_host(host: &str) -> bool {
    let addresses: Vec<SocketAddr> = match lookup_host((host, 0)).await {
        Ok(found) => found.collect(),
        Err(_) => return false,
    };
    for address in addresses {
        // Binding to an address of another machine fails.
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
        // Documentation addresses (RFC 5737) belong to no machine.
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
