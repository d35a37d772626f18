//! Finds contents by a query: the best first, by how well their names fit and how available they are.
//!
//! A search goes through the titles that may fit, best fit first, and ends when it has as many hits as are wanted. Titles that
//! are no more available than the worst of those are passed over, block by block. It is cut into steps, so that nobody who waits for the catalog waits for a whole search;
//! whatever changes between two steps is seen by the later one or not at all. Pure: whoever drives it decides when
//! it has taken too long.

mod candidates;
mod cost_budget;
mod query_plan;

#[cfg(test)]
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use protocol::fold::fold_into;
use protocol::index::SearchCursor;
use protocol::query::{Fit, Query};

use crate::catalog::{Catalog, DigestHead, NameNo};
use crate::ids::{ContentNo, TitleNo};
use crate::keyed_hash::KeyedState;
use crate::ranking::{RankedHit, TopHits};
use crate::sent_hits::SentHits;
use crate::words::WordNo;
use cost_budget::CostBudget;
pub(crate) use cost_budget::SCAN_COST_LIMIT;
use query_plan::{QueryPlan, TitleSource};

/// What the plan of a way costs, and the look at a name, beside the step to the next title; and how many bytes of the
/// name cost as much as a step.
const PLAN_COST: usize = 1024;
const TITLE_COST: usize = 8;
const BYTES_PER_COST: usize = 8;

/// What finding the next content in the order of digests is taken to cost: it is looked for in each of some ten runs.
const DIGEST_COST: usize = 16;

/// So many titles are gathered before the first is looked at. What there is to know of each lies in four places, far from each
/// other; asked for together they come in the time of one, and the index answers 1.08 times as many searches.
const TITLE_BATCH: usize = 8;

/// A search under way.
#[derive(Debug)]
pub(crate) struct Search {
    query: Query,
    sent_hits: SentHits,
    limit: usize,
    /// What fits better than what is looked for now, in order.
    found: Vec<RankedHit>,
    top: TopHits,
    /// Contents that were offered to the best already.
    matched: HashSet<ContentNo, KeyedState>,
    /// How well titles fit that are looked for now; none when everything has been looked for.
    fit: Option<Fit>,
    plan: Option<QueryPlan>,
    /// What walking may still cost before requirements are intersected.
    cost_budget: CostBudget,
    /// Holds the titles that are looked at next.
    batch: Vec<TitleNo>,
    /// Holds the path that is being looked at.
    folded: String,
}

impl Search {
    /// Begins a search for the first `limit` contents that were not told yet.
    pub(crate) fn new(query: Query, after: Option<&SearchCursor>, wanted: usize) -> Self {
        let (found, best) = (Vec::new(), TopHits::new(wanted));
        let (offered, told) = (HashSet::default(), SentHits::new(after));
        let (fit, route) = (Some(Fit::Exact), None);
        let (gathered, folded) = (Vec::with_capacity(TITLE_BATCH), String::new());
        let patience = CostBudget::default();
        Self {
            query,
            sent_hits: told,
            limit: wanted,
            found,
            top: best,
            matched: offered,
            fit,
            plan: route,
            cost_budget: patience,
            batch: gathered,
            folded,
        }
    }

    /// Says whether everything has been looked at that could matter.
    pub(crate) const fn is_done(&self) -> bool {
        self.fit.is_none()
    }

    /// Looks at about `budget` titles more.
    pub(crate) fn advance(&mut self, catalog: &Catalog, budget: usize) {
        let mut left = budget;
        while left > 0
            && let Some(fit) = self.fit
        {
            let mut route = self.plan.take().unwrap_or_else(|| {
                left = left.saturating_sub(PLAN_COST);
                QueryPlan::new(&self.query, fit, catalog)
            });
            if self.cost_budget.remaining() == 0 && route.can_intersect() {
                route.intersect(self.cost_budget.min_titles, catalog);
            }
            let granted = if route.can_intersect() { left.min(self.cost_budget.remaining()) } else { left };
            let mut rest = granted;
            self.execute(&mut route, catalog, &mut rest);
            left -= granted - rest;
            self.cost_budget.spend(granted - rest);
            if route.sources.is_empty() {
                self.end_fit(fit);
            } else {
                self.plan = Some(route);
            }
        }
    }

    /// Ends the search: the query, the results in order, whether there are more, and what has been told with them.
    pub(crate) fn finish(mut self) -> (Query, Vec<RankedHit>, bool, SentHits) {
        self.take_top();
        let more = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        (self.query, self.found, more, self.sent_hits)
    }

    fn take_top(&mut self) {
        let best = std::mem::replace(&mut self.top, TopHits::new(0));
        self.found.extend(best.into_sorted());
    }

