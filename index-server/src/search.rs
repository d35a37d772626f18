//! Finds contents by a query: the best first, by how well their names fit and how available they are.
//!
//! A search goes through the titles that may fit, best fit first, and ends when it has as many hits as are wanted. Titles that
//! are no more available than the worst of those are passed over, block by block. It is cut into steps, so that nobody who waits for the catalog waits for a whole search;
//! whatever changes between two steps is seen by the later one or not at all. Pure: whoever drives it decides when
//! it has taken too long.

mod candidates;
mod patience;
mod route;

#[cfg(test)]
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use protocol::fold::fold_into;
use protocol::index::SearchCursor;
use protocol::query::{Fit, Query};

use crate::catalog::{Catalog, ContentNo, NameNo, Start, TitleNo};
use crate::keyed::Keyed;
use crate::ranking::{Best, Place};
use crate::told::Told;
use crate::words::WordNo;
pub(crate) use patience::PATIENCE;
use patience::Patience;
use route::{Route, Source};

/// What the plan of a way costs, and the look at a name, beside the step to the next title; and how many bytes of the
/// name cost as much as a step.
const PLANNING: usize = 1024;
const LOOK: usize = 8;
const LOOK_BYTES: usize = 8;

/// What finding the next content in the order of digests is taken to cost: it is looked for in each of some ten runs.
const NEXT_DIGEST: usize = 16;

/// So many titles are gathered before the first is looked at. What there is to know of each lies in four places, far from each
/// other; asked for together they come in the time of one, and the index answers 1.08 times as many searches.
const AT_ONCE: usize = 8;

/// A search under way.
#[derive(Debug)]
pub(crate) struct Search {
    query: Query,
    told: Told,
    wanted: usize,
    /// What fits better than what is looked for now, in order.
    found: Vec<Place>,
    best: Best,
    /// Contents that were offered to the best already.
    offered: HashSet<ContentNo, Keyed>,
    /// How well titles fit that are looked for now; none when everything has been looked for.
    fit: Option<Fit>,
    route: Option<Route>,
    /// What walking may still cost before requirements are intersected.
    patience: Patience,
    /// Holds the titles that are looked at next.
    gathered: Vec<TitleNo>,
    /// Holds the path that is being looked at.
    folded: String,
}

impl Search {
    /// Begins a search for the first `wanted` contents that were not told yet.
    pub(crate) fn new(query: Query, after: Option<&SearchCursor>, wanted: usize) -> Self {
        let (found, best) = (Vec::new(), Best::new(wanted));
        let (offered, told) = (HashSet::default(), Told::new(after));
        let (fit, route) = (Some(Fit::Exact), None);
        let (gathered, folded) = (Vec::with_capacity(AT_ONCE), String::new());
        let patience = Patience::default();
        Self { query, told, wanted, found, best, offered, fit, route, patience, gathered, folded }
    }

    /// Says whether everything has been looked at that could matter.
    pub(crate) const fn is_done(&self) -> bool {
        self.fit.is_none()
    }

    /// Looks at about `budget` titles more.
    pub(crate) fn step(&mut self, catalog: &Catalog, budget: usize) {
        let mut left = budget;
        while left > 0
            && let Some(fit) = self.fit
        {
            let mut route = self.route.take().unwrap_or_else(|| {
                left = left.saturating_sub(PLANNING);
                Route::plan(&self.query, fit, catalog)
            });
            if self.patience.left() == 0 && route.can_intersect() {
                route.intersect(self.patience.least, catalog);
            }
            let granted = if route.can_intersect() { left.min(self.patience.left()) } else { left };
            let mut rest = granted;
            self.follow(&mut route, catalog, &mut rest);
            left -= granted - rest;
            self.patience.spend(granted - rest);
            if route.sources.is_empty() {
                self.end_fit(fit);
            } else {
                self.route = Some(route);
            }
        }
    }

    /// Ends the search: the query, the results in order, whether there are more, and what has been told with them.
    pub(crate) fn finish(mut self) -> (Query, Vec<Place>, bool, Told) {
        self.take_best();
        let more = self.found.len() > self.wanted;
        self.found.truncate(self.wanted);
        (self.query, self.found, more, self.told)
    }

    fn take_best(&mut self) {
        let best = std::mem::replace(&mut self.best, Best::new(0));
        self.found.extend(best.into_places());
    }

    /// Goes on with what fits less well, unless there is enough.
    fn end_fit(&mut self, fit: Fit) {
        self.take_best();
        let missing = (self.wanted + 1).saturating_sub(self.found.len());
        self.fit = fit.next(&self.query).filter(|_| missing > 0);
        self.best = Best::new(missing.saturating_sub(1));
        self.patience.begin_fit();
    }

