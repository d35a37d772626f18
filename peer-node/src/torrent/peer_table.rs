//! The known peers of one torrent, and which to dial next.
//!
//! A pure table: time is an argument, and the caller dials. Addresses from trackers and users are hints, so the table
//! is bounded, and useless peers wait longer after each failure.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::backoff::BackoffRange;

use crate::bittorrent::ConnectMode;

/// Maximum number of known peers.
const MAX_PEERS: usize = 2000;

/// Minimum and maximum delay before a useless peer is dialled again; the delay doubles on each failure.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(5), Duration::from_mins(10));

/// Maximum number of bans; beyond it the oldest is lifted.
const MAX_BANNED: usize = 1000;

/// Why a connection ended, for the next dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisconnectKind {
    /// The peer may be useful again soon.
    RetrySoon,
    /// Neither side needs anything at the moment.
    Useless,
    /// The peer misbehaved.
    Banned,
}

/// Dial state of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DialState {
    /// Being dialled, or connected.
    Busy,
    /// May be dialled from `not_before` on, by ascending `order`.
    Waiting { not_before: Instant, order: u64 },
}

#[derive(Debug)]
struct KnownPeer {
    state: DialState,
    /// Consecutive failures.
    failures: u32,
    /// How the last connection began.
    connect_mode: ConnectMode,
}

/// The known peers of one torrent.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    peers: HashMap<SocketAddr, KnownPeer>,
    last_order: u64,
    banned: BTreeMap<u64, BanScope>,
}

/// Scope of a ban: one client, or every client at an address, whatever its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BanScope {
    Client(SocketAddr),
    Address(IpAddr),
}

impl BanScope {
    fn includes(self, address: SocketAddr) -> bool {
        match self {
            Self::Client(client) => client == address,
            Self::Address(ip) => ip == address.ip(),
        }
    }

    const fn ip(self) -> IpAddr {
        match self {
            Self::Client(client) => client.ip(),
            Self::Address(ip) => ip,
        }
    }
}

impl PeerTable {
    /// Adds the address of a peer.
    pub(super) fn add(&mut self, address: SocketAddr, now: Instant) {
        if self.is_banned(address) || self.peers.contains_key(&address) {
            return;
        }
        if self.peers.len() >= MAX_PEERS && !self.evict_one() {
            return;
        }
        let state = self.waiting(now);
        self.peers.insert(address, KnownPeer { state, failures: 0, connect_mode: ConnectMode::default() });
    }

    /// Returns the next peer to dial and the connect mode, and marks it busy.
    pub(super) fn next(&mut self, now: Instant) -> Option<(SocketAddr, ConnectMode)> {
        let due = |entry: &KnownPeer| match entry.state {
            DialState::Waiting { not_before, order } if not_before <= now => Some(order),
            _ => None,
        };
        let waiting =
            self.peers.iter_mut().filter_map(|(address, entry)| Some((due(entry)?, address, entry)));
        let (_, address, entry) = waiting.min_by_key(|(order, ..)| *order)?;
        entry.state = DialState::Busy;
        Some((*address, entry.connect_mode))
    }

