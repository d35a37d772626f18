//! Resolves the host names of peers in tracker replies.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::tracker::NamedPeer;
use tokio::task::JoinSet;

use super::tracker_host::TrackerHost;
use crate::addresses::is_local;

/// Resolves peers concurrently. Names that are unknown or take longer than `timeout` are dropped.
pub(super) async fn resolve_peers(peers: Vec<NamedPeer>, timeout: Duration) -> Vec<SocketAddr> {
    let mut lookups = JoinSet::new();
    for NamedPeer { host, port } in peers {
        lookups.spawn(async move { TrackerHost::resolve(&host, port, timeout).await });
    }
    let mut found = Vec::new();
    while let Some(looked_up) = lookups.join_next().await {
        if let Ok(Ok(host)) = looked_up {
            found.extend(without_local(host).filter(|address| !found.contains(address)).collect::<Vec<_>>());
        }
    }
    found
}

/// Returns the addresses of a host except local ones: the owner of a name could point it at services on this machine or
/// link that trust local clients.
fn without_local(host: TrackerHost) -> impl Iterator<Item = SocketAddr> {
    host.v4.into_iter().chain(host.v6).filter(|address| !is_local(address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: &str) -> NamedPeer {
        NamedPeer { host: host.to_owned(), port: 6881 }
    }

    #[test]
    fn a_peer_name_cannot_lead_to_local_services() {
        let addresses =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let host = TrackerHost {
            v4: addresses(&["127.0.0.1:1", "10.0.0.1:1", "169.254.169.254:1"]),
            v6: addresses(&["[::1]:1", "[fe80::1]:1", "[2001:db8::1]:1"]),
        };
        assert_eq!(without_local(host).collect::<Vec<_>>(), addresses(&["10.0.0.1:1", "[2001:db8::1]:1"]));
    }

    #[tokio::test]
    async fn peer_names_are_resolved() {
        // Old notations of addresses, which resolve without a name server.
        let peers = ["10.1", "127.1", "0x7f000001", "10.1", "localhost", "0"].map(named).to_vec();
        assert_eq!(resolve_peers(peers, Duration::from_secs(5)).await, ["10.0.0.1:6881".parse().unwrap()]);
    }
}
