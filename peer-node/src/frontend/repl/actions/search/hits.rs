use std::cmp::Reverse;

use protocol::escape::display_safe;
use protocol::fold::fold;
use protocol::index::Hit;
use protocol::query::{Fit, Query};
use protocol::units::DisplaySize;

use crate::frontend::repl::natural_order::natural_order;
use crate::frontend::repl::row_list::ListedContent;

/// Sorts hits: best fit first, then most sources, then natural order of names.
pub(super) fn sort_hits(query: &str, hits: &mut Vec<Hit>) {
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

/// Returns the line of a hit for scripts.
pub(super) fn script_line(number: usize, hit: &Hit) -> String {
    let sources = u64::from(hit.complete) + u64::from(hit.partial);
    format!("{number}\t{}\t{}\t{sources}\t{}", display_name(hit), hit.size, hit.digest)
}

/// Returns the cells of a hit for people.
pub(super) fn table_row(number: usize, hit: &Hit) -> [String; 5] {
    let sources = match (hit.complete, hit.partial) {
        (complete, 0) => complete.to_string(),
        (complete, partial) => format!("{complete} (+{partial} partial)"),
    };
    [number.to_string(), display_name(hit), DisplaySize(hit.size).to_string(), sources, hit.digest.short()]
}

fn display_name(hit: &Hit) -> String {
    display_safe(&best_name(hit)).into_owned()
}

/// Returns the name that fits the query best.
fn best_name(hit: &Hit) -> String {
    ListedContent::from(hit).path
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn hit(name: &str, complete: u32) -> Hit {
        Hit { digest: Digest::EMPTY, size: 5, names: vec![name.into()], complete, partial: 1 }
    }

    #[test]
    fn scripts_get_tabs_and_exact_sizes() {
        let digest = Digest::EMPTY;
        assert_eq!(script_line(7, &hit("a\tb", 2)), format!("7\ta\\tb\t5\t3\t{digest}"));
    }

    #[test]
    fn people_get_sizes_and_partial_sources() {
        assert_eq!(table_row(7, &hit("a\tb", 2)), ["7", "a\\tb", "5 B", "2 (+1 partial)", "e3b0c44298fc"]);
        assert_eq!(table_row(1, &Hit { partial: 0, ..hit("a", 2) })[3], "2");
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
