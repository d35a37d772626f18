//! Searches contents by a query; the best-ranked hits first, by match quality and availability.
//!
//! A search walks over candidate titles, best match quality first, until it has enough hits. Blocks of titles whose rank is not
//! above the worst hit are skipped. The search runs in steps, so that it never holds the catalog for long; a change between two
//! steps is seen by the later one or not at all. Pure: the caller decides when the search has taken too long.

mod candidates;
mod cost_budget;
mod query_plan;

#[cfg(test)]
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use protocol::fold::fold_into;
use protocol::query::{Fit, Query};

use crate::catalog::{Catalog, DigestHead, NameNo};
use crate::ids::{ContentNo, TitleNo};
use crate::keyed_hash::KeyedState;
use crate::ranking::{RankedHit, TopHits};
use crate::request::SentMarks;
use crate::sent_hits::SentHits;
use crate::words::WordNo;
use cost_budget::CostBudget;
pub(crate) use cost_budget::SCAN_COST_LIMIT;
use query_plan::{QueryPlan, TitleSource};

/// Costs in units of one step to the next title: planning one fit, and examining a name; and how many bytes of a name cost one
/// unit.
const PLAN_COST: usize = 1024;
const TITLE_COST: usize = 8;
const BYTES_PER_COST: usize = 8;

/// The estimated cost of finding the next content in digest order, which takes a lookup in each of about ten runs.
const DIGEST_COST: usize = 16;

/// Titles gathered before the first is examined. The data of a title is in four distant places in memory; prefetching a batch
/// overlaps the cache misses (docs/performance.md).
const TITLE_BATCH: usize = 8;
const _: () =
    assert!(TITLE_COST >= 1 && DIGEST_COST >= 1 && PLAN_COST >= TITLE_COST, "every step costs something");

/// A search in progress.
#[derive(Debug)]
pub(crate) struct Search {
    query: Query,
    sent_hits: SentHits,
    limit: usize,
    /// Hits of better fits, in order.
    found: Vec<RankedHit>,
    top: TopHits,
    /// Contents that matched already.
    matched: HashSet<ContentNo, KeyedState>,
    /// The current match quality; `None` when the search is done.
    fit: Option<Fit>,
    plan: Option<QueryPlan>,
    /// What walking over titles may still cost before requirements are intersected.
    cost_budget: CostBudget,
    /// The next titles to examine; kept to reuse its memory.
    batch: Vec<TitleNo>,
    /// The folded path being examined; kept to reuse its memory.
    folded: String,
}

impl Search {
    /// Starts a search for the first `limit` contents that were not sent yet.
    pub(crate) fn new(query: Query, after: SentMarks, limit: usize) -> Self {
        Self {
            query,
            sent_hits: SentHits::new(after),
            limit,
            found: Vec::new(),
            top: TopHits::new(limit),
            matched: HashSet::default(),
            fit: Some(Fit::Exact),
            plan: None,
            cost_budget: CostBudget::default(),
            batch: Vec::with_capacity(TITLE_BATCH),
            folded: String::new(),
        }
    }

    /// Returns true if no further title can matter.
    pub(crate) const fn is_done(&self) -> bool {
        self.fit.is_none()
    }

    /// Examines titles until a cost of about `budget` is spent.
    pub(crate) fn advance(&mut self, catalog: &Catalog, budget: usize) {
        let mut remaining = budget;
        while remaining > 0
            && let Some(fit) = self.fit
        {
            // A plan outlives a step, so that the next step continues where this one stopped.
            let mut plan = self.plan.take().unwrap_or_else(|| {
                remaining = remaining.saturating_sub(PLAN_COST);
                QueryPlan::new(&self.query, fit, catalog)
            });
            // Walking has become too expensive: intersect the requirements instead.
            if self.cost_budget.remaining() == 0 && plan.can_intersect() {
                plan.intersect(self.cost_budget.min_titles, catalog);
            }
            // While an intersection is still possible, a step ends where walking becomes more expensive than it.
            let granted =
                if plan.can_intersect() { remaining.min(self.cost_budget.remaining()) } else { remaining };
            let mut unspent = granted;
            self.execute(&mut plan, catalog, &mut unspent);
            // Both budgets are charged: that of the step, and that of walking in this fit.
            debug_assert!(unspent <= granted, "a step returned more budget than it was granted");
            remaining -= granted - unspent;
            self.cost_budget.spend(granted - unspent);
            // All titles of this fit were examined; the next worse fit needs a plan of its own.
            if plan.sources.is_empty() {
                self.end_fit(fit);
            } else {
                self.plan = Some(plan);
            }
        }
    }

    /// Ends the search; returns the query, the hits in order, whether there are more, and the hits sent so far.
    pub(crate) fn finish(mut self) -> (Query, Vec<RankedHit>, bool, SentHits) {
        self.take_top();
        // One hit more than requested is kept, only to know whether there are more.
        let more = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        debug_assert!(self.found.len() <= self.matched.len(), "a hit did not match");
        (self.query, self.found, more, self.sent_hits)
    }

    fn take_top(&mut self) {
        let top = std::mem::replace(&mut self.top, TopHits::new(0));
        self.found.extend(top.into_sorted());
    }

    /// Continues with the next worse fit, unless there are enough hits.
    fn end_fit(&mut self, fit: Fit) {
        self.take_top();
        // Hits of a worse fit rank below all found so far, so only the missing ones are collected.
        let missing = (self.limit + 1).saturating_sub(self.found.len());
        self.fit = fit.next_worse(&self.query).filter(|_| missing > 0);
        debug_assert!(self.found.len() <= self.limit + 1, "more hits are kept than wanted");
        self.top = TopHits::new(missing.saturating_sub(1));
        self.cost_budget.begin_fit();
    }

