//! Lists of shared files between peers: answers the requests of the peer, and tracks the answers to our own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::features::PeerFeatures;
use protocol::index::FileRecord;
use protocol::limits::{MAX_LISTING, MAX_LISTING_BYTES, MAX_PATH};
use protocol::peer::PeerMessage;
use protocol::rate_limiter::RateLimit;
use tokio::sync::oneshot;

use super::link::PeerLink;
use super::reader::LinkError;
use super::serving::ServingContext;
use crate::library::SharedFile;
use crate::rate_limiter::AddressRateLimiter;

/// Rate limits of served pages, per address and in total. A long list is read at once: 200,000 files.
const PAGE_RATES: [RateLimit; 2] = [
    RateLimit { interval: Duration::from_millis(50), burst: 200 },
    RateLimit { interval: Duration::from_millis(10), burst: 400 },
];

/// Time that a peer is asked to wait when it exceeds the rate limit.
const PAUSE: Duration = Duration::from_millis(500);

/// Maximum time that a peer can make us wait before a request is repeated.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Maximum number of pending requests on one connection.
const MAX_PENDING: usize = 16;

/// Size of an encoded record beside its path, in bytes.
const RECORD_LEN: usize = 52;

// Otherwise a page could be empty although files follow.
const _: () = assert!(MAX_PATH + RECORD_LEN <= MAX_LISTING_BYTES);

/// Some files of a peer, sorted by path, and whether more follow the last one.
pub(crate) type ListingPage = (Vec<FileRecord>, bool);

/// Why a peer does not list its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerListingError {
    /// The peer has not announced the feature.
    #[error("the peer does not list its files")]
    Unsupported,
    /// Too many requests are pending on the link.
    #[error("too many lists are requested from the peer at once")]
    TooMany,
    /// The link ended before the answer.
    #[error("the peer closed the connection")]
    Closed,
}

/// Limits how many pages this node sends. Shared by all its links.
#[derive(Debug, Clone)]
pub(super) struct ListingLimiter(Arc<Mutex<AddressRateLimiter>>);

impl Default for ListingLimiter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(AddressRateLimiter::new(PAGE_RATES[0], PAGE_RATES[1]))))
    }
}

/// Answers a request of a peer with a page of our files.
pub(super) async fn serve(
    context: &ServingContext,
    (number, after, limit): (u32, Option<String>, u16),
    link: &PeerLink,
) -> Result<(), LinkError> {
    if limit == 0 || limit > MAX_LISTING || after.as_ref().is_some_and(|after| after.len() > MAX_PATH) {
        return Err(LinkError::Violation { what: "it requested a list that exceeds the limits" });
    }
    if !context.listing_limiter.0.lock().admit(link.address().ip(), Instant::now()) {
        let milliseconds = u32::try_from(PAUSE.as_millis()).unwrap_or(u32::MAX);
        link.shared.queue.push(PeerMessage::BrowseLater { number, milliseconds });
        return Ok(());
    }
    let context = context.clone();
    let listing = tokio::task::spawn_blocking(move || page(&context, after.as_deref(), limit.into())).await;
    let (files, more) = listing.unwrap_or_default();
    link.shared.queue.push(PeerMessage::Listing { number, files, more });
    Ok(())
}

/// Returns the first files behind the path `after`: the complete ones and those that are being downloaded. Blocks.
fn page(context: &ServingContext, after: Option<&str>, limit: usize) -> ListingPage {
    let listing = context.library.files();
    let mut partial = context.partials.records();
    // A download that has just completed may still be listed as partial.
    partial.retain(|file| {
        after.is_none_or(|after| file.path.as_str() > after)
            && listing.by_digest(&file.digest).next().is_none()
    });
    let complete = listing.after(after).take(limit + 1).map(SharedFile::record);
    cut_page(complete.chain(partial).collect(), limit)
}