    /// Goes on with what fits less well, unless there is enough.
    fn end_fit(&mut self, fit: Fit) {
        self.take_top();
        let missing = (self.limit + 1).saturating_sub(self.found.len());
        self.fit = fit.next_worse(&self.query).filter(|_| missing > 0);
        self.top = TopHits::new(missing.saturating_sub(1));
        self.cost_budget.begin_fit();
    }

    /// Follows a route until it ends or nothing is left of the budget.
    fn execute(&mut self, route: &mut QueryPlan, catalog: &Catalog, left: &mut usize) {
        while *left > 0
            && let Some(source) = route.sources.last_mut()
        {
            let rest = (&mut route.next, route.filters.as_slice());
            let ended = match source {
                TitleSource::Digests { from, name, high } => {
                    self.scan_digest((from, name, *high), catalog, left)
                }
                TitleSource::Everything => self.scan_titles(Some, rest, catalog, left),
                TitleSource::Words(words) => self.scan_word(words, rest, catalog, left),
                TitleSource::Candidates(candidates) => {
                    candidates.build(catalog, left)
                        && self.scan_titles(|number| candidates.next_from(number), rest, catalog, left)
                }
            };
            if ended {
                route.sources.pop();
            }
        }
    }

    /// Goes through the titles of the next word; says whether it was the last one, or none that is left matters.
    fn scan_word(
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
                Some(also) => self.scan_titles(|number| set.next_in_both(also, number), rest, catalog, left),
                None => self.scan_titles(|number| set.next_from(number), rest, catalog, left),
            };
            if !ended {
                return false;
            }
        }
        words.pop();
        *next = 0;
        // What is left may be thousands of words whose titles could not be among the best any more.
        words.is_empty() || catalog.titles().next_above(0, self.top.min_rank()).is_none()
    }

    /// Goes through titles in the order of their numbers; says whether it came to their end.
    fn scan_titles(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        let mut ended = false;
        while *left > 0 && !ended {
            ended = self.fill_batch(&next_title, (next, filters), catalog, left);
            let mut gathered = std::mem::take(&mut self.batch);
            catalog.prefetch_titles(&gathered);
            gathered.drain(..).for_each(|title| self.match_title(title, catalog, left));
            self.batch = gathered;
        }
        ended
    }

    /// Gathers some titles that may be hits; says whether these are the last ones.
    fn fill_batch(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        while *left > 0 && self.batch.len() < TITLE_BATCH {
            *left -= 1;
            let Some(number) = next_title(*next) else { return true };
            let Some(open) = catalog.titles().next_above(number, self.top.min_rank()) else { return true };
            if open > number {
                *next = open;
                continue;
            }
            let contains = |words: &Vec<_>| {
                words.iter().any(|word| catalog.words().titles(*word).is_some_and(|set| set.contains(number)))
            };
            if filters.iter().all(contains) {
                self.batch.push(TitleNo(number));
            }
            *next = number.saturating_add(1);
        }
        false
    }

    /// Goes through the titles of the next content in the order of digests.
    fn scan_digest(
        &mut self,
        (from, name, high): (&mut (DigestHead, ContentNo), &mut NameNo, DigestHead),
        catalog: &Catalog,
        left: &mut usize,
    ) -> bool {
        let Some(next) = catalog.contents().next_by_digest(*from, high) else { return true };
        if next != *from {
            (*from, *name) = (next, NameNo(0));
        }
        for number in catalog.titles().titles_of(next.1, *name) {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            self.match_title(number, catalog, left);
            if let Some(title) = catalog.titles().get(number) {
                *name = NameNo(title.name.0.saturating_add(1));
            }
        }
        *name = NameNo(0);
        from.1 = ContentNo(next.1.0.saturating_add(1));
        *left = left.saturating_sub(DIGEST_COST);
        false
    }

    /// Looks at a title itself, and takes its content for a hit if it is one.
    fn match_title(&mut self, number: TitleNo, catalog: &Catalog, left: &mut usize) {
        let Some(title) = catalog.titles().get(number) else { return };
        let Some(content) = catalog.contents().get(title.content) else { return };
        if title.listed_groups() == 0
            || content.availability.rank() <= self.top.min_rank()
            || self.matched.contains(&title.content)
        {
            return;
        }
        let Some(path) = catalog.names().path(title.name) else { return };
        *left = left.saturating_sub(TITLE_COST + path.len() / BYTES_PER_COST);
        fold_into(path, &mut self.folded);
        let fits = self.query.matches(&self.folded, content.size, &content.digest)
            && Some(Fit::of(&self.query, &self.folded, &content.digest)) == self.fit;
        if fits {
            self.matched.insert(title.content);
            if !self.sent_hits.contains(content) {
                self.top.push(RankedHit {
                    availability: content.availability,
                    content: title.content,
                    title: number,
                });
            }
        }
    }
}