    /// Executes a plan until it is done or the budget is used up.
    fn execute(&mut self, plan: &mut QueryPlan, catalog: &Catalog, budget: &mut usize) {
        while *budget > 0
            && let Some(source) = plan.sources.last_mut()
        {
            // Borrowed apart from the source, which is borrowed mutably below.
            let position = (&mut plan.next, plan.filters.as_slice());
            let ended = match source {
                TitleSource::Digests { from, name, high } => {
                    self.scan_digest((from, name, *high), catalog, budget)
                }
                // Every number is a candidate; numbers without a title are skipped by their rank.
                TitleSource::Everything => self.scan_titles(Some, position, catalog, budget),
                TitleSource::Words(words) => self.scan_word(words, position, catalog, budget),
                TitleSource::Candidates(candidates) => {
                    // The bitmap may take several steps to build before the first title can be read from it.
                    candidates.build(catalog, budget)
                        && self.scan_titles(|number| candidates.next_from(number), position, catalog, budget)
                }
            };
            if ended {
                plan.sources.pop();
            }
        }
    }

    /// Scans the titles of the next word; returns true if it was the last one, or no remaining title can be a top hit.
    fn scan_word(
        &mut self,
        words: &mut Vec<WordNo>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        budget: &mut usize,
    ) -> bool {
        let titles = |word: &WordNo| catalog.words().titles(*word);
        if let Some(set) = words.last().and_then(titles) {
            // Two sorted sets are followed together, which skips most titles without reading them.
            let other =
                filters.iter().find_map(|words| if let [word] = **words { titles(&word) } else { None });
            let position = (&mut *next, filters);
            let ended = match other {
                Some(other) => {
                    self.scan_titles(|number| set.next_in_both(other, number), position, catalog, budget)
                }
                None => self.scan_titles(|number| set.next_from(number), position, catalog, budget),
            };
            // The budget is used up: the word stays last, and the next step resumes at `next`.
            if !ended {
                return false;
            }
        }
        words.pop();
        *next = 0;
        // The remaining words may be thousands whose titles all rank too low.
        words.is_empty() || catalog.titles().next_above(0, self.top.min_rank()).is_none()
    }

    /// Scans titles in order of their numbers; returns true at their end.
    fn scan_titles(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        budget: &mut usize,
    ) -> bool {
        let mut ended = false;
        while *budget > 0 && !ended {
            // Titles are gathered first and examined later, so that their cache misses overlap.
            ended = self.fill_batch(&next_title, (next, filters), catalog, budget);
            // Taken out because examining a title needs the whole search.
            let mut batch = std::mem::take(&mut self.batch);
            catalog.prefetch_titles(&batch);
            batch.drain(..).for_each(|title| self.match_title(title, catalog, budget));
            self.batch = batch;
        }
        ended
    }

    /// Gathers titles that may be hits; returns true if these are the last ones.
    fn fill_batch(
        &mut self,
        next_title: impl Fn(u32) -> Option<u32>,
        (next, filters): (&mut u32, &[Vec<WordNo>]),
        catalog: &Catalog,
        budget: &mut usize,
    ) -> bool {
        while *budget > 0 && self.batch.len() < TITLE_BATCH {
            *budget -= 1;
            let Some(number) = next_title(*next) else { return true };
            // Once there are enough hits, whole blocks of lower ranks are skipped.
            let Some(candidate) = catalog.titles().next_above(number, self.top.min_rank()) else {
                return true;
            };
            // The candidate need not be in the set, so the set is asked again from there on.
            if candidate > number {
                *next = candidate;
                continue;
            }
            // Checking a set is much cheaper than reading and folding a name.
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

    /// Scans the titles of the next content in digest order.
    fn scan_digest(
        &mut self,
        (from, name, high): (&mut (DigestHead, ContentNo), &mut NameNo, DigestHead),
        catalog: &Catalog,
        budget: &mut usize,
    ) -> bool {
        let Some(next) = catalog.contents().next_by_digest(*from, high) else { return true };
        // A new content begins with its first name; otherwise the last step stopped within its names.
        if next != *from {
            (*from, *name) = (next, NameNo(0));
        }
        for number in catalog.titles().titles_of(next.1, *name) {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            self.match_title(number, catalog, budget);
            if let Some(title) = catalog.titles().get(number) {
                *name = NameNo(title.name.0.saturating_add(1));
            }
        }
        // All names were examined, so the next content starts with its first.
        *name = NameNo(0);
        from.1 = ContentNo(next.1.0.saturating_add(1));
        *budget = budget.saturating_sub(DIGEST_COST);
        false
    }

    /// Examines a title, and adds its content to the hits if it matches.
    fn match_title(&mut self, number: TitleNo, catalog: &Catalog, budget: &mut usize) {
        let Some(title) = catalog.titles().get(number) else { return };
        // The cheap tests come first: a name is read only if its content can still be a hit.
        let Some(content) = catalog.contents().get(title.content) else {
            return impossible!("a title has no content", title = number, content = title.content);
        };
        if title.listed_groups() == 0
            || content.availability.rank() <= self.top.min_rank()
            || self.matched.contains(&title.content)
        {
            return;
        }
        let Some(path) = catalog.names().path(title.name) else {
            return impossible!("a title has no name", title = number, name = title.name);
        };
        *budget = budget.saturating_sub(TITLE_COST + path.len() / BYTES_PER_COST);
        fold_into(path, &mut self.folded);
        // A title that fits better was a hit of an earlier plan; one that fits worse follows later.
        let is_match = self.query.matches(&self.folded, content.size, &content.digest)
            && Some(Fit::of(&self.query, &self.folded, &content.digest)) == self.fit;
        if is_match {
            self.matched.insert(title.content);
            // Counted as matched even if it was sent before, so that no other title of it is examined.
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