/// Sorts files by path and keeps as many of the first ones as fit into a page.
fn cut_page(mut files: Vec<FileRecord>, limit: usize) -> ListingPage {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|later, first| later.path == first.path);
    let mut bytes = 0;
    let fits = |file: &&FileRecord| {
        bytes += file.path.len() + RECORD_LEN;
        bytes <= MAX_LISTING_BYTES
    };
    let count = files.iter().take(limit).take_while(fits).count();
    let more = files.len() > count;
    files.truncate(count);
    (files, more)
}

/// The pending requests that we sent over one connection.
#[derive(Debug, Default)]
pub(super) struct ListingTable(Mutex<PendingListings>);

#[derive(Debug, Default)]
struct PendingListings {
    last: u32,
    waiting: HashMap<u32, PendingListing>,
}

#[derive(Debug)]
struct PendingListing {
    after: Option<String>,
    limit: u16,
    answer: oneshot::Sender<ListingAnswer>,
}

/// The answer of a peer.
#[derive(Debug, PartialEq, Eq)]
enum ListingAnswer {
    Page(ListingPage),
    /// The request may be repeated after this time.
    Later(Duration),
}

impl ListingTable {
    /// Registers a request and returns its number; `None` if too many are pending.
    fn begin(&self, after: Option<String>, limit: u16) -> Option<(u32, oneshot::Receiver<ListingAnswer>)> {
        let mut pending = self.0.lock();
        // A request without a receiver makes room; its answer will be ignored.
        pending.waiting.retain(|_, request| !request.answer.is_closed());
        if pending.waiting.len() >= MAX_PENDING {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        pending.last = pending.last.wrapping_add(1);
        let number = pending.last;
        pending.waiting.insert(number, PendingListing { after, limit, answer });
        Some((number, answered))
    }

    /// Checks a page and delivers it to its request.
    pub(super) fn listed(&self, number: u32, page: ListingPage) -> Result<(), LinkError> {
        let Some(request) = self.0.lock().waiting.remove(&number) else { return Ok(()) };
        check_page(&request, &page)?;
        // The receiver may have been dropped.
        let _ = request.answer.send(ListingAnswer::Page(page));
        Ok(())
    }

    /// Delivers that a request may be repeated after some time.
    pub(super) fn postponed(&self, number: u32, milliseconds: u32) {
        let Some(request) = self.0.lock().waiting.remove(&number) else { return };
        let pause = Duration::from_millis(milliseconds.into()).min(MAX_PAUSE);
        let _ = request.answer.send(ListingAnswer::Later(pause));
    }
}

/// Checks a page against its request. A page in which every path follows the one before makes progress, so that reading a
/// list ends.
fn check_page(request: &PendingListing, (files, more): &ListingPage) -> Result<(), LinkError> {
    let violation = |what| Err(LinkError::Violation { what });
    if files.len() > usize::from(request.limit) {
        return violation("it listed more files than requested");
    }
    if *more && files.is_empty() {
        return violation("it listed no files although more follow");
    }
    let mut last = request.after.as_deref();
    for file in files {
        if last.is_some_and(|last| last >= file.path.as_str()) {
            return violation("it listed files that are not sorted");
        }
        if file.check().is_err() {
            return violation("it listed an invalid file");
        }
        last = Some(&file.path);
    }
    Ok(())
}

impl PeerLink {
    /// Returns a page of the files that the peer shares, behind the path `after`. Repeats the request when the peer asks to
    /// wait. Has no timeout. Cancel safe.
    ///
    /// # Errors
    ///
    /// Fails if the peer has not announced the feature, too many requests are pending, or the link ends.
    pub(crate) async fn browse(
        &self,
        after: Option<String>,
        limit: u16,
    ) -> Result<ListingPage, PeerListingError> {
        if !self.features().contains(PeerFeatures::BROWSE) {
            return Err(PeerListingError::Unsupported);
        }
        if after.as_ref().is_some_and(|after| after.len() > MAX_PATH) {
            // No path is longer, so none follows it within the same folder.
            return Ok(ListingPage::default());
        }
        let limit = limit.clamp(1, MAX_LISTING);
        loop {
            let begun = self.shared.pending_listings.begin(after.clone(), limit);
            let (number, answered) = begun.ok_or(PeerListingError::TooMany)?;
            self.shared.queue.push(PeerMessage::Browse { number, after: after.clone(), limit });
            match self.shared.closed.run_until_cancelled(answered).await {
                Some(Ok(ListingAnswer::Page(page))) => return Ok(page),
                Some(Ok(ListingAnswer::Later(pause))) => tokio::time::sleep(pause).await,
                Some(Err(_)) | None => return Err(PeerListingError::Closed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::digest::Digest;
    use protocol::index::Share;

    use super::*;

    fn file(path: &str) -> FileRecord {
        FileRecord { path: path.into(), size: 0, digest: Digest::EMPTY, share: Share::Complete }
    }

    fn is_accepted(after: Option<&str>, limit: u16, paths: &[&str], more: bool) -> bool {
        let table = ListingTable::default();
        let (number, mut answered) = table.begin(after.map(str::to_owned), limit).unwrap();
        let page = (paths.iter().map(|path| file(path)).collect::<Vec<_>>(), more);
        let outcome = table.listed(number, page.clone());
        assert_eq!(answered.try_recv().ok(), outcome.is_ok().then_some(ListingAnswer::Page(page)));
        outcome.is_ok()
    }

    #[test]
    fn only_sorted_valid_pages_within_the_limit_are_accepted() {
        assert!(is_accepted(None, 2, &["a", "b/c"], true));
        assert!(is_accepted(Some("a"), 1, &["b"], false));
        assert!(is_accepted(Some("music/"), 1, &["music/a"], false));
        assert!(is_accepted(None, 1, &[], false));
        for (after, limit, paths, more) in [
            (None, 1, &["a", "b"][..], false),
            (None, 9, &["b", "a"], false),
            (None, 9, &["a", "a"], false),
            (Some("b"), 9, &["b"], false),
            (None, 9, &["../a"], false),
            (None, 9, &["/a"], false),
            (None, 9, &[], true),
        ] {
            assert!(!is_accepted(after, limit, paths, more), "{after:?} {limit} {paths:?} {more}");
        }
    }

    #[test]
    fn requests_are_bounded_and_unrequested_answers_ignored() {
        let table = ListingTable::default();
        let waiting: Vec<_> = (0..MAX_PENDING).map(|_| table.begin(None, 1).unwrap()).collect();
        assert!(table.begin(None, 1).is_none());
        table.listed(99, (vec![file("../x")], true)).unwrap();
        drop(waiting);
        let (number, mut answered) = table.begin(None, 1).unwrap();
        table.postponed(number, u32::MAX);
        assert_eq!(answered.try_recv(), Ok(ListingAnswer::Later(MAX_PAUSE)));
    }

    #[test]
    fn page_has_each_path_once_and_ends_at_its_limits() {
        let (page, more) = cut_page(vec![file("a"), file("c"), file("b"), file("a")], 2);
        let paths: Vec<&str> = page.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((paths, more), (vec!["a", "b"], true));
        assert!(!cut_page(vec![file("a"), file("b")], 2).1);
        let long: Vec<FileRecord> =
            (0..1000).map(|number| file(&format!("{number:04}{}", "x".repeat(4000)))).collect();
        let (page, more) = cut_page(long, 1000);
        let bytes: usize = page.iter().map(|file| file.path.len() + RECORD_LEN).sum();
        assert!(more && bytes <= MAX_LISTING_BYTES && bytes > MAX_LISTING_BYTES - 5000, "{bytes}");
    }

    proptest! {
        #[test]
        fn pages_contain_the_whole_list_once(paths in prop::collection::btree_set("[a-c/]{1,4}x", 0..40), limit in 1usize..7) {
            let (mut read, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
            loop {
                let rest = paths.iter().filter(|path| after.as_ref().is_none_or(|after| *path > after));
                let (page, more) = cut_page(rest.map(|path| file(path)).collect(), limit);
                read.extend(page.into_iter().map(|file| file.path));
                if !more {
                    break;
                }
                after = read.last().cloned();
            }
            prop_assert!(read.iter().eq(paths.iter()));
        }
    }
}
