use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::backoff::BackoffRange;
use protocol::digest::Digest;
use protocol::index::{NodeAddress, PeerRef};
use protocol::lan::Card;
use protocol::limits::MAX_ANNOUNCED;
use protocol::node_id::NodeId;

use crate::addresses::is_dialable;

/// Maximum number of nodes.
const MAX_NODES: usize = 256;

/// Maximum number of nodes per address; several may run on one machine.
const MAX_PER_ADDRESS: usize = 8;

/// Lower ports belong to other services, which nobody must be able to make us connect to.
const MIN_PORT: u16 = 1024;

/// Minimum and maximum delay after a failed contact.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(2), Duration::from_secs(30));

/// Age from which a failure no longer counts.
const FAILURE_EXPIRY: Duration = Duration::from_mins(1);

/// The result of recording a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CardOutcome {
    /// The node was not known.
    New,
    /// The node was known.
    Known,
    /// The node is not kept.
    Refused,
}

/// The recently announced nodes by address. Ids and contents are claims, which are verified on contact.
#[derive(Debug)]
pub(super) struct NeighbourTable {
    nodes: HashMap<SocketAddr, NeighbourEntry>,
    lifetime: Duration,
}

#[derive(Debug)]
struct NeighbourEntry {
    node: NodeId,
    contents: HashSet<Digest>,
    first_seen: Instant,
    last_seen: Instant,
    last_failure: Option<ContactFailure>,
}

/// The last failed contact with a node.
#[derive(Debug, Clone, Copy)]
struct ContactFailure {
    at: Instant,
    /// Number of earlier failures, unless they have expired.
    earlier: u32,
    retry_delay: Duration,
}

