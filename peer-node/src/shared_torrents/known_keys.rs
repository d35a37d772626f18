use std::collections::{HashMap, VecDeque};

use protocol::bittorrent::mse::TorrentKey;
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENTS_PER_NODE;

/// Maximum number of requested torrents; one more replaces the least recently requested.
const MAX_REQUESTED: usize = 1000;

/// Maximum number of created torrents: as many as the index accepts.
const MAX_CREATED: usize = MAX_TORRENTS_PER_NODE as usize;

/// Keys of the torrents of shared files that this node can serve, whether or not they have joined. Pure: the caller
/// persists them.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    created: HashMap<TorrentKey, Infohash>,
    /// Least recently requested first.
    requested: VecDeque<(TorrentKey, Infohash)>,
}

impl KnownKeys {
    /// Returns the torrent with a key.
    pub(super) fn find(&self, key: &TorrentKey) -> Option<Infohash> {
        let requested =
            || self.requested.iter().find(|(requested, _)| requested == key).map(|(_, infohash)| *infohash);
        self.created.get(key).copied().or_else(requested)
    }

    /// Adds a created torrent, if the limit is not reached.
    pub(super) fn add_created(&mut self, infohash: Infohash) {
        if self.created.len() < MAX_CREATED {
            self.created.insert(TorrentKey::of(infohash), infohash);
        }
    }

    /// Removes a created torrent.
    pub(super) fn remove_created(&mut self, infohash: Infohash) {
        self.created.remove(&TorrentKey::of(infohash));
    }

    /// Adds a requested torrent, or moves it to the end. Returns the evicted torrents.
    pub(super) fn add_requested(&mut self, infohash: Infohash) -> Vec<Infohash> {
        let key = TorrentKey::of(infohash);
        self.requested.retain(|(requested, _)| *requested != key);
        self.requested.push_back((key, infohash));
        self.evict_excess()
    }

    /// Adds torrents requested in earlier runs, least recent first, before all others. Returns the evicted torrents.
    pub(super) fn restore(&mut self, requested: impl DoubleEndedIterator<Item = Infohash>) -> Vec<Infohash> {
        for infohash in requested.rev() {
            let key = TorrentKey::of(infohash);
            if !self.requested.iter().any(|(known, _)| *known == key) {
                self.requested.push_front((key, infohash));
            }
        }
        self.evict_excess()
    }

    fn evict_excess(&mut self) -> Vec<Infohash> {
        let excess = self.requested.len().saturating_sub(MAX_REQUESTED);
        self.requested.drain(..excess).map(|(_, infohash)| infohash).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infohash(number: u32) -> Infohash {
        let mut bytes = [7; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Infohash::from_bytes(bytes)
    }

    fn finds(known: &KnownKeys, number: u32) -> bool {
        let found = known.find(&TorrentKey::of(infohash(number)));
        assert!(found.is_none_or(|found| found == infohash(number)));
        found.is_some()
    }

    #[test]
    fn torrents_are_found_by_key_until_removed() {
        let mut known = KnownKeys::default();
        known.add_created(infohash(1));
        assert_eq!(known.add_requested(infohash(2)), []);
        assert!(finds(&known, 1) && finds(&known, 2) && !finds(&known, 3));
        known.remove_created(infohash(1));
        assert!(!finds(&known, 1) && finds(&known, 2));
    }

    #[test]
    fn the_least_recently_requested_torrent_is_evicted() {
        let mut known = KnownKeys::default();
        assert_eq!(known.restore((0..1000).map(infohash)), []);
        assert_eq!(known.add_requested(infohash(0)), []);
        assert_eq!(known.add_requested(infohash(1000)), [infohash(1)]);
        assert!(finds(&known, 0) && !finds(&known, 1) && finds(&known, 2));
        assert_eq!(known.requested.len(), 1000);
    }

    #[test]
    fn restored_torrents_count_as_older_than_new_requests() {
        let mut known = KnownKeys::default();
        for number in [5000, 3] {
            known.add_requested(infohash(number));
        }
        let excess = known.restore((0..1000).map(infohash));
        assert_eq!(excess, [infohash(0)]);
        assert!(finds(&known, 5000) && finds(&known, 3) && finds(&known, 1));
        assert_eq!(known.add_requested(infohash(6000)), [infohash(1)]);
    }

    #[test]
    fn no_more_torrents_are_known_than_the_index_accepts() {
        let mut known = KnownKeys::default();
        (0..MAX_TORRENTS_PER_NODE + 10).for_each(|number| known.add_created(infohash(number)));
        assert_eq!(known.created.len(), MAX_CREATED);
    }
}
