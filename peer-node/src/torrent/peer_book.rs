//! The peers of one torrent that are known, and whom to dial next.
//!
//! A pure table: time is an argument, and whoever drives it dials. What trackers and people say of peers are hints, so the
//! table is bounded, and those that were of no use wait longer each time.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::bittorrent::Approach;

/// The most peers that are remembered.
const MAX_KNOWN: usize = 2000;

/// The pauses before a peer that was of no use is dialled again: they double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// The most that are banned by name; beyond that the oldest are forgiven.
const MAX_BANNED: usize = 1000;

/// Why a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// It may be of use again soon.
    Soon,
    /// There is nothing for either side at the moment.
    Useless,
    /// It did wrong.
    Banned,
}

/// How it stands with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is dialled, or connected.
    Busy,
    /// It may be dialled from then on, in the order of the numbers.
    Waiting { from: Instant, number: u64 },
}

#[derive(Debug)]
struct Entry {
    standing: Standing,
    /// How often in a row it was of no use.
    failures: u32,
    /// How the last connection to it began.
    approach: Approach,
}

/// The known peers of one torrent.
#[derive(Debug, Default)]
pub(super) struct PeerBook {
    entries: HashMap<SocketAddr, Entry>,
    numbers: u64,
    banned: BTreeMap<u64, Offender>,
}

/// Who is banned: one client, or all at an address, whatever port they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offender {
    Client(SocketAddr),
    Machine(IpAddr),
}

impl Offender {
    fn includes(self, address: SocketAddr) -> bool {
        match self {
            Self::Client(client) => client == address,
            Self::Machine(machine) => machine == address.ip(),
        }
    }

    const fn ip(self) -> IpAddr {
        match self {
            Self::Client(client) => client.ip(),
            Self::Machine(machine) => machine,
        }
    }
}

impl PeerBook {
    /// Takes in the address of a peer.
    pub(super) fn learn(&mut self, address: SocketAddr, now: Instant) {
        if self.is_banned(address) || self.entries.contains_key(&address) {
            return;
        }
        if self.entries.len() >= MAX_KNOWN && !self.forget_one() {
            return;
        }
        let standing = self.wait(now);
        self.entries.insert(address, Entry { standing, failures: 0, approach: Approach::default() });
    }

    /// Returns whom to dial now and how, and takes it to be dialled.
    pub(super) fn next(&mut self, now: Instant) -> Option<(SocketAddr, Approach)> {
        let due = |entry: &Entry| match entry.standing {
            Standing::Waiting { from, number } if from <= now => Some(number),
            _ => None,
        };
        let waiting =
            self.entries.iter_mut().filter_map(|(address, entry)| Some((due(entry)?, address, entry)));
        let (_, address, entry) = waiting.min_by_key(|(number, ..)| *number)?;
        entry.standing = Standing::Busy;
        Some((*address, entry.approach))
    }

