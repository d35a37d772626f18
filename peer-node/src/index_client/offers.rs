//! The torrents that the index is to know of, and who tells it again when it has forgotten them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::features::IndexFeatures;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::MAX_TORRENTS_PER_NODE;
use protocol::share_path::SharePath;

use super::plain_words::plain_refusal;

/// The most repeated offers that wait for their replies.
const WINDOW: usize = 32;

/// What is offered, whether there is an index or not. A clone is another hand on the same book.
#[derive(Debug, Clone, Default)]
pub(super) struct OfferBook(Arc<Mutex<BTreeMap<Infohash, TorrentHint>>>);

impl OfferBook {
    /// Enters an offer in place of an earlier one of the same torrent, if there is room.
    pub(super) fn enter(&self, hint: &TorrentHint) -> Result<(), Refusal> {
        let mut offers = self.0.lock();
        if offers.len() >= MAX_TORRENTS_PER_NODE as usize && !offers.contains_key(&hint.infohash) {
            let limit = MAX_TORRENTS_PER_NODE.into();
            return Err(Refusal::TooMany { what: "torrents offered by one node".into(), limit });
        }
        offers.insert(hint.infohash, hint.clone());
        Ok(())
    }

    /// Strikes an offer out.
    pub(super) fn strike(&self, infohash: &Infohash) {
        self.0.lock().remove(infohash);
    }

    /// Makes all offers anew that the index can take, in a session in which it knows of none.
    pub(super) fn repeat(&self, features: IndexFeatures) -> Repetition {
        let offers = self.0.lock();
        let queue = offers.values().filter(|hint| is_acceptable(hint, features));
        let queue = queue.map(|hint| hint.infohash).collect();
        Repetition { book: self.clone(), queue, ..Repetition::default() }
    }

    fn find(&self, infohash: &Infohash) -> Option<TorrentHint> {
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
pub(super) struct Repetition {
    book: OfferBook,
    queue: VecDeque<Infohash>,
    flying: usize,
    /// Whether the index cannot write at the moment.
    is_stalled: bool,
}

impl Repetition {
    /// Gives the next offer, if one may be made now.
    pub(super) fn next(&mut self) -> Option<TorrentHint> {
        while self.flying < WINDOW && !self.is_stalled {
            let infohash = self.queue.pop_front()?;
            // It may have been struck out since.
            if let Some(hint) = self.book.find(&infohash) {
                self.flying += 1;
                return Some(hint);
            }
        }
        None
    }

    /// An offer is to be made once more.
    pub(super) fn again(&mut self, infohash: Infohash) {
        self.flying = self.flying.saturating_sub(1);
        self.queue.push_back(infohash);
    }

    /// An offer was taken or refused. One that the index could not write is made once more when it can.
    pub(super) fn answered(&mut self, infohash: Infohash, refusal: Option<Refusal>) {
        match refusal {
            Some(Refusal::StoreUnavailable) => {
                self.is_stalled = true;
                self.again(infohash);
            }
            refused => {
                self.flying = self.flying.saturating_sub(1);
                if let Some(refusal) = refused {
                    tracing::warn!(refusal = %plain_refusal(refusal), "index does not take the offer of a torrent");
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
    fn what_is_in_the_book_is_offered_anew_a_few_at_a_time() {
        let book = OfferBook::default();
        for number in 0..40 {
            book.enter(&hint(number)).unwrap();
        }
        let mut repetition = book.repeat(IndexFeatures::NONE);
        let offered: Vec<_> = std::iter::from_fn(|| repetition.next()).collect();
        assert_eq!(offered.len(), WINDOW);
        assert_eq!(offered[0], hint(0));
        book.strike(&hint(33).infohash);
        for _ in 0..WINDOW {
            repetition.answered(hint(0).infohash, Some(Refusal::NoSuchPeer));
        }
        repetition.again(hint(0).infohash);
        let rest: Vec<_> = std::iter::from_fn(|| repetition.next()).collect();
        assert_eq!(rest.last(), Some(&hint(0)));
        assert_eq!((rest.len(), &rest[1]), (8, &hint(34)));
    }

    #[test]
    fn an_index_that_cannot_write_is_offered_it_again_when_it_can() {
        let book = OfferBook::default();
        (0..2).for_each(|number| book.enter(&hint(number)).unwrap());
        let mut repetition = book.repeat(IndexFeatures::NONE);
        assert_eq!(repetition.next(), Some(hint(0)));
        repetition.answered(hint(0).infohash, Some(Refusal::StoreUnavailable));
        assert_eq!(repetition.next(), None);
        repetition.resume();
        assert_eq!((repetition.next(), repetition.next()), (Some(hint(1)), Some(hint(0))));
    }

    #[test]
    fn name_that_an_old_index_refuses_is_offered_to_a_new_one_alone() {
        let book = OfferBook::default();
        let odd = TorrentHint { name: "K: Missing Kings.mkv".into(), ..hint(1) };
        book.enter(&odd).unwrap();
        assert_eq!(book.repeat(IndexFeatures::NONE).next(), None);
        assert_eq!(book.repeat(IndexFeatures::ANY_NAMES).next(), Some(odd));
    }

    #[test]
    fn the_book_is_full_at_some_point_but_what_is_in_it_can_change() {
        let book = OfferBook::default();
        for number in 0..MAX_TORRENTS_PER_NODE {
            book.enter(&hint(number)).unwrap();
        }
        assert!(matches!(book.enter(&hint(u32::MAX)), Err(Refusal::TooMany { .. })));
        book.enter(&TorrentHint { name: "y".into(), ..hint(0) }).unwrap();
        book.strike(&hint(0).infohash);
        book.enter(&hint(u32::MAX)).unwrap();
    }
}
