//! Searches between peers: answers searches of the peer, and tracks the answers to our own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::{FileRecord, Share};
use protocol::limits::MAX_HITS;
use protocol::query::Query;
use protocol::rate_limiter::{RateBucket, RateLimit};
use protocol::share_path::SharePath;
use tokio::sync::oneshot;

use super::reader::LinkError;
use super::serving::ServingContext;
use crate::library::SharedFile;

/// Maximum time that one search may take.
const SEARCH_TIME_LIMIT: Duration = Duration::from_millis(50);

/// Number of names to match between two checks of the clock.
const NAMES_PER_CLOCK_CHECK: usize = 256;

/// Maximum number of pending searches on one connection, in each direction.
const MAX_UNDER_WAY: usize = 16;

/// Rate of our searches per connection: a little below the rate that peers answer, because they treat a search beyond it as one
/// that finds nothing.
const OWN_SEARCH_RATE: RateLimit = RateLimit { interval: Duration::from_millis(100), burst: 40 };

/// Maximum delay of a search that the rate causes; beyond it, the search is not sent.
const MAX_SEARCH_DELAY: Duration = Duration::from_secs(1);

/// The matching files of a peer, and whether there may be more. Only their number has been checked.
pub(super) type PeerSearchAnswer = (Vec<FileRecord>, bool);

/// Searches our shared files. Without `any_names`, omits files whose names release 0.1.0 does not accept. Blocks.
pub(super) fn answer(context: &ServingContext, text: &str, limit: u16, any_names: bool) -> PeerSearchAnswer {
    let (limit, listing) = (usize::from(limit.min(MAX_HITS)), context.library.files());
    if let Ok(digest) = text.trim().parse::<Digest>() {
        let is_fit = |path: &SharePath| any_names || path.is_basic();
        let complete = listing.by_digest(&digest).filter(|file| is_fit(&file.path)).take(limit);
        let complete = complete.map(SharedFile::record);
        let partial =
            context.partials.find(&digest).filter(|partial| is_fit(partial.path())).map(|partial| {
                FileRecord {
                    path: partial.path().as_str().to_owned(),
                    size: partial.manifest().geometry().size(),
                    digest,
                    share: Share::Partial,
                }
            });
        return (complete.chain(partial).take(limit).collect(), false);
    }
    let Ok(query) = Query::parse(text) else { return PeerSearchAnswer::default() };
    let (mut files, begun) = (Vec::new(), Instant::now());
    for (number, file) in listing.iter().enumerate() {
        if files.len() >= limit
            || number.is_multiple_of(NAMES_PER_CLOCK_CHECK) && begun.elapsed() > SEARCH_TIME_LIMIT
        {
            return (files, true);
        }
        let is_match = query.matches(&fold(file.path.as_str()), file.size, &file.digest);
        if is_match && (any_names || file.path.is_basic()) {
            files.push(file.record());
        }
    }
    (files, false)
}

/// The pending searches that we sent over one connection.
#[derive(Debug, Default)]
pub(super) struct SearchTable(Mutex<PendingSearches>);

#[derive(Debug, Default)]
struct PendingSearches {
    last: u32,
    rate: RateBucket,
    waiting: HashMap<u32, (u16, oneshot::Sender<PeerSearchAnswer>)>,
}

impl SearchTable {
    /// Reserves a search within the rate and returns how long to wait before it is sent; `None` if that is too long.
    pub(super) fn reserve(&self, now: Instant) -> Option<Duration> {
        let mut searches = self.0.lock();
        let (cost, credit) = (OWN_SEARCH_RATE.interval, OWN_SEARCH_RATE.credit());
        let wait = searches.rate.check(cost, credit, now).err().unwrap_or_default();
        if wait > MAX_SEARCH_DELAY {
            return None;
        }
        searches.rate.charge(cost, now);
        Some(wait)
    }

    /// Registers a search and returns its number; `None` if too many are pending.
    pub(super) fn begin(&self, limit: u16) -> Option<(u32, oneshot::Receiver<PeerSearchAnswer>)> {
        let mut under_way = self.0.lock();
        // A search without a receiver makes room; its answer will be ignored.
        under_way.waiting.retain(|_, (_, answer)| !answer.is_closed());
        if under_way.waiting.len() >= MAX_UNDER_WAY {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        under_way.last = under_way.last.wrapping_add(1);
        let number = under_way.last;
        under_way.waiting.insert(number, (limit, answer));
        Some((number, answered))
    }

    /// Delivers an answer to its search.
    pub(super) fn answered(&self, number: u32, found: PeerSearchAnswer) -> Result<(), LinkError> {
        let Some((limit, answer)) = self.0.lock().waiting.remove(&number) else { return Ok(()) };
        if found.0.len() > usize::from(limit) {
            return Err(LinkError::Violation { what: "it sent more results than requested" });
        }
        // The receiver may have been dropped.
        let _ = answer.send(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_reaches_only_its_search() {
        let table = SearchTable::default();
        let (first, mut one) = table.begin(1).unwrap();
        let (second, mut other) = table.begin(1).unwrap();
        table.answered(second, (Vec::new(), true)).unwrap();
        assert_eq!(other.try_recv(), Ok((Vec::new(), true)));
        assert!(one.try_recv().is_err());
        table.answered(99, PeerSearchAnswer::default()).unwrap();
        let record = FileRecord {
            path: "a".into(),
            size: 1,
            digest: Digest::from_bytes([1; 32]),
            share: Share::Complete,
        };
        assert!(table.answered(first, (vec![record.clone(), record], false)).is_err());
    }

    #[test]
    fn searches_are_delayed_to_the_rate_that_peers_answer() {
        let (table, now) = (SearchTable::default(), Instant::now());
        assert_eq!((0..40).filter(|_| table.reserve(now) == Some(Duration::ZERO)).count(), 40);
        assert_eq!(table.reserve(now), Some(Duration::from_millis(100)));
        assert_eq!((0..100).filter_map(|_| table.reserve(now)).max(), Some(MAX_SEARCH_DELAY));
        assert_eq!(table.reserve(now), None);
    }

    #[test]
    fn searches_are_bounded_and_dropped_ones_free_a_slot() {
        let table = SearchTable::default();
        let waiting: Vec<_> = (0..MAX_UNDER_WAY).map(|_| table.begin(1).unwrap()).collect();
        assert!(table.begin(1).is_none());
        drop(waiting);
        assert!(table.begin(1).is_some());
    }
}
