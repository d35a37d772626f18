use std::cmp::Reverse;
use std::time::{Duration, Instant};

use protocol::fold::fold;
use protocol::index::{Hit, SearchCursor};
use protocol::limits::MAX_HITS;
use protocol::query::{Fit, Query};

use super::Operations;
use super::content::{Page, SearchHit};
use super::natural_order::natural_order;
use super::problem::Problem;

/// The maximum number of hits that are fetched and sorted together.
const MAX_SORTED: usize = 1000;

/// Maximum time for fetching further pages before the first hit is returned.
const MAX_FETCH_TIME: Duration = Duration::from_millis(200);

/// A search of the files of all peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchRequest {
    /// The query in the query language.
    pub(crate) query: String,
    /// Where the previous page ended; `None` for the first page.
    pub(crate) after: Option<SearchCursor>,
}

/// A page of hits, best match first.
pub(crate) type HitPage = Page<SearchHit, SearchCursor>;

impl Operations {
    /// Returns a page of hits. It contains as many as arrive within [`MAX_FETCH_TIME`], at least one page of the index, so that
    /// they can be sorted together.
    pub(crate) async fn search(&self, request: SearchRequest) -> Result<HitPage, Problem> {
        let SearchRequest { query, mut after } = request;
        let (mut hits, started) = (Vec::new(), Instant::now());
        loop {
            let page = self.node.finder().search(query.clone(), after, MAX_HITS).await?;
            hits.extend(page.hits);
            after = page.more;
            if after.is_none()
                || page.is_truncated
                || hits.len() >= MAX_SORTED
                || started.elapsed() > MAX_FETCH_TIME
            {
                sort_hits(&query, &mut hits);
                let items = hits.iter().map(SearchHit::from).collect();
                return Ok(Page { items, next: after, is_truncated: page.is_truncated });
            }
        }
    }
}

/// Sorts hits: best fit first, then most sources, then natural order of names.
fn sort_hits(query: &str, hits: &mut Vec<Hit>) {
    // A query that only the index understands keeps the order of the index.
    let Ok(query) = Query::parse(query) else { return };
    let rank = |hit: &Hit| {
        let name = hit.names.first().map(|name| fold(name)).unwrap_or_default();
        (Fit::of(&query, &name, &hit.digest), Reverse((hit.complete, hit.partial)))
    };
    let mut ranked: Vec<_> = hits.drain(..).map(|hit| (rank(&hit), hit)).collect();
    ranked.sort_by(|(rank, hit), (other_rank, other)| {
        rank.cmp(other_rank).then_with(|| natural_order(&best_name(hit), &best_name(other)))
    });
    hits.extend(ranked.into_iter().map(|(_, hit)| hit));
}

/// Returns the name that fits the query best; the digest if there is no name.
fn best_name(hit: &Hit) -> String {
    hit.names.first().cloned().unwrap_or_else(|| hit.digest.to_string())
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn hit(name: &str, complete: u32) -> Hit {
        Hit { digest: Digest::EMPTY, size: 5, names: vec![name.into()], complete, partial: 1 }
    }

    #[test]
    fn equal_hits_come_in_natural_order() {
        let mut hits: Vec<Hit> =
            ["track10", "subtrack", "track9", "a/track"].map(|name| hit(name, 1)).to_vec();
        hits.push(hit("track10 popular", 2));
        sort_hits("track", &mut hits);
        let names: Vec<_> = hits.iter().map(best_name).collect();
        assert_eq!(names, ["a/track", "track10 popular", "track9", "track10", "subtrack"]);
    }
}
