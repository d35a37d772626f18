//! Finds contents by a query: for now by looking at every shared file.
//!
//! A scan is cut into steps, so that nobody who waits for the catalog waits for a whole scan. Whatever changes between
//! two steps is seen by the later one or not at all; a page of results promises no more.

use protocol::index::{SearchCursor, Share};
use protocol::query::Query;

use crate::catalog::{Catalog, ContentNo, Holding, NameNo, NodeNo};
use crate::ranking::{Availability, Best, Place};
use crate::roster::Roster;

/// A search under way.
#[derive(Debug)]
pub(crate) struct Scan {
    query: Query,
    after: Option<SearchCursor>,
    best: Best,
    next: Option<ContentNo>,
}

impl Scan {
    /// Begins a search for the first `wanted` contents after the end of a page.
    pub(crate) fn new(query: Query, after: Option<SearchCursor>, wanted: usize) -> Self {
        Self { query, after, best: Best::new(wanted), next: Some(ContentNo(0)) }
    }

    /// Says whether everything has been looked at.
    pub(crate) const fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// Looks at about `budget` files more.
    pub(crate) fn step(&mut self, catalog: &Catalog, roster: &Roster, budget: usize) {
        let Some(first) = self.next.take() else { return };
        let (mut group, mut current) = (None::<Group>, None);
        for (looked_at, (holding, share)) in catalog.holdings_from(first).enumerate() {
            if current != Some(holding.0) {
                self.close(group.take(), catalog);
                if looked_at >= budget {
                    self.next = Some(holding.0);
                    return;
                }
                current = Some(holding.0);
            }
            if roster.is_listed(holding.1) {
                let group = group.get_or_insert_with(|| Group::new(holding.0));
                group.count(holding.1, share);
                group.try_name(holding.2, |name| self.is_match(catalog, (holding.0, holding.1, name)));
            }
        }
        self.close(group, catalog);
    }

    /// Ends the search: the results in order, and whether there are more.
    pub(crate) fn finish(self) -> (Query, Vec<Place>, bool) {
        let (places, more) = self.best.into_page();
        (self.query, places, more)
    }

    fn is_match(&self, catalog: &Catalog, (content, _, name): Holding) -> bool {
        let (Some(content), Some(folded)) = (catalog.contents().get(content), catalog.names().folded(name))
        else {
            return false;
        };
        self.query.matches(folded, content.size, &content.digest)
    }

    fn close(&mut self, group: Option<Group>, catalog: &Catalog) {
        let Some(group) = group.filter(|group| group.matched) else { return };
        let Some(content) = catalog.contents().get(group.content) else { return };
        let place = Place { available: group.available, digest: content.digest, content: group.content };
        if self.after.is_none_or(|after| place.is_after(&after)) {
            self.best.offer(place);
        }
    }
}

/// What the sources of one content amount to, source by source.
#[derive(Debug)]
struct Group {
    content: ContentNo,
    available: Availability,
    last_node: Option<(NodeNo, Share)>,
    last_name: Option<NameNo>,
    matched: bool,
}

impl Group {
    fn new(content: ContentNo) -> Self {
        let available = Availability::default();
        Self { content, available, last_node: None, last_name: None, matched: false }
    }

    /// Counts a node once, however many files of it have the content, and as whole if any of them is.
    fn count(&mut self, node: NodeNo, share: Share) {
        match (self.last_node, share) {
            (Some((last, Share::Whole)), _) if last == node => return,
            (Some((last, Share::Partial)), Share::Partial) if last == node => return,
            (Some((last, Share::Partial)), Share::Whole) if last == node => {
                self.available.partial = self.available.partial.saturating_sub(1);
                self.available.whole += 1;
            }
            (_, Share::Whole) => self.available.whole += 1,
            (_, Share::Partial) => self.available.partial += 1,
        }
        self.last_node = Some((node, share));
    }

    /// Tries a name, unless one has matched or it is the one tried last, as when many share a file as they got it.
    fn try_name(&mut self, name: NameNo, is_match: impl FnOnce(NameNo) -> bool) {
        if !self.matched && self.last_name != Some(name) {
            self.last_name = Some(name);
            self.matched = is_match(name);
        }
    }
}

/// Counts the sources of one content that are there.
pub(crate) fn availability(catalog: &Catalog, roster: &Roster, content: ContentNo) -> Availability {
    let mut group = Group::new(content);
    for ((_, node, _), share) in catalog.holdings_of(content) {
        if roster.is_listed(node) {
            group.count(node, share);
        }
    }
    group.available
}