    /// Follows a route until it ends or nothing is left of the budget.
    fn follow(&mut self, route: &mut Route, catalog: &Catalog, left: &mut usize) {
        while *left > 0
            && let Some(source) = route.sources.last_mut()
        {
            let rest = (&mut route.next, route.filters.as_slice());
            let ended = match source {
                Source::Digests { from, name, high } => self.next_digest((from, name, *high), catalog, left),
                Source::Everything => self.walk(Some, rest, catalog, left),
                Source::Words(words) => self.next_word(words, rest, catalog, left),
                Source::Candidates(candidates) => {
                    candidates.build(catalog, left)
                        && self.walk(|number| candidates.next_from(number), rest, catalog, left)
                }
            };
            if ended {
                route.sources.pop();
            }
        }
    }

    /// Goes through the titles of the next word; says whether it was the last one, or none that is left matters.
    fn next_word(
        &mut self,
        words: &mut Vec<WordNo>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        let titles = |word: &WordNo| catalog.words().titles(*word);
        if let Some(set) = words.last().and_then(titles) {
            let also =
                filters.iter().find_map(|words| if let [word] = **words { titles(&word) } else { None });
            let rest = (&mut *next, filters);
            let ended = match also {
                Some(also) => self.walk(|number| set.meet_from(also, number), rest, catalog, left),
                None => self.walk(|number| set.next_from(number), rest, catalog, left),
            };
            if !ended {
                return false;
            }
        }
        words.pop();
        *next = 0;
        // What is left may be thousands of words whose titles could not be among the best any more.
        words.is_empty() || catalog.titles().above(0, self.best.floor()).is_none()
    }

    /// Goes through titles in the order of their numbers; says whether it came to their end.
    fn walk(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        let mut ended = false;
        while *left > 0 && !ended {
            ended = self.gather(&next_title, (next, filters), catalog, left);
            let mut gathered = std::mem::take(&mut self.gathered);
            catalog.bring_near(&gathered);
            gathered.drain(..).for_each(|title| self.look_at(title, catalog, left));
            self.gathered = gathered;
        }
        ended
    }

    /// Gathers some titles that may be hits; says whether these are the last ones.
    fn gather(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        while *left > 0 && self.gathered.len() < AT_ONCE {
            *left -= 1;
            let Some(number) = next_title(*next) else { return true };
            let Some(open) = catalog.titles().above(number, self.best.floor()) else { return true };
            if open > number {
                *next = open;
                continue;
            }
            let contains = |words: &Vec<_>| {
                words.iter().any(|word| catalog.words().titles(*word).is_some_and(|set| set.contains(number)))
            };
            if filters.iter().all(contains) {
                self.gathered.push(TitleNo(number));
            }
            *next = number.saturating_add(1);
        }
        false
    }

    /// Goes through the titles of the next content in the order of digests.
    fn next_digest(
        &mut self,
        (from, name, high): (&mut (Start, ContentNo), &mut NameNo, Start),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        let Some(next) = catalog.contents().next_in_order(*from, high) else { return true };
        if next != *from {
            (*from, *name) = (next, NameNo(0));
        }
        for number in catalog.titles().of(next.1, *name) {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            self.look_at(number, catalog, left);
            if let Some(title) = catalog.titles().get(number) {
                *name = NameNo(title.name.0.saturating_add(1));
            }
        }
        *name = NameNo(0);
        from.1 = ContentNo(next.1.0.saturating_add(1));
        *left = left.saturating_sub(NEXT_DIGEST);
        false
    }

    /// Looks at a title itself, and takes its content for a hit if it is one.
    fn look_at(&mut self, number: TitleNo, catalog: &Catalog, left: &mut usize) {
        let Some(title) = catalog.titles().get(number) else { return };
        let Some(content) = catalog.contents().get(title.content) else { return };
        if title.listed() == 0
            || content.available.rank() <= self.best.floor()
            || self.offered.contains(&title.content)
        {
            return;
        }
        let Some(path) = catalog.names().path(title.name) else { return };
        *left = left.saturating_sub(LOOK + path.len() / LOOK_BYTES);
        fold_into(path, &mut self.folded);
        let fits = self.query.matches(&self.folded, content.size, &content.digest)
            && Some(Fit::of(&self.query, &self.folded, &content.digest)) == self.fit;
        if fits {
            self.offered.insert(title.content);
            if !self.told.has(content) {
                self.best.offer(Place {
                    available: content.available,
                    content: title.content,
                    title: number,
                });
            }
        }
    }
}
