//! The peers in order of their last announces: in total, per torrent, per address, and per torrent and address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use protocol::infohash::Infohash;

use crate::limits::SwarmLimits;

/// The last announce of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnnounceEntry {
    pub(super) infohash: Infohash,
    pub(super) address: SocketAddr,
    /// The address group of the peer.
    pub(super) network: IpAddr,
    pub(super) received_at: Instant,
}

/// The scope of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum CountScope {
    Torrent(Infohash),
    Address(IpAddr),
    TorrentAndAddress(Infohash, IpAddr),
}

/// All peers in order of their last announces. Each announce has a sequence number that is never reused.
#[derive(Debug, Default)]
pub(super) struct AnnounceOrder {
    entries: BTreeMap<u64, AnnounceEntry>,
    scopes: BTreeSet<(CountScope, u64)>,
    counts: HashMap<CountScope, usize>,
    last_sequence: u64,
}

impl AnnounceEntry {
    const fn scopes(&self) -> [CountScope; 3] {
        [
            CountScope::Torrent(self.infohash),
            CountScope::Address(self.network),
            CountScope::TorrentAndAddress(self.infohash, self.network),
        ]
    }
}

impl AnnounceOrder {
    /// Adds an announce and returns its sequence number.
    pub(super) fn add(&mut self, entry: AnnounceEntry) -> u64 {
        self.last_sequence = self.last_sequence.wrapping_add(1);
        for scope in entry.scopes() {
            self.scopes.insert((scope, self.last_sequence));
            *self.counts.entry(scope).or_default() += 1;
        }
        self.entries.insert(self.last_sequence, entry);
        self.last_sequence
    }

    /// Removes an announce.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<AnnounceEntry> {
        let entry = self.entries.remove(&sequence)?;
        for scope in entry.scopes() {
            self.scopes.remove(&(scope, sequence));
            match self.counts.get_mut(&scope) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.counts.remove(&scope)),
            }
        }
        Some(entry)
    }

    /// Returns the oldest announce in the scope whose limit the announce `sequence` exceeds, if any.
    pub(super) fn oldest_over_limit(&self, sequence: u64, limits: &SwarmLimits) -> Option<u64> {
        let [torrent, address, share] = self.entries.get(&sequence)?.scopes();
        let bounds = [
            (share, limits.peers_per_torrent_and_address),
            (address, limits.peers_per_address),
            (torrent, limits.peers_per_torrent),
        ];
        let exceeded = bounds.into_iter().find(|(scope, limit)| self.counts.get(scope) > Some(limit));
        if let Some((scope, _)) = exceeded {
            return self.scopes.range((scope, 0)..).next().map(|(_, oldest)| *oldest);
        }
        let (oldest, _) = self.entries.first_key_value().filter(|_| self.entries.len() > limits.peers)?;
        Some(*oldest)
    }

    /// Returns the oldest announce if it is older than `lifetime`.
    pub(super) fn oldest_expired(&self, now: Instant, lifetime: Duration) -> Option<u64> {
        let (sequence, entry) = self.entries.first_key_value()?;
        (now.saturating_duration_since(entry.received_at) > lifetime).then_some(*sequence)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shares =
            self.counts.iter().filter(|(scope, _)| matches!(scope, CountScope::TorrentAndAddress(..)));
        assert_eq!(shares.map(|(_, count)| count).sum::<usize>(), self.entries.len());
        assert_eq!(self.scopes.len(), 3 * self.entries.len());
        self.entries.len()
    }
}
