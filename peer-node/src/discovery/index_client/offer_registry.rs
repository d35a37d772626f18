//! The torrents offered to the index, and their repetition in new sessions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::features::IndexFeatures;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENTS_PER_NODE;
use protocol::share_path::SharePath;

use super::sanitize::sanitize_refusal;

/// Maximum number of repeated offers in flight.
const WINDOW: usize = 32;

/// The current offers, independent of any connection. Clones share the same registry.
#[derive(Debug, Clone, Default)]
pub(super) struct OfferRegistry(Arc<Mutex<BTreeMap<Infohash, TorrentHint>>>);

impl OfferRegistry {
    /// Adds an offer, or replaces an earlier one of the same torrent, unless the registry is full.
    pub(super) fn insert(&self, hint: &TorrentHint) -> Result<(), Refusal> {
        let mut offers = self.0.lock();
        if offers.len() >= MAX_TORRENTS_PER_NODE as usize && !offers.contains_key(&hint.infohash) {
            let limit = MAX_TORRENTS_PER_NODE.into();
            return Err(Refusal::TooMany { what: "torrents offered by one node".into(), limit });
        }
        offers.insert(hint.infohash, hint.clone());
        Ok(())
    }

    /// Removes an offer.
    pub(super) fn remove(&self, infohash: &Infohash) {
        self.0.lock().remove(infohash);
    }

    /// Returns all offers that the index accepts, to be repeated in a new session.
    pub(super) fn repeat_all(&self, features: IndexFeatures) -> RepeatedOffers {
        let offers = self.0.lock();
        let queue = offers.values().filter(|hint| is_acceptable(hint, features));
        let queue = queue.map(|hint| hint.infohash).collect();
        RepeatedOffers { registry: self.clone(), queue, ..RepeatedOffers::default() }
    }

    fn get(&self, infohash: &Infohash) -> Option<TorrentHint> {
        self.0.lock().get(infohash).cloned()
    }
}

/// Returns true if an index with these features accepts the name of a torrent. Release 0.1.0 accepted only names that Windows
/// can store.
pub(super) fn is_acceptable(hint: &TorrentHint, features: IndexFeatures) -> bool {
    features.contains(IndexFeatures::ANY_NAMES)
        || SharePath::parse(&hint.name).is_ok_and(|path| path.is_basic())
}

/// The offers still to be repeated in a session.
#[derive(Debug, Default)]
pub(super) struct RepeatedOffers {
    registry: OfferRegistry,
    queue: VecDeque<Infohash>,
    in_flight: usize,
    /// True while the index cannot write.
    is_stalled: bool,
}

impl RepeatedOffers {
    /// Returns the next offer, if one may be sent now.
    pub(super) fn next(&mut self) -> Option<TorrentHint> {
        while self.in_flight < WINDOW && !self.is_stalled {
            let infohash = self.queue.pop_front()?;
            // The offer may have been removed meanwhile.
            if let Some(hint) = self.registry.get(&infohash) {
                self.in_flight += 1;
                return Some(hint);
            }
        }
        None
    }

    /// Queues an offer again.
    pub(super) fn requeue(&mut self, infohash: Infohash) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.queue.push_back(infohash);
    }

    /// Handles the reply to an offer. If the index could not store the offer, it is queued again until
    /// [`RepeatedOffers::resume`].
    pub(super) fn handle_reply(&mut self, infohash: Infohash, refusal: Option<Refusal>) {
        match refusal {
            Some(Refusal::StoreUnavailable) => {
                self.is_stalled = true;
                self.requeue(infohash);
            }
            refused => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if let Some(refusal) = refused {
                    tracing::warn!(refusal = %sanitize_refusal(refusal), "index refused a torrent offer");
                }
            }
        }
    }

    /// Records that the index can write again.
    pub(super) const fn resume(&mut self) {
        self.is_stalled = false;
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn hint(number: u32) -> TorrentHint {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let digest = Digest::from_bytes([1; 32]);
        TorrentHint { infohash: Infohash::from_bytes(bytes), digest, name: "x".into(), piece_length: 1 }
    }

    #[test]
    fn registered_offers_are_repeated_a_few_at_a_time() {
        let registry = OfferRegistry::default();
        for number in 0..40 {
            registry.insert(&hint(number)).unwrap();
        }
        let mut repeated = registry.repeat_all(IndexFeatures::NONE);
        let offered: Vec<_> = std::iter::from_fn(|| repeated.next()).collect();
        assert_eq!(offered.len(), WINDOW);
        assert_eq!(offered[0], hint(0));
        registry.remove(&hint(33).infohash);
        for _ in 0..WINDOW {
            repeated.handle_reply(hint(0).infohash, Some(Refusal::NoSuchPeer));
        }
        repeated.requeue(hint(0).infohash);
        let rest: Vec<_> = std::iter::from_fn(|| repeated.next()).collect();
        assert_eq!(rest.last(), Some(&hint(0)));
        assert_eq!((rest.len(), &rest[1]), (8, &hint(34)));
    }

    #[test]
    fn offers_resume_when_the_index_can_store_again() {
        let registry = OfferRegistry::default();
        (0..2).for_each(|number| registry.insert(&hint(number)).unwrap());
        let mut repeated = registry.repeat_all(IndexFeatures::NONE);
        assert_eq!(repeated.next(), Some(hint(0)));
        repeated.handle_reply(hint(0).infohash, Some(Refusal::StoreUnavailable));
        assert_eq!(repeated.next(), None);
        repeated.resume();
        assert_eq!((repeated.next(), repeated.next()), (Some(hint(1)), Some(hint(0))));
    }

    #[test]
    fn unusual_name_is_offered_only_to_a_recent_index() {
        let registry = OfferRegistry::default();
        let odd = TorrentHint { name: "K: Missing Kings.mkv".into(), ..hint(1) };
        registry.insert(&odd).unwrap();
        assert_eq!(registry.repeat_all(IndexFeatures::NONE).next(), None);
        assert_eq!(registry.repeat_all(IndexFeatures::ANY_NAMES).next(), Some(odd));
    }

    #[test]
    fn full_registry_still_accepts_changes() {
        let registry = OfferRegistry::default();
        for number in 0..MAX_TORRENTS_PER_NODE {
            registry.insert(&hint(number)).unwrap();
        }
        assert!(matches!(registry.insert(&hint(u32::MAX)), Err(Refusal::TooMany { .. })));
        registry.insert(&TorrentHint { name: "y".into(), ..hint(0) }).unwrap();
        registry.remove(&hint(0).infohash);
        registry.insert(&hint(u32::MAX)).unwrap();
    }
}