impl NeighbourTable {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { nodes: HashMap::new(), lifetime }
    }

    /// Records the card of a node.
    pub(super) fn record(&mut self, from: IpAddr, card: &Card, now: Instant) -> CardOutcome {
        let Some((node, port)) = card.node else { return CardOutcome::Refused };
        let address = SocketAddr::new(from, port);
        if port < MIN_PORT || !is_dialable(address) {
            return CardOutcome::Refused;
        }
        self.expire(now);
        let is_new = !self.nodes.contains_key(&address);
        if is_new {
            let own = self.nodes.keys().filter(|known| known.ip() == from).count();
            if own >= MAX_PER_ADDRESS || self.nodes.len() >= MAX_NODES {
                return CardOutcome::Refused;
            }
        }
        let fresh = || NeighbourEntry {
            node,
            contents: HashSet::new(),
            first_seen: now,
            last_seen: now,
            last_failure: None,
        };
        let neighbour = self.nodes.entry(address).or_insert_with(fresh);
        if neighbour.node != node {
            *neighbour = fresh();
        }
        neighbour.last_seen = now;
        if neighbour.contents.len() > MAX_ANNOUNCED {
            neighbour.contents.clear();
        }
        neighbour.contents.extend(&card.contents);
        if is_new { CardOutcome::New } else { CardOutcome::Known }
    }

    fn expire(&mut self, now: Instant) {
        let lifetime = self.lifetime;
        self.nodes.retain(|_, neighbour| now.saturating_duration_since(neighbour.last_seen) < lifetime);
    }

    /// Returns the number of nodes.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.nodes.len()
    }

    /// Returns the nodes to query, each id once. If several addresses claim an id, the one announced first counts.
    pub(super) fn queryable(&mut self, now: Instant) -> Vec<(NodeId, SocketAddr)> {
        self.expire(now);
        let is_queryable = |neighbour: &NeighbourEntry| {
            neighbour
                .last_failure
                .is_none_or(|failed| now.saturating_duration_since(failed.at) >= failed.retry_delay)
        };
        let mut all: Vec<_> = self.nodes.iter().filter(|(_, neighbour)| is_queryable(neighbour)).collect();
        all.sort_by_key(|(address, neighbour)| (neighbour.first_seen, **address));
        let mut seen = HashSet::new();
        all.retain(|(_, neighbour)| seen.insert(neighbour.node));
        all.into_iter().map(|(address, neighbour)| (neighbour.node, *address)).collect()
    }

    /// Returns all nodes, also those that did not answer lately, each id once as in [`Self::queryable`].
    pub(super) fn nodes(&mut self, now: Instant) -> Vec<NodeAddress> {
        self.expire(now);
        let mut all: Vec<_> = self.nodes.iter().collect();
        all.sort_by_key(|(address, neighbour)| (neighbour.first_seen, **address));
        let mut seen = HashSet::new();
        all.retain(|(_, neighbour)| seen.insert(neighbour.node));
        all.into_iter()
            .map(|(address, neighbour)| NodeAddress { node: neighbour.node, address: *address })
            .collect()
    }

    /// Returns the node that a reference names, also if it did not answer lately.
    pub(super) fn find(&mut self, peer: PeerRef, now: Instant) -> Option<NodeAddress> {
        match peer {
            PeerRef::Node(node) => self.nodes(now).into_iter().find(|known| known.node == node),
            PeerRef::Address(address) => {
                self.expire(now);
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                self.nodes.get(&address).map(|neighbour| NodeAddress { node: neighbour.node, address })
            }
        }
    }

    /// Returns true if a node at this address is in the table.
    pub(super) fn contains(&self, address: &SocketAddr) -> bool {
        self.nodes.contains_key(address)
    }

    /// Returns the nodes to query that have announced a content.
    pub(super) fn sources_of(&mut self, digest: &Digest, now: Instant) -> Vec<(NodeId, SocketAddr)> {
        let mut all = self.queryable(now);
        all.retain(|(_, address)| {
            self.nodes.get(address).is_some_and(|neighbour| neighbour.contents.contains(digest))
        });
        all
    }

    /// Records that a node did not answer; `random` adds jitter to the delay before the next contact.
    pub(super) fn record_failure(&mut self, address: SocketAddr, now: Instant, random: u64) {
        if let Some(neighbour) = self.nodes.get_mut(&address) {
            let last =
                neighbour.last_failure.filter(|last| now.saturating_duration_since(last.at) < FAILURE_EXPIRY);
            let earlier = last.map_or(0, |last| last.earlier.saturating_add(1));
            let retry_delay = RETRY_DELAYS.delay(earlier, random);
            neighbour.last_failure = Some(ContactFailure { at: now, earlier, retry_delay });
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::lan::Cookie;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(100);

    fn card(node: u8, port: u16, contents: Vec<Digest>) -> Card {
        let node = Some((NodeId::from_bytes([node; 32]), port));
        Card { node, contents, ..Card::of(Cookie::from_bytes([1; 8])) }
    }

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn nodes_are_kept_until_they_expire() {
        let (mut table, now) = (NeighbourTable::new(LIFETIME), Instant::now());
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(table.record(ip(1), &card(1, 2000, vec![digest]), now), CardOutcome::New);
        assert_eq!(table.record(ip(1), &card(1, 2000, vec![]), now), CardOutcome::Known);
        assert_eq!(table.record(ip(2), &card(2, 2000, vec![]), now), CardOutcome::New);
        assert_eq!(table.queryable(now).len(), 2);
        assert_eq!(
            table.sources_of(&digest, now),
            [(NodeId::from_bytes([1; 32]), SocketAddr::new(ip(1), 2000))]
        );
        table.record_failure(SocketAddr::new(ip(1), 2000), now, 0);
        assert_eq!(table.sources_of(&digest, now), []);
        assert_eq!(table.sources_of(&digest, now + RETRY_DELAYS.min()).len(), 1);
        assert_eq!(table.count(now + LIFETIME), 0);
    }

    #[test]
    fn nodes_are_found_by_id_and_address() {
        let (mut table, now) = (NeighbourTable::new(LIFETIME), Instant::now());
        table.record(ip(1), &card(1, 2000, vec![]), now);
        table.record(ip(2), &card(1, 2000, vec![]), now + Duration::from_secs(1));
        let [first, second] = [1, 2].map(|host| SocketAddr::new(ip(host), 2000));
        // A user may try a node that did not answer a search.
        table.record_failure(first, now, 0);
        let mut find = |peer| table.find(peer, now + Duration::from_secs(1)).map(|found| found.address);
        assert_eq!(find(PeerRef::Node(NodeId::from_bytes([1; 32]))), Some(first));
        assert_eq!(find(PeerRef::Address(second)), Some(second));
        let mapped = "[::ffff:10.0.0.2]:2000".parse().unwrap();
        assert_eq!(find(PeerRef::Address(mapped)), Some(second));
        assert_eq!(find(PeerRef::Node(NodeId::from_bytes([2; 32]))), None);
        assert_eq!(table.find(PeerRef::Address(first), now + LIFETIME), None);
    }

    #[test]
    fn retry_delay_grows_with_failures_and_resets_in_time() {
        let (mut table, mut now) = (NeighbourTable::new(LIFETIME), Instant::now());
        let address = SocketAddr::new(ip(1), 2000);
        let mut delays = Vec::new();
        for _ in 0..7 {
            table.record(ip(1), &card(1, 2000, vec![]), now);
            table.record_failure(address, now, 0);
            let delay = (0..100).find(|second| {
                let then = now + Duration::from_secs(*second);
                !table.queryable(then).is_empty()
            });
            delays.push(delay.unwrap());
            now += Duration::from_secs(if delays.len() == 6 {
                FAILURE_EXPIRY.as_secs()
            } else {
                *delays.last().unwrap()
            });
        }
        assert_eq!(delays, [2, 4, 8, 15, 15, 15, 2]);
    }

    #[test]
    fn table_is_bounded_and_low_ports_are_refused() {
        let (mut table, now) = (NeighbourTable::new(LIFETIME), Instant::now());
        for port in [0, 22, 1023] {
            assert_eq!(table.record(ip(1), &card(1, port, vec![]), now), CardOutcome::Refused);
        }
        assert_eq!(
            table.record("255.255.255.255".parse().unwrap(), &card(1, 2000, vec![]), now),
            CardOutcome::Refused
        );
        let ports =
            (2000..3000).filter(|port| table.record(ip(1), &card(1, *port, vec![]), now) == CardOutcome::New);
        assert_eq!(ports.count(), MAX_PER_ADDRESS);
        let hosts =
            (2..1000).filter(|host| table.record(ip(*host), &card(2, 2000, vec![]), now) == CardOutcome::New);
        assert_eq!(hosts.count(), MAX_NODES - MAX_PER_ADDRESS);
        assert_eq!(table.queryable(now).len(), 2, "one id is queried at one address");
        let many: Vec<Digest> = (0..=255).map(|byte| Digest::from_bytes([byte; 32])).collect();
        for _ in 0..10 {
            table.record(ip(1), &card(1, 2000, many.clone()), now);
        }
        assert!(table.nodes.values().all(|neighbour| neighbour.contents.len() <= 2 * MAX_ANNOUNCED));
    }
}
