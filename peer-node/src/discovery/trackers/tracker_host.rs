//! Resolves a host name to the addresses that a torrent may make us contact.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::tracker::udp::AddressFamily;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::tracker_error::TrackerError;
use crate::addresses::{canonical, is_dialable, is_local, is_private};

/// Maximum number of addresses per name and family.
const MAX_ADDRESSES: usize = 4;

/// The addresses of a host, by family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TrackerHost {
    pub(super) v4: Vec<SocketAddr>,
    pub(super) v6: Vec<SocketAddr>,
}

impl TrackerHost {
    /// Resolves a name, which may be an IP address.
    pub(super) async fn resolve(name: &str, port: u16, time_limit: Duration) -> Result<Self, TrackerError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(ip) => vec![(ip, port).into()],
            Err(_) => match timeout(time_limit, lookup_host((bare, port))).await {
                Err(_) => return Err(TrackerError::TimedOut { after: time_limit }),
                Ok(Err(_)) => Vec::new(),
                Ok(Ok(found)) => found.collect(),
            },
        };
        let host = Self::from_addresses(found);
        if host == Self::default() {
            return Err(TrackerError::UnknownHost { host: name.to_owned() });
        }
        Ok(host)
    }

    fn from_addresses(addresses: Vec<SocketAddr>) -> Self {
        let (mut host, mut seen) = (Self::default(), Vec::new());
        for address in addresses.into_iter().map(canonical).filter(|address| is_dialable(*address)) {
            let family = match AddressFamily::of(&address) {
                AddressFamily::V4 => &mut host.v4,
                AddressFamily::V6 => &mut host.v6,
            };
            if family.len() < MAX_ADDRESSES && !seen.contains(&address) {
                seen.push(address);
                family.push(address);
            }
        }
        host
    }

    /// Keeps the addresses that pass a check; returns an error if none does.
    pub(super) fn restrict(
        mut self,
        place: &dyn std::fmt::Display,
        reason: &'static str,
        pass: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, TrackerError> {
        self.v4.retain(|address| pass(address.ip()));
        self.v6.retain(|address| pass(address.ip()));
        if self == Self::default() {
            return Err(TrackerError::Forbidden { target: place.to_string(), reason });
        }
        Ok(self)
    }

    /// Removes addresses on this machine and link unless the path is that of a tracker: local services may trust local
    /// clients.
    pub(super) fn without_local_services(
        self,
        place: &dyn std::fmt::Display,
        path: &str,
    ) -> Result<Self, TrackerError> {
        let reason = "on local addresses only /announce paths are allowed";
        self.restrict(place, reason, |ip| path.starts_with("/announce") || !is_local(ip))
    }

    /// Removes private addresses, since a public host redirected us here.
    pub(super) fn public_only(self, place: &dyn std::fmt::Display) -> Result<Self, TrackerError> {
        let reason = "a public tracker redirects to a private address";
        self.restrict(place, reason, |ip| !is_private(ip))
    }

    /// Returns true if at least one address is public.
    pub(super) fn is_public(&self) -> bool {
        self.v4.iter().chain(&self.v6).any(|address| !is_private(address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(addresses: &[&str]) -> TrackerHost {
        TrackerHost::from_addresses(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[test]
    fn at_most_four_addresses_per_family() {
        let many =
            (1..=100u8).flat_map(|n| [SocketAddr::from(([10, 0, 0, n], 80)), ([10, 0, 0, n], 80).into()]);
        let host = TrackerHost::from_addresses(many.collect());
        assert_eq!((host.v4.len(), host.v6.len()), (MAX_ADDRESSES, 0));
    }

    #[test]
    fn local_services_are_not_contacted() {
        for ip in ["127.0.0.1:1313", "[::1]:1313", "169.254.169.254:80", "[::ffff:127.0.0.1]:80"] {
            for path in ["/", "/announc", "/latest/meta-data/announce", ""] {
                let refused = host(&[ip]).without_local_services(&"http://here", path);
                assert!(matches!(refused, Err(TrackerError::Forbidden { .. })), "{ip} {path}");
            }
            assert!(host(&[ip]).without_local_services(&"http://here", "/announce").is_ok());
        }
        assert!(host(&["8.8.8.8:80"]).without_local_services(&"http://there", "/").is_ok());
        let both =
            host(&["8.8.8.8:80", "127.0.0.1:80"]).without_local_services(&"http://there", "/").unwrap();
        assert_eq!(both, host(&["8.8.8.8:80"]));
    }

    #[test]
    fn a_public_tracker_cannot_redirect_to_a_private_address() {
        assert!(host(&["10.0.0.1:80"]).public_only(&"http://there").is_err());
        assert!(host(&["10.0.0.1:80", "8.8.8.8:80"]).public_only(&"http://there").is_ok());
        assert!(!host(&["10.0.0.1:80", "[fd00::1]:80"]).is_public());
        assert!(host(&["10.0.0.1:80", "[2001:db8::1]:80"]).is_public());
    }

    #[tokio::test]
    async fn ip_literals_are_not_looked_up_and_invalid_ones_rejected() {
        let time_limit = Duration::ZERO;
        for name in ["127.0.0.1", "[::1]"] {
            assert!(TrackerHost::resolve(name, 80, time_limit).await.is_ok(), "{name}");
        }
        for name in ["0.0.0.0", "224.0.0.1", "[::]", "255.255.255.255"] {
            let found = TrackerHost::resolve(name, 80, time_limit).await;
            assert!(matches!(found, Err(TrackerError::UnknownHost { .. })), "{name}");
        }
    }
}
