//! The torrents that the index is to know of, and who tells it again when it has forgotten them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::features::IndexFeatures;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENTS_PER_NODE;
use protocol::share_path::SharePath;

use super::sanitize::sanitize_refusal;

/// The most repeated offers that wait for their replies.
const WINDOW: usize = 32;

/// What is offered, whether there is an index or not. A clone is another hand on the same book.
#[derive(Debug, Clone, Default)]
pub(super) struct OfferRegistry(Arc<Mutex<BTreeMap<Infohash, TorrentHint>>>);

impl OfferRegistry {
    /// Enters an offer in place of an earlier one of the same torrent, if there is room.
    pub(super) fn insert(&self, hint: &TorrentHint) -> Result<(), Refusal> {
        let mut offers = self.0.lock();
        if offers.len() >= MAX_TORRENTS_PER_NODE as usize && !offers.contains_key(&hint.infohash) {
            let limit = MAX_TORRENTS_PER_NODE.into();
            return Err(Refusal::TooMany { what: "torrents offered by one node".into(), limit });
        }
        offers.insert(hint.infohash, hint.clone());
        Ok(())
    }

    /// Strikes an offer out.
    pub(super) fn remove(&self, infohash: &Infohash) {
        self.0.lock().remove(infohash);
    }

    /// Makes all offers anew that the index can take, in a session in which it knows of none.
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

/// Returns true if an index with these features accepts the name of a torrent: release 0.1.0 knew only names that Windows
/// can store.
pub(super) fn is_acceptable(hint: &TorrentHint, features: IndexFeatures) -> bool {
    features.contains(IndexFeatures::ANY_NAMES)
        || SharePath::parse(&hint.name).is_ok_and(|path| path.is_basic())
}

/// The offers that are still to be made anew in a session.
#[derive(Debug, Default)]
pub(super) struct RepeatedOffers {
    registry: OfferRegistry,
    queue: VecDeque<Infohash>,
    in_flight: usize,
    /// Whether the index cannot write at the moment.
    is_stalled: bool,
}

impl RepeatedOffers {
    /// Gives the next offer, if one may be made now.
    pub(super) fn next(&mut self) -> Option<TorrentHint> {
        while self.in_flight < WINDOW && !self.is_stalled {
            let infohash = self.queue.pop_front()?;
            // It may have been struck out since.
            if let Some(hint) = self.registry.get(&infohash) {
                self.in_flight += 1;
                return Some(hint);
            }
        }
        None
    }

    /// An offer is to be made once more.
    pub(super) fn requeue(&mut self, infohash: Infohash) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.queue.push_back(infohash);
    }

    /// An offer was taken or refused. One that the index could not write is made once more when it can.
    pub(super) fn handle_reply(&mut self, infohash: Infohash, refusal: Option<Refusal>) {
        match refusal {
            Some(Refusal::StoreUnavailable) => {
                self.is_stalled = true;
                self.requeue(infohash);
            }
            refused => {
                self.in_flight = self.in_flight.saturating_sub(1);
                if let Some(refusal) = refused {
                    tracing::warn!(refusal = %sanitize_refusal(refusal), "index does not take the offer of a torrent");
                }
            }
        }
    }

    /// Notes that the index can write.
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
        let book = OfferRegistry::default();
        for number in 0..40 {
            book.insert(&hint(number)).unwrap();
        }
        let mut repetition = book.repeat_all(IndexFeatures::NONE);
        let offered: Vec<_> = std::iter::from_fn(|| repetition.next()).collect();
        assert_eq!(offered.len(), WINDOW);
        assert_eq!(offered[0], hint(0));
        book.remove(&hint(33).infohash);
        for _ in 0..WINDOW {
            repetition.handle_reply(hint(0).infohash, Some(Refusal::NoSuchPeer));
        }
        repetition.requeue(hint(0).infohash);
        let rest: Vec<_> = std::iter::from_fn(|| repetition.next()).collect();
        assert_eq!(rest.last(), Some(&hint(0)));
        assert_eq!((rest.len(), &rest[1]), (8, &hint(34)));
    }

    #[test]
    fn offers_resume_when_the_index_can_store_again() {
        let book = OfferRegistry::default();
        (0..2).for_each(|number| book.insert(&hint(number)).unwrap());
        let mut repetition = book.repeat_all(IndexFeatures::NONE);
        assert_eq!(repetition.next(), Some(hint(0)));
        repetition.handle_reply(hint(0).infohash, Some(Refusal::StoreUnavailable));
        assert_eq!(repetition.next(), None);
        repetition.resume();
        assert_eq!((repetition.next(), repetition.next()), (Some(hint(1)), Some(hint(0))));
    }

    #[test]
    fn unusual_name_is_offered_only_to_a_recent_index() {
        let book = OfferRegistry::default();
        let odd = TorrentHint { name: "K: Missing Kings.mkv".into(), ..hint(1) };
        book.insert(&odd).unwrap();
        assert_eq!(book.repeat_all(IndexFeatures::NONE).next(), None);
        assert_eq!(book.repeat_all(IndexFeatures::ANY_NAMES).next(), Some(odd));
    }

    #[test]
    fn full_registry_still_accepts_changes() {
        let book = OfferRegistry::default();
        for number in 0..MAX_TORRENTS_PER_NODE {
            book.insert(&hint(number)).unwrap();
        }
        assert!(matches!(book.insert(&hint(u32::MAX)), Err(Refusal::TooMany { .. })));
        book.insert(&TorrentHint { name: "y".into(), ..hint(0) }).unwrap();
        book.remove(&hint(0).infohash);
        book.insert(&hint(u32::MAX)).unwrap();
    }
}
