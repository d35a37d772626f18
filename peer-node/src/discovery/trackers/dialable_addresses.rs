//! Selects the dialable addresses of a tracker's reply.

use std::collections::HashSet;
use std::net::SocketAddr;

use protocol::tracker::TrackedPeer;

use crate::addresses::{canonical, is_dialable};

/// Maximum number of addresses per reply; twice as many as requested.
const MAX_ADDRESSES: usize = 200;

/// Returns the dialable addresses, without duplicates.
pub(super) fn dialable(peers: &[TrackedPeer]) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    let addresses = peers.iter().map(|peer| canonical(peer.address));
    addresses.filter(|address| is_dialable(*address) && seen.insert(*address)).take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undialable_addresses_are_dropped() {
        let peers = ["1.2.3.4:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", "[::]:1"]
            .iter()
            .chain(&["1.2.3.4:5", "[::ffff:1.2.3.4]:5", "[2001:db8::1]:6"])
            .map(|address| TrackedPeer { address: address.parse().unwrap(), peer_id: None })
            .collect::<Vec<_>>();
        let found: Vec<_> = dialable(&peers).iter().map(SocketAddr::to_string).collect();
        assert_eq!(found, ["1.2.3.4:5", "[2001:db8::1]:6"]);
    }

    #[test]
    fn at_most_two_hundred_peers_per_reply() {
        let peers: Vec<_> = (1..2000)
            .map(|port| TrackedPeer { address: ([1, 2, 3, 4], port).into(), peer_id: None })
            .collect();
        assert_eq!(dialable(&peers).len(), MAX_ADDRESSES);
    }
}