    /// Notes how a connection to a peer began.
    pub(super) fn began(&mut self, address: SocketAddr, approach: Approach) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.approach = approach;
        }
    }

    /// Notes that a peer sent something of use.
    pub(super) fn useful(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = 0;
        }
    }

    /// Notes that a peer could not be reached, or is gone.
    pub(super) fn parted(&mut self, address: SocketAddr, parting: Parting, now: Instant) {
        if parting == Parting::Banned {
            self.ban(address);
            return;
        }
        let number = self.number();
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let longer = |pause: Duration, times: u32| pause.saturating_mul(1 << times.min(10)).min(PAUSES.1);
        let pause = match parting {
            Parting::Soon => longer(PAUSES.0, entry.failures),
            _ => PAUSES.1,
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.standing = Standing::Waiting { from: now + pause, number };
    }

    /// Says whether a peer did wrong before.
    pub(super) fn is_banned(&self, address: SocketAddr) -> bool {
        self.banned.values().any(|banned| banned.includes(address))
    }

    /// Counts the peers that are known.
    pub(super) fn known(&self) -> usize {
        self.entries.len()
    }

    /// Takes everybody to be gone.
    pub(super) fn disband(&mut self, now: Instant) {
        let busy = self.entries.values_mut().filter(|entry| entry.standing == Standing::Busy);
        for (number, entry) in (self.numbers..).zip(busy) {
            entry.standing = Standing::Waiting { from: now, number };
            self.numbers = number + 1;
        }
    }

    /// Bans a client, and its whole address if another client there was banned before: several people may share an
    /// address, but whoever connects to us can come from any port. On this machine clients are told apart by their ports alone.
    fn ban(&mut self, address: SocketAddr) {
        let is_second = self.banned.values().any(|banned| banned.ip() == address.ip());
        let offender = if is_second && !address.ip().is_loopback() {
            Offender::Machine(address.ip())
        } else {
            Offender::Client(address)
        };
        self.entries.retain(|address, _| !offender.includes(*address));
        if self.banned.len() >= MAX_BANNED {
            self.banned.pop_first();
        }
        let number = self.number();
        self.banned.insert(number, offender);
    }

    fn wait(&mut self, from: Instant) -> Standing {
        Standing::Waiting { from, number: self.number() }
    }

    const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Makes room by forgetting the peer that failed most often; one that never did is not given up for a stranger.
    fn forget_one(&mut self) -> bool {
        let idle = |entry: &Entry| entry.standing != Standing::Busy && entry.failures > 0;
        let worst =
            self.entries.iter().filter(|(_, entry)| idle(entry)).max_by_key(|(_, entry)| entry.failures);
        let Some(worst) = worst.map(|(address, _)| *address) else { return false };
        self.entries.remove(&worst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(host: u16, port: u16) -> SocketAddr {
        let [high, low] = host.to_be_bytes();
        ([10, 0, high, low], port).into()
    }

    #[test]
    fn peers_are_dialled_once_in_the_order_in_which_they_became_known() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        for host in [3, 1, 2, 3] {
            book.learn(far(host, 1), now);
        }
        let dialled: Vec<_> = std::iter::from_fn(|| book.next(now)).map(|(address, _)| address).collect();
        assert_eq!(dialled, [far(3, 1), far(1, 1), far(2, 1)]);
    }

    #[test]
    fn one_that_is_of_no_use_waits_longer_each_time_and_not_for_ever() {
        let (mut book, mut now) = (PeerBook::default(), Instant::now());
        book.learn(far(1, 1), now);
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let (address, _) = book.next(now).unwrap();
            book.parted(address, Parting::Soon, now);
            let waited = (0u32..).map(|tenths| Duration::from_millis(100) * tenths);
            let pause = waited
                .clone()
                .find(|pause| {
                    book.entries.values().all(|entry| {
                matches!(entry.standing, Standing::Waiting { from, .. } if from <= now + *pause)
            })
                })
                .unwrap();
            assert!(pause >= last && pause <= PAUSES.1);
            assert_eq!(book.next(now), None);
            (last, now) = (pause, now + pause);
        }
        assert_eq!(last, PAUSES.1);
        book.next(now).unwrap();
        book.useful(far(1, 1));
        book.parted(far(1, 1), Parting::Soon, now);
        assert!(book.next(now + PAUSES.0).is_some());
    }

    #[test]
    fn a_liar_is_banned_and_its_neighbours_at_the_address_are_not() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        for address in [far(1, 1), far(1, 2)] {
            book.learn(address, now);
        }
        book.parted(far(1, 1), Parting::Banned, now);
        book.learn(far(1, 1), now);
        assert!(book.is_banned(far(1, 1)) && !book.is_banned(far(1, 2)));
        assert_eq!((book.next(now), book.next(now)), (Some((far(1, 2), Approach::Plain)), None));
    }

    #[test]
    fn two_liars_at_an_address_are_banned_with_all_its_ports() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        let near = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in [1, 2] {
            book.parted(far(1, port), Parting::Banned, now);
            book.parted(near(port), Parting::Banned, now);
        }
        for address in [far(1, 3), near(3), far(2, 1)] {
            book.learn(address, now);
        }
        assert!(book.is_banned(far(1, 3)) && book.is_banned(far(1, 1)));
        // On this machine other clients may be anybody's.
        assert!(!book.is_banned(near(3)) && book.is_banned(near(1)));
        let plain = |address| Some((address, Approach::Plain));
        assert_eq!((book.next(now), book.next(now)), (plain(near(3)), plain(far(2, 1))));
    }

    #[test]
    fn the_table_is_bounded_and_those_that_failed_make_room() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        for host in 0..5000 {
            book.learn(far(host, 1), now);
        }
        assert_eq!(book.known(), MAX_KNOWN);
        let (first, _) = book.next(now).unwrap();
        book.parted(first, Parting::Useless, now);
        book.learn(far(6000, 1), now);
        assert!(book.entries.contains_key(&far(6000, 1)) && !book.entries.contains_key(&first));
        for host in 0..5000 {
            book.parted(far(host, 9), Parting::Banned, now);
        }
        assert_eq!(book.banned.len(), MAX_BANNED);
    }

    #[test]
    fn after_a_rest_everybody_may_be_dialled_again() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        book.learn(far(1, 1), now);
        book.learn(far(2, 1), now);
        book.next(now).unwrap();
        let (second, _) = book.next(now).unwrap();
        book.parted(second, Parting::Soon, now);
        book.disband(now);
        assert_eq!(book.next(now), Some((far(1, 1), Approach::Plain)));
        assert_eq!(book.next(now), None);
        assert_eq!(book.next(now + PAUSES.0), Some((second, Approach::Plain)));
    }

    #[test]
    fn how_a_connection_to_a_peer_began_is_remembered() {
        let (mut book, now) = (PeerBook::default(), Instant::now());
        book.learn(far(1, 1), now);
        for approach in [Approach::Plain, Approach::Encrypted, Approach::Plain] {
            book.began(far(1, 1), approach);
            book.disband(now);
            book.parted(far(1, 1), Parting::Useless, now);
            assert_eq!(book.next(now + PAUSES.1), Some((far(1, 1), approach)));
        }
    }
}
