use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LIMITS: SwarmLimits = SwarmLimits {
    peers: 40,
    peers_per_torrent: 20,
    peers_per_address: 10,
    peers_per_torrent_and_address: 5,
    lifetime: Duration::from_mins(1),
};

fn torrent(number: u8) -> Infohash {
    Infohash::from_bytes([number; 20])
}

fn address(host: u8, port: u16) -> SocketAddr {
    ([192, 0, 2, host], port).into()
}

fn announcement(infohash: Infohash, address: SocketAddr, is_seed: bool, event: PeerEvent) -> PeerAnnounce {
    let peer = SwarmPeer { address, peer_id: Some([7; 20]) };
    PeerAnnounce { infohash, peer, network: address.ip(), is_seed, event }
}

struct SwarmsFixture {
    swarms: Swarms,
    now: Instant,
}

impl SwarmsFixture {
    fn new() -> Self {
        Self { swarms: Swarms::new(LIMITS), now: Instant::now() }
    }

    fn announce(&mut self, number: u8, address: SocketAddr, is_seed: bool, event: PeerEvent) {
        self.swarms.announce(self.now, announcement(torrent(number), address, is_seed, event));
    }

    fn leecher(&mut self, number: u8, address: SocketAddr) {
        self.announce(number, address, false, PeerEvent::Present);
    }

    fn seed(&mut self, number: u8, address: SocketAddr) {
        self.announce(number, address, true, PeerEvent::Present);
    }

    fn chosen(&self, number: u8, asker: SocketAddr, is_seed: bool, wanted: usize) -> BTreeSet<SocketAddr> {
        let mut random = SplitMix64::from_seed(5);
        let chosen = self.swarms.choose(&torrent(number), (asker, is_seed), wanted, &mut random);
        chosen.into_iter().map(|peer| peer.address).collect()
    }

    fn counts(&self, number: u8) -> (usize, usize, u32) {
        let counts = self.swarms.counts(&torrent(number));
        (counts.complete, counts.incomplete, counts.downloaded)
    }
}

#[test]
fn leecher_gets_all_others_and_seed_only_leechers() {
    let mut world = SwarmsFixture::new();
    for host in 1..4 {
        world.leecher(1, address(host, 1));
        world.seed(1, address(host, 2));
    }
    world.leecher(2, address(9, 9));
    let leechers = BTreeSet::from([1, 2, 3].map(|host| address(host, 1)));
    let seeds = BTreeSet::from([1, 2, 3].map(|host| address(host, 2)));
    let all: BTreeSet<_> = leechers.union(&seeds).copied().collect();
    let asker = address(1, 1);
    let mut others = all.clone();
    others.remove(&asker);
    assert_eq!(world.chosen(1, asker, false, 50), others);
    assert_eq!(world.chosen(1, address(1, 2), true, 50), leechers);
    assert_eq!(world.chosen(1, address(8, 8), false, 6), all);
    assert_eq!(world.chosen(1, address(8, 8), false, 4).len(), 4);
    assert_eq!(world.chosen(1, asker, false, 0).len(), 0);
    assert_eq!(world.counts(1), (3, 3, 0));
    assert_eq!(world.chosen(3, asker, false, 50), BTreeSet::new());
}

#[test]
fn completed_counts_once_and_stopped_leaves() {
    let mut world = SwarmsFixture::new();
    world.leecher(1, address(1, 1));
    world.announce(1, address(1, 1), true, PeerEvent::Completed);
    world.announce(1, address(1, 1), true, PeerEvent::Completed);
    assert_eq!(world.counts(1), (1, 0, 1));
    // `completed` does not make a peer a seed as long as it announces bytes left.
    world.announce(1, address(2, 1), false, PeerEvent::Completed);
    assert_eq!(world.counts(1), (1, 1, 1));
    world.announce(1, address(2, 1), false, PeerEvent::Stopped);
    world.announce(1, address(3, 1), false, PeerEvent::Stopped);
    assert_eq!(world.counts(1), (1, 0, 1));
    world.announce(1, address(1, 1), true, PeerEvent::Stopped);
    assert!(world.swarms.torrents.is_empty() && world.swarms.announce_order.len() == 0);
}

#[test]
fn silent_peer_expires() {
    let mut world = SwarmsFixture::new();
    world.leecher(1, address(1, 1));
    world.now += Duration::from_secs(40);
    world.leecher(1, address(2, 1));
    world.now += Duration::from_secs(21);
    world.leecher(2, address(3, 1));
    assert_eq!(world.counts(1), (0, 1, 0));
    world.now += Duration::from_secs(61);
    world.leecher(2, address(3, 1));
    assert_eq!((world.counts(1), world.counts(2)), ((0, 0, 0), (0, 1, 0)));
    assert_eq!(world.swarms.torrents.len(), 1);
}

#[test]
fn loopback_peers_are_sent_only_to_loopback() {
    let mut world = SwarmsFixture::new();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    world.leecher(1, local);
    assert_eq!(world.chosen(1, address(1, 1), false, 9), BTreeSet::new());
    assert_eq!(world.chosen(1, (Ipv4Addr::LOCALHOST, 2).into(), false, 9), BTreeSet::from([local]));
}