    /// Returns when the next peer may be dialled.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |entry: &KnownPeer| match entry.state {
            DialState::Waiting { not_before, .. } => Some(not_before),
            DialState::Busy => None,
        };
        self.peers.values().filter_map(due).min()
    }

    /// Records how a connection to a peer began.
    pub(super) fn connected(&mut self, address: SocketAddr, mode: ConnectMode) {
        if let Some(entry) = self.peers.get_mut(&address) {
            entry.connect_mode = mode;
        }
    }

    /// Resets the failure count, after a peer sent useful data.
    pub(super) fn reset_failures(&mut self, address: SocketAddr) {
        if let Some(entry) = self.peers.get_mut(&address) {
            entry.failures = 0;
        }
    }

    /// Records that a dial failed or a connection ended; `random` adds jitter to the delay before the next dial.
    pub(super) fn disconnected(
        &mut self,
        address: SocketAddr,
        kind: DisconnectKind,
        now: Instant,
        random: u64,
    ) {
        if kind == DisconnectKind::Banned {
            self.ban(address);
            return;
        }
        let order = self.next_order();
        let Some(entry) = self.peers.get_mut(&address) else { return };
        let pause = match kind {
            DisconnectKind::RetrySoon => RETRY_DELAYS.delay(entry.failures, random),
            _ => RETRY_DELAYS.max(),
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.state = DialState::Waiting { not_before: now + pause, order };
    }

    /// Returns true if a peer is banned.
    pub(super) fn is_banned(&self, address: SocketAddr) -> bool {
        self.banned.values().any(|banned| banned.includes(address))
    }

    /// Returns the number of known peers.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Marks every peer as disconnected.
    pub(super) fn release_all(&mut self, now: Instant) {
        let busy = self.peers.values_mut().filter(|entry| entry.state == DialState::Busy);
        for (order, entry) in (self.last_order..).zip(busy) {
            entry.state = DialState::Waiting { not_before: now, order };
            self.last_order = order + 1;
        }
    }

    /// Bans a client, or its whole address if another client there is banned already: several people may share an
    /// address, but one peer can connect from any port. On loopback only single clients are banned, since all share the
    /// address.
    fn ban(&mut self, address: SocketAddr) {
        let is_second = self.banned.values().any(|banned| banned.ip() == address.ip());
        let scope = if is_second && !address.ip().is_loopback() {
            BanScope::Address(address.ip())
        } else {
            BanScope::Client(address)
        };
        self.peers.retain(|address, _| !scope.includes(*address));
        if self.banned.len() >= MAX_BANNED {
            self.banned.pop_first();
        }
        let order = self.next_order();
        self.banned.insert(order, scope);
    }

    fn waiting(&mut self, from: Instant) -> DialState {
        DialState::Waiting { not_before: from, order: self.next_order() }
    }

    const fn next_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// Evicts the peer with the most failures; a peer without failures is never evicted for an unknown one.
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
        let (mut table, now) = (PeerTable::default(), Instant::now());
        for host in [3, 1, 2, 3] {
            table.add(remote_peer(host, 1), now);
        }
        let dialled: Vec<_> = std::iter::from_fn(|| table.next(now)).map(|(address, _)| address).collect();
        assert_eq!(dialled, [remote_peer(3, 1), remote_peer(1, 1), remote_peer(2, 1)]);
    }

    #[test]
    fn retry_delay_grows_to_a_maximum() {
        let (mut table, mut now) = (PeerTable::default(), Instant::now());
        table.add(remote_peer(1, 1), now);
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let (address, _) = table.next(now).unwrap();
            table.disconnected(address, DisconnectKind::RetrySoon, now, 0);
            let waited = (0u32..).map(|tenths| Duration::from_millis(100) * tenths);
            let pause = waited
                .clone()
                .find(|pause| {
                    table.peers.values().all(|entry| {
                matches!(entry.state, DialState::Waiting { not_before, .. } if not_before <= now + *pause)
            })
                })
                .unwrap();
            assert!(pause >= last && pause <= RETRY_DELAYS.max());
            assert_eq!(table.next(now), None);
            (last, now) = (pause, now + pause);
        }
        assert_eq!(last, RETRY_DELAYS.max() / 2);
        table.next(now).unwrap();
        table.reset_failures(remote_peer(1, 1));
        table.disconnected(remote_peer(1, 1), DisconnectKind::RetrySoon, now, 0);
        assert!(table.next(now + RETRY_DELAYS.min()).is_some());
    }

    #[test]
    fn one_ban_does_not_affect_other_ports_of_the_address() {
        let (mut table, now) = (PeerTable::default(), Instant::now());
        for address in [remote_peer(1, 1), remote_peer(1, 2)] {
            table.add(address, now);
        }
        table.disconnected(remote_peer(1, 1), DisconnectKind::Banned, now, 0);
        table.add(remote_peer(1, 1), now);
        assert!(table.is_banned(remote_peer(1, 1)) && !table.is_banned(remote_peer(1, 2)));
        assert_eq!((table.next(now), table.next(now)), (Some((remote_peer(1, 2), ConnectMode::Plain)), None));
    }

    #[test]
    fn two_bans_at_an_address_ban_the_whole_address() {
        let (mut table, now) = (PeerTable::default(), Instant::now());
        let local_peer = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in [1, 2] {
            table.disconnected(remote_peer(1, port), DisconnectKind::Banned, now, 0);
            table.disconnected(local_peer(port), DisconnectKind::Banned, now, 0);
        }
        for address in [remote_peer(1, 3), local_peer(3), remote_peer(2, 1)] {
            table.add(address, now);
        }
        assert!(table.is_banned(remote_peer(1, 3)) && table.is_banned(remote_peer(1, 1)));
        // On loopback other ports may belong to other users.
        assert!(!table.is_banned(local_peer(3)) && table.is_banned(local_peer(1)));
        let plain = |address| Some((address, ConnectMode::Plain));
        assert_eq!((table.next(now), table.next(now)), (plain(local_peer(3)), plain(remote_peer(2, 1))));
    }

    #[test]
    fn table_is_bounded_and_failed_peers_are_evicted() {
        let (mut table, now) = (PeerTable::default(), Instant::now());
        for host in 0..5000 {
            table.add(remote_peer(host, 1), now);
        }
        assert_eq!(table.len(), MAX_PEERS);
        let (first, _) = table.next(now).unwrap();
        table.disconnected(first, DisconnectKind::Useless, now, 0);
        table.add(remote_peer(6000, 1), now);
        assert!(table.peers.contains_key(&remote_peer(6000, 1)) && !table.peers.contains_key(&first));
        for host in 0..5000 {
            table.disconnected(remote_peer(host, 9), DisconnectKind::Banned, now, 0);
        }
        assert_eq!(table.banned.len(), MAX_BANNED);
    }

    #[test]
    fn after_release_all_every_peer_can_be_dialled() {
        let (mut table, now) = (PeerTable::default(), Instant::now());
        table.add(remote_peer(1, 1), now);
        table.add(remote_peer(2, 1), now);
        table.next(now).unwrap();
        let (second, _) = table.next(now).unwrap();
        table.disconnected(second, DisconnectKind::RetrySoon, now, 0);
        table.release_all(now);
        assert_eq!(table.next(now), Some((remote_peer(1, 1), ConnectMode::Plain)));
        assert_eq!(table.next(now), None);
        assert_eq!(table.next(now + RETRY_DELAYS.min()), Some((second, ConnectMode::Plain)));
    }

    #[test]
    fn the_connect_mode_of_a_peer_is_remembered() {
        let (mut table, now) = (PeerTable::default(), Instant::now());
        table.add(remote_peer(1, 1), now);
        for mode in [ConnectMode::Plain, ConnectMode::Encrypted, ConnectMode::Plain] {
            table.connected(remote_peer(1, 1), mode);
            table.release_all(now);
            table.disconnected(remote_peer(1, 1), DisconnectKind::Useless, now, 0);
            assert_eq!(table.next(now + RETRY_DELAYS.max()), Some((remote_peer(1, 1), mode)));
        }
    }
}
