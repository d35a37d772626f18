//! The local address from which a node opens connections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// The local address of outgoing connections. If the node listens on one address of several, its connections use that address,
/// so that others see the node where they can reach it. By default the system chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceAddress(Option<IpAddr>);

impl SourceAddress {
    /// Returns the source address of a node that listens on `listen`.
    pub fn from_listener(listen: IpAddr) -> Self {
        Self(Some(listen.to_canonical()).filter(|listen| !listen.is_unspecified()))
    }

    /// Returns the address from which to connect to `destination`, or `None` if the system chooses. A node that listens on
    /// loopback only may still connect to other hosts.
    pub(crate) fn for_destination(self, destination: IpAddr) -> Option<IpAddr> {
        let destination = destination.to_canonical();
        let is_link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        self.0.filter(|source| {
            source.is_ipv4() == destination.is_ipv4()
                && (!source.is_loopback() || destination.is_loopback())
                // A link-local address also needs an interface index.
                && !is_link_local(source)
        })
    }

    /// Returns the address to which a socket that talks only to `destination` is bound.
    pub(crate) fn bind_address_for(self, destination: SocketAddr) -> SocketAddr {
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let source =
            self.for_destination(destination.ip()).filter(|source| source.is_ipv4() == destination.is_ipv4());
        SocketAddr::new(source.unwrap_or(any), 0)
    }

    /// Connects to `destination`.
    pub(crate) async fn connect(self, destination: SocketAddr) -> io::Result<TcpStream> {
        let source = self.bind_address_for(destination);
        if source.ip().is_unspecified() {
            return TcpStream::connect(destination).await;
        }
        let socket = if destination.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(source)?;
        socket.connect(destination).await
    }

    /// Connects to the first of `destinations` that accepts.
    pub(crate) async fn connect_any(self, destinations: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for destination in destinations {
            match self.connect(*destination).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn connections_use_the_listening_address() {
        let toward = |listen: &str, destination: &str| {
            let source = SourceAddress::from_listener(listen.parse().unwrap());
            source.for_destination(destination.parse().unwrap()).map(|source| source.to_string())
        };
        assert_eq!(toward("10.0.0.7", "10.0.0.9").as_deref(), Some("10.0.0.7"));
        assert_eq!(toward("10.0.0.7", "127.0.0.1").as_deref(), Some("10.0.0.7"));
        assert_eq!(toward("127.0.0.2", "127.0.0.1").as_deref(), Some("127.0.0.2"));
        assert_eq!(toward("2001:db8::7", "2001:db8::9").as_deref(), Some("2001:db8::7"));
        for (listen, destination) in [
            ("0.0.0.0", "10.0.0.9"),
            ("::", "10.0.0.9"),
            ("127.0.0.1", "10.0.0.9"),
            ("10.0.0.7", "2001:db8::9"),
            ("fe80::1", "2001:db8::9"),
        ] {
            assert_eq!(toward(listen, destination), None, "{listen} {destination}");
        }
    }

    #[tokio::test]
    async fn peers_see_the_configured_source_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (source, expected) in [
            (SourceAddress::from_listener([127, 0, 0, 5].into()), [127, 0, 0, 5]),
            (SourceAddress::default(), [127, 0, 0, 1]),
        ] {
            let places = [address];
            let connecting = source.connect_any(&places);
            let (_stream, (_, from)) = tokio::try_join!(connecting, listener.accept()).unwrap();
            assert_eq!(from.ip(), IpAddr::from(expected));
        }
        assert!(SourceAddress::default().connect_any(&[]).await.is_err());
    }
}
