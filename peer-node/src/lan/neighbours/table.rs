use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::Card;
use protocol::limits::MAX_ANNOUNCED;
use protocol::node_id::NodeId;

use crate::addresses::may_dial;

/// The most nodes that are kept.
const MAX_NODES: usize = 256;

/// The most nodes of one address, which several may share on one machine.
const MAX_PER_ADDRESS: usize = 8;

/// Below are ports of other services, which nobody is to be made to call.
const LOWEST_PORT: u16 = 1024;

/// How long a node that did not answer is left alone: the first time, and each time twice as long, at most.
const AFTER_FAILURE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(30)];

/// A failure so long ago does not count any more.
const FORGIVEN: Duration = Duration::from_mins(1);

/// What became of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A node that was not known.
    New,
    /// One that was.
    Known,
    /// One that is not kept.
    Refused,
}

/// The nodes that were heard lately, by where they listen. Who they are and what they share are claims, which are put to the
/// test when they are called.
#[derive(Debug)]
pub(super) struct Table {
    nodes: HashMap<SocketAddr, Neighbour>,
    lifetime: Duration,
}

#[derive(Debug)]
struct Neighbour {
    node: NodeId,
    contents: HashSet<Digest>,
    since: Instant,
    heard: Instant,
    failed: Option<Failure>,
}

/// That a node did not answer, and how long it is left alone for that.
#[derive(Debug, Clone, Copy)]
struct Failure {
    at: Instant,
    pause: Duration,
}