#[test]
fn address_limit_evicts_own_peers_of_a_torrent() {
    let mut world = SwarmsFixture::new();
    world.seed(1, address(1, 1));
    for port in 1..1000 {
        world.seed(1, address(2, port));
    }
    assert_eq!(world.counts(1), (6, 0, 0));
    assert!(world.swarms.contains(&torrent(1), address(1, 1)));
    assert!(world.swarms.contains(&torrent(1), address(2, 999)));
}

#[test]
fn address_limit_evicts_own_torrents() {
    let mut world = SwarmsFixture::new();
    world.seed(200, address(1, 1));
    for number in 0..100 {
        world.seed(number, address(2, 1));
    }
    assert_eq!(world.swarms.torrents.len(), 11);
    assert_eq!((world.counts(200), world.counts(99), world.counts(89)), ((1, 0, 0), (1, 0, 0), (0, 0, 0)));
}

#[test]
fn full_tables_evict_the_longest_silent_peer() {
    let mut world = SwarmsFixture::new();
    for host in 0..30 {
        world.seed(1, address(host, 1));
    }
    assert_eq!(world.counts(1), (20, 0, 0));
    world.seed(1, address(10, 1));
    world.seed(1, address(99, 1));
    assert!(world.swarms.contains(&torrent(1), address(10, 1)));
    assert!(!world.swarms.contains(&torrent(1), address(11, 1)));
    for host in 0..100 {
        world.seed(host, address(host, 2));
    }
    assert_eq!(world.swarms.announce_order.len(), 40);
    assert_eq!((world.counts(59), world.counts(60)), ((0, 0, 0), (1, 0, 0)));
}

#[test]
fn peers_are_chosen_uniformly() {
    let mut world = SwarmsFixture::new();
    for host in 0..20 {
        world.leecher(1, address(host, 1));
    }
    let (mut random, mut drawn) = (SplitMix64::from_seed(1), BTreeMap::<SocketAddr, u32>::new());
    for _ in 0..10_000 {
        for peer in world.swarms.choose(&torrent(1), (address(99, 1), false), 2, &mut random) {
            *drawn.entry(peer.address).or_default() += 1;
        }
    }
    assert_eq!(drawn.len(), 20);
    assert!(drawn.values().all(|count| (800..1200).contains(count)), "{drawn:?}");
}

proptest! {
    /// Compares with a model that keeps every announce.
    #[test]
    fn swarms_match_a_plain_model_within_limits(
        events in prop::collection::vec((0u8..4, 0u8..4, 1u16..4, any::<bool>(), 0u8..6, 0u64..9), 0..200),
    ) {
        let mut world = SwarmsFixture::new();
        let limits = SwarmLimits { peers_per_torrent_and_address: 9, peers_per_address: 99, ..LIMITS };
        world.swarms = Swarms::new(SwarmLimits { peers: 99, peers_per_torrent: 99, ..limits });
        let mut plain = BTreeMap::<(u8, SocketAddr), (bool, Instant)>::new();
        for (number, host, port, is_seed, change, pause) in events {
            world.now += Duration::from_secs(pause);
            let change = match change { 0 => PeerEvent::Stopped, 1 => PeerEvent::Completed, _ => PeerEvent::Present };
            let address = address(host, port);
            world.announce(number, address, is_seed, change);
            plain.retain(|_, (_, last_announce)| world.now - *last_announce <= LIMITS.lifetime);
            match change {
                PeerEvent::Stopped => drop(plain.remove(&(number, address))),
                _ => drop(plain.insert((number, address), (is_seed, world.now))),
            }
            for number in 0..4 {
                let of_torrent = || plain.iter().filter(|((torrent, _), _)| *torrent == number);
                let seeds = of_torrent().filter(|(_, (is_seed, _))| *is_seed).count();
                let (complete, incomplete, _) = world.counts(number);
                prop_assert_eq!((complete, incomplete), (seeds, of_torrent().count() - seeds));
                let all: BTreeSet<_> = of_torrent().map(|((_, address), _)| *address).collect();
                prop_assert_eq!(world.chosen(number, "192.0.2.99:1".parse().unwrap(), false, 99), all);
            }
            prop_assert_eq!(world.swarms.announce_order.len(), plain.len());
        }
    }

    #[test]
    fn limits_are_never_exceeded(
        events in prop::collection::vec((0u8..6, 0u8..8, 1u16..20), 0..400),
    ) {
        let mut world = SwarmsFixture::new();
        for (number, host, port) in events {
            world.leecher(number, address(host, port));
            prop_assert!(world.swarms.announce_order.len() <= LIMITS.peers);
            prop_assert!(world.counts(number).1 <= LIMITS.peers_per_torrent);
            prop_assert!(world.swarms.contains(&torrent(number), address(host, port)));
            let chosen = |torrent: &u8| world.chosen(*torrent, "192.0.2.99:1".parse().unwrap(), false, 99);
            let of_address = (0..6).map(|torrent| chosen(&torrent).iter().filter(|peer| peer.ip() == address(host, 1).ip()).count());
            let of_address: Vec<_> = of_address.collect();
            prop_assert!(of_address.iter().all(|count| *count <= LIMITS.peers_per_torrent_and_address));
            prop_assert!(of_address.iter().sum::<usize>() <= LIMITS.peers_per_address);
        }
    }
}
