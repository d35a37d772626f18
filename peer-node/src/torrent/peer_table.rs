//! The peers of one torrent that are known, and whom to dial next.
//!
//! A pure table: time is an argument, and whoever drives it dials. What trackers and people say of peers are hints, so the
//! table is bounded, and those that were of no use wait longer each time.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::bittorrent::ConnectMode;

/// The most peers that are remembered.
const MAX_PEERS: usize = 2000;

/// The pauses before a peer that was of no use is dialled again: they double from the first to the last.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// The most that are banned by name; beyond that the oldest are forgiven.
const MAX_BANNED: usize = 1000;

/// Why a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisconnectKind {
    /// It may be of use again soon.
    RetrySoon,
    /// There is nothing for either side at the moment.
    Useless,
    /// It did wrong.
    Banned,
}

/// How it stands with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DialState {
    /// It is dialled, or connected.
    Busy,
    /// It may be dialled from then on, in the order of the numbers.
    Waiting { not_before: Instant, order: u64 },
}

#[derive(Debug)]
struct KnownPeer {
    state: DialState,
    /// How often in a row it was of no use.
    failures: u32,
    /// How the last connection to it began.
    connect_mode: ConnectMode,
}

/// The known peers of one torrent.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    peers: HashMap<SocketAddr, KnownPeer>,
    last_order: u64,
    banned: BTreeMap<u64, BanScope>,
}

/// Who is banned: one client, or all at an address, whatever port they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BanScope {
    Client(SocketAddr),
    Address(IpAddr),
}

impl BanScope {
    fn includes(self, address: SocketAddr) -> bool {
        match self {
            Self::Client(client) => client == address,
            Self::Address(machine) => machine == address.ip(),
        }
    }

    const fn ip(self) -> IpAddr {
        match self {
            Self::Client(client) => client.ip(),
            Self::Address(machine) => machine,
        }
    }
}

impl PeerTable {
    /// Takes in the address of a peer.
    pub(super) fn add(&mut self, address: SocketAddr, now: Instant) {
        if self.is_banned(address) || self.peers.contains_key(&address) {
            return;
        }
        if self.peers.len() >= MAX_PEERS && !self.evict_one() {
            return;
        }
        let standing = self.waiting(now);
        self.peers.insert(
            address,
            KnownPeer { state: standing, failures: 0, connect_mode: ConnectMode::default() },
        );
    }

    /// Returns whom to dial now and how, and takes it to be dialled.
    pub(super) fn next(&mut self, now: Instant) -> Option<(SocketAddr, ConnectMode)> {
        let due = |entry: &KnownPeer| match entry.state {
            DialState::Waiting { not_before: from, order: number } if from <= now => Some(number),
            _ => None,
        };
        let waiting =
            self.peers.iter_mut().filter_map(|(address, entry)| Some((due(entry)?, address, entry)));
        let (_, address, entry) = waiting.min_by_key(|(number, ..)| *number)?;
        entry.state = DialState::Busy;
        Some((*address, entry.connect_mode))
    }

    /// Notes how a connection to a peer began.
    pub(super) fn connected(&mut self, address: SocketAddr, approach: ConnectMode) {
        if let Some(entry) = self.peers.get_mut(&address) {
            entry.connect_mode = approach;
        }
    }

    /// Notes that a peer sent something of use.
    pub(super) fn reset_failures(&mut self, address: SocketAddr) {
        if let Some(entry) = self.peers.get_mut(&address) {
            entry.failures = 0;
        }
    }