impl Table {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { nodes: HashMap::new(), lifetime }
    }

    /// Takes in what a node says of itself.
    pub(super) fn hear(&mut self, from: IpAddr, card: &Card, now: Instant) -> Heard {
        let Some((node, port)) = card.node else { return Heard::Refused };
        let address = SocketAddr::new(from, port);
        if port < LOWEST_PORT || !may_dial(address) {
            return Heard::Refused;
        }
        self.forget(now);
        let is_new = !self.nodes.contains_key(&address);
        if is_new {
            let own = self.nodes.keys().filter(|known| known.ip() == from).count();
            if own >= MAX_PER_ADDRESS || self.nodes.len() >= MAX_NODES {
                return Heard::Refused;
            }
        }
        let fresh = || Neighbour { node, contents: HashSet::new(), since: now, heard: now, failed: None };
        let neighbour = self.nodes.entry(address).or_insert_with(fresh);
        if neighbour.node != node {
            *neighbour = fresh();
        }
        neighbour.heard = now;
        if neighbour.contents.len() > MAX_ANNOUNCED {
            neighbour.contents.clear();
        }
        neighbour.contents.extend(&card.contents);
        if is_new { Heard::New } else { Heard::Known }
    }

    fn forget(&mut self, now: Instant) {
        let lifetime = self.lifetime;
        self.nodes.retain(|_, neighbour| now.saturating_duration_since(neighbour.heard) < lifetime);
    }

    /// Counts the nodes.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.nodes.len()
    }

    /// Returns those who may be asked, each once: where a node was heard first, in case another claims to be it.
    pub(super) fn askable(&mut self, now: Instant) -> Vec<(NodeId, SocketAddr)> {
        self.forget(now);
        let is_well = |neighbour: &Neighbour| {
            neighbour.failed.is_none_or(|failed| now.saturating_duration_since(failed.at) >= failed.pause)
        };
        let mut all: Vec<_> = self.nodes.iter().filter(|(_, neighbour)| is_well(neighbour)).collect();
        all.sort_by_key(|(address, neighbour)| (neighbour.since, **address));
        let mut seen = HashSet::new();
        all.retain(|(_, neighbour)| seen.insert(neighbour.node));
        all.into_iter().map(|(address, neighbour)| (neighbour.node, *address)).collect()
    }

    /// Returns true if a node at an address is in the table.
    pub(super) fn knows(&self, address: &SocketAddr) -> bool {
        self.nodes.contains_key(address)
    }

    /// Returns those who have announced a content and may be asked.
    pub(super) fn announced(&mut self, digest: &Digest, now: Instant) -> Vec<(NodeId, SocketAddr)> {
        let mut all = self.askable(now);
        all.retain(|(_, address)| {
            self.nodes.get(address).is_some_and(|neighbour| neighbour.contents.contains(digest))
        });
        all
    }

    /// Notes that a node did not answer.
    pub(super) fn failed(&mut self, address: SocketAddr, now: Instant) {
        if let Some(neighbour) = self.nodes.get_mut(&address) {
            let [first, most] = AFTER_FAILURE;
            let last = neighbour.failed.filter(|last| now.saturating_duration_since(last.at) < FORGIVEN);
            let pause = last.map_or(first, |last| last.pause.saturating_mul(2).min(most));
            neighbour.failed = Some(Failure { at: now, pause });
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
    fn nodes_are_kept_while_they_are_heard() {
        let (mut table, now) = (Table::new(LIFETIME), Instant::now());
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(table.hear(ip(1), &card(1, 2000, vec![digest]), now), Heard::New);
        assert_eq!(table.hear(ip(1), &card(1, 2000, vec![]), now), Heard::Known);
        assert_eq!(table.hear(ip(2), &card(2, 2000, vec![]), now), Heard::New);
        assert_eq!(table.askable(now).len(), 2);
        assert_eq!(
            table.announced(&digest, now),
            [(NodeId::from_bytes([1; 32]), SocketAddr::new(ip(1), 2000))]
        );
        table.failed(SocketAddr::new(ip(1), 2000), now);
        assert_eq!(table.announced(&digest, now), []);
        assert_eq!(table.announced(&digest, now + AFTER_FAILURE[0]).len(), 1);
        assert_eq!(table.count(now + LIFETIME), 0);
    }

    #[test]
    fn who_fails_again_is_left_alone_for_longer_and_in_time_forgiven() {
        let (mut table, mut now) = (Table::new(LIFETIME), Instant::now());
        let address = SocketAddr::new(ip(1), 2000);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            table.hear(ip(1), &card(1, 2000, vec![]), now);
            table.failed(address, now);
            let pause = (0..100).find(|second| {
                let then = now + Duration::from_secs(*second);
                !table.askable(then).is_empty()
            });
            pauses.push(pause.unwrap());
            now += Duration::from_secs(if pauses.len() == 6 {
                FORGIVEN.as_secs()
            } else {
                *pauses.last().unwrap()
            });
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30, 2]);
    }

    #[test]
    fn nobody_makes_us_call_others_or_fills_the_table() {
        let (mut table, now) = (Table::new(LIFETIME), Instant::now());
        for port in [0, 22, 1023] {
            assert_eq!(table.hear(ip(1), &card(1, port, vec![]), now), Heard::Refused);
        }
        assert_eq!(
            table.hear("255.255.255.255".parse().unwrap(), &card(1, 2000, vec![]), now),
            Heard::Refused
        );
        let ports = (2000..3000).filter(|port| table.hear(ip(1), &card(1, *port, vec![]), now) == Heard::New);
        assert_eq!(ports.count(), MAX_PER_ADDRESS);
        let hosts = (2..1000).filter(|host| table.hear(ip(*host), &card(2, 2000, vec![]), now) == Heard::New);
        assert_eq!(hosts.count(), MAX_NODES - MAX_PER_ADDRESS);
        assert_eq!(table.askable(now).len(), 2, "one id is called at one address");
        let many: Vec<Digest> = (0..=255).map(|byte| Digest::from_bytes([byte; 32])).collect();
        for _ in 0..10 {
            table.hear(ip(1), &card(1, 2000, many.clone()), now);
        }
        assert!(table.nodes.values().all(|neighbour| neighbour.contents.len() <= 2 * MAX_ANNOUNCED));
    }
}