    /// Notes that a peer could not be reached, or is gone.
    pub(super) fn disconnected(&mut self, address: SocketAddr, kind: DisconnectKind, now: Instant) {
        if kind == DisconnectKind::Banned {
            self.ban(address);
            return;
        }
        let number = self.next_order();
        let Some(entry) = self.peers.get_mut(&address) else { return };
        let longer =
            |pause: Duration, times: u32| pause.saturating_mul(1 << times.min(10)).min(RETRY_DELAYS.1);
        let pause = match kind {
            DisconnectKind::RetrySoon => longer(RETRY_DELAYS.0, entry.failures),
            _ => RETRY_DELAYS.1,
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.state = DialState::Waiting { not_before: now + pause, order: number };
    }

    /// Says whether a peer did wrong before.
    pub(super) fn is_banned(&self, address: SocketAddr) -> bool {
        self.banned.values().any(|banned| banned.includes(address))
    }

    /// Counts the peers that are known.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Takes everybody to be gone.
    pub(super) fn release_all(&mut self, now: Instant) {
        let busy = self.peers.values_mut().filter(|entry| entry.state == DialState::Busy);
        for (number, entry) in (self.last_order..).zip(busy) {
            entry.state = DialState::Waiting { not_before: now, order: number };
            self.last_order = number + 1;
        }
    }

    /// Bans a client, and its whole address if another client there was banned before: several people may share an
    /// address, but whoever connects to us can come from any port. On this machine clients are told apart by their ports alone.
    fn ban(&mut self, address: SocketAddr) {
        let is_second = self.banned.values().any(|banned| banned.ip() == address.ip());
        let offender = if is_second && !address.ip().is_loopback() {
            BanScope::Address(address.ip())
        } else {
            BanScope::Client(address)
        };
        self.peers.retain(|address, _| !offender.includes(*address));
        if self.banned.len() >= MAX_BANNED {
            self.banned.pop_first();
        }
        let number = self.next_order();
        self.banned.insert(number, offender);
    }

    fn waiting(&mut self, from: Instant) -> DialState {
        DialState::Waiting { not_before: from, order: self.next_order() }
    }

    const fn next_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// Makes room by forgetting the peer that failed most often; one that never did is not given up for a stranger.
    fn evict_one(&mut self) -> bool {
        let idle = |entry: &KnownPeer| entry.state != DialState::Busy && entry.failures > 0;
        let worst =
            self.peers.iter().filter(|(_, entry)| idle(entry)).max_by_key(|(_, entry)| entry.failures);
        let Some(worst) = worst.map(|(address, _)| *address) else { return false };
        self.peers.remove(&worst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote_peer(host: u16, port: u16) -> SocketAddr {
        let [high, low] = host.to_be_bytes();
        ([10, 0, high, low], port).into()
    }

    #[test]
    fn peers_are_dialled_once_in_the_order_they_were_added() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        for host in [3, 1, 2, 3] {
            book.add(remote_peer(host, 1), now);
        }
        let dialled: Vec<_> = std::iter::from_fn(|| book.next(now)).map(|(address, _)| address).collect();
        assert_eq!(dialled, [remote_peer(3, 1), remote_peer(1, 1), remote_peer(2, 1)]);
    }

    #[test]
    fn retry_delay_grows_to_a_maximum() {
        let (mut book, mut now) = (PeerTable::default(), Instant::now());
        book.add(remote_peer(1, 1), now);
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let (address, _) = book.next(now).unwrap();
            book.disconnected(address, DisconnectKind::RetrySoon, now);
            let waited = (0u32..).map(|tenths| Duration::from_millis(100) * tenths);
            let pause = waited
                .clone()
                .find(|pause| {
                    book.peers.values().all(|entry| {
                matches!(entry.state, DialState::Waiting { not_before, .. } if not_before <= now + *pause)
            })
                })
                .unwrap();
            assert!(pause >= last && pause <= RETRY_DELAYS.1);
            assert_eq!(book.next(now), None);
            (last, now) = (pause, now + pause);
        }
        assert_eq!(last, RETRY_DELAYS.1);
        book.next(now).unwrap();
        book.reset_failures(remote_peer(1, 1));
        book.disconnected(remote_peer(1, 1), DisconnectKind::RetrySoon, now);
        assert!(book.next(now + RETRY_DELAYS.0).is_some());
    }

    #[test]
    fn one_ban_does_not_affect_other_ports_of_the_address() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        for address in [remote_peer(1, 1), remote_peer(1, 2)] {
            book.add(address, now);
        }
        book.disconnected(remote_peer(1, 1), DisconnectKind::Banned, now);
        book.add(remote_peer(1, 1), now);
        assert!(book.is_banned(remote_peer(1, 1)) && !book.is_banned(remote_peer(1, 2)));
        assert_eq!((book.next(now), book.next(now)), (Some((remote_peer(1, 2), ConnectMode::Plain)), None));
    }

    #[test]
    fn two_bans_at_an_address_ban_the_whole_address() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        let local_peer = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in [1, 2] {
            book.disconnected(remote_peer(1, port), DisconnectKind::Banned, now);
            book.disconnected(local_peer(port), DisconnectKind::Banned, now);
        }
        for address in [remote_peer(1, 3), local_peer(3), remote_peer(2, 1)] {
            book.add(address, now);
        }
        assert!(book.is_banned(remote_peer(1, 3)) && book.is_banned(remote_peer(1, 1)));
        // On this machine other clients may be anybody's.
        assert!(!book.is_banned(local_peer(3)) && book.is_banned(local_peer(1)));
        let plain = |address| Some((address, ConnectMode::Plain));
        assert_eq!((book.next(now), book.next(now)), (plain(local_peer(3)), plain(remote_peer(2, 1))));
    }

    #[test]
    fn table_is_bounded_and_failed_peers_are_evicted() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        for host in 0..5000 {
            book.add(remote_peer(host, 1), now);
        }
        assert_eq!(book.len(), MAX_PEERS);
        let (first, _) = book.next(now).unwrap();
        book.disconnected(first, DisconnectKind::Useless, now);
        book.add(remote_peer(6000, 1), now);
        assert!(book.peers.contains_key(&remote_peer(6000, 1)) && !book.peers.contains_key(&first));
        for host in 0..5000 {
            book.disconnected(remote_peer(host, 9), DisconnectKind::Banned, now);
        }
        assert_eq!(book.banned.len(), MAX_BANNED);
    }

    #[test]
    fn after_release_all_every_peer_can_be_dialled() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        book.add(remote_peer(1, 1), now);
        book.add(remote_peer(2, 1), now);
        book.next(now).unwrap();
        let (second, _) = book.next(now).unwrap();
        book.disconnected(second, DisconnectKind::RetrySoon, now);
        book.release_all(now);
        assert_eq!(book.next(now), Some((remote_peer(1, 1), ConnectMode::Plain)));
        assert_eq!(book.next(now), None);
        assert_eq!(book.next(now + RETRY_DELAYS.0), Some((second, ConnectMode::Plain)));
    }

    #[test]
    fn the_connect_mode_of_a_peer_is_remembered() {
        let (mut book, now) = (PeerTable::default(), Instant::now());
        book.add(remote_peer(1, 1), now);
        for approach in [ConnectMode::Plain, ConnectMode::Encrypted, ConnectMode::Plain] {
            book.connected(remote_peer(1, 1), approach);
            book.release_all(now);
            book.disconnected(remote_peer(1, 1), DisconnectKind::Useless, now);
            assert_eq!(book.next(now + RETRY_DELAYS.1), Some((remote_peer(1, 1), approach)));
        }
    }
}
