mod hits;
mod suggest;

use std::time::{Duration, Instant};

use protocol::index::{Hit, SearchCursor};
use protocol::limits::MAX_HITS;

use super::pages::PERSONS_PAGE;
use crate::index_client::IndexError;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, count};
use crate::repl::shown::{Listed, Next, Row};
use crate::repl::table::{Column, lay_out};
use hits::{line, row, sort};
use suggest::nothing_found;

const TABLE: [Column; 5] = [
    Column::right("#", Style::Accent, 0),
    Column::path("name"),
    Column::right("size", Style::Plain, 1),
    Column::right("sources", Style::Good, 2),
    Column::left("digest", Style::Faint, 3),
];

/// What is said when the index has not looked at everything.
const CUT: &str = "the index stopped this search early, so there may be more hits; narrow it down";

/// Hits are put in order together up to so many, as long as the index tells them quickly.
const MOST_IN_ORDER: usize = 1000;

/// How long further pages are asked for before the first hit is shown.
const PATIENCE: Duration = Duration::from_millis(200);

/// Hits in order, and how the search goes on.
struct Found {
    hits: Vec<Hit>,
    after: Option<SearchCursor>,
    is_cut: bool,
}

/// Finds what others share and shows the first page. Without hits, the numbers of the last list stay good.
pub(super) async fn search(session: &mut Session, query: String) -> Result<(), Failure> {
    let Found { hits, after, is_cut } = fetch(session, &query, None).await?;
    if hits.is_empty() {
        nothing_found(session, &query).await?;
    } else {
        session.shown.begin();
        let total = total(hits.len(), after.is_some() || is_cut);
        page(session, query, hits, after, &total)?;
    }
    if is_cut {
        session.output.warning(CUT);
    }
    Ok(())
}

/// Shows the next page of a search: what was told already, and otherwise what the index tells next.
pub(super) async fn more(
    session: &mut Session,
    query: String,
    rest: Vec<Hit>,
    after: Option<SearchCursor>,
) -> Result<(), Failure> {
    if !rest.is_empty() {
        let total = total(session.shown.rows().len() + rest.len(), after.is_some());
        return page(session, query, rest, after, &total);
    }
    let Found { hits, after, is_cut } = fetch(session, &query, after).await?;
    let total = total(session.shown.rows().len() + hits.len(), after.is_some() || is_cut);
    page(session, query, hits, after, &total)?;
    if is_cut {
        session.output.warning(CUT);
    }
    Ok(())
}

/// Asks for hits, and for more of them as long as that takes no time.
async fn fetch(session: &Session, query: &str, mut after: Option<SearchCursor>) -> Result<Found, IndexError> {
    let (mut hits, begun) = (Vec::new(), Instant::now());
    loop {
        let page = session.node.finder().search(query.to_owned(), after, MAX_HITS).await?;
        hits.extend(page.hits);
        after = page.more;
        if after.is_none() || page.is_cut || hits.len() >= MOST_IN_ORDER || begun.elapsed() > PATIENCE {
            sort(query, &mut hits);
            return Ok(Found { hits, after, is_cut: page.is_cut });
        }
    }
}

fn total(hits: usize, may_be_more: bool) -> String {
    let hits = count(hits as u64, "hit");
    if may_be_more { format!("more than {hits}") } else { hits }
}

/// Shows a page of hits behind those that are shown: all to a script.
fn page(
    session: &mut Session,
    query: String,
    mut hits: Vec<Hit>,
    after: Option<SearchCursor>,
    total: &str,
) -> Result<(), Failure> {
    let size = if session.output.is_for_person() { PERSONS_PAGE.into() } else { hits.len() };
    let rest = hits.split_off(size.min(hits.len()));
    let has_more = !rest.is_empty() || after.is_some();
    show_rows(session, &hits, has_more.then_some(Next::Hits { query, rest, after }))?;
    let shown = session.shown.rows().len();
    match (session.output.is_for_person(), has_more) {
        (_, true) => session.output.remark(format!("1 to {shown} of {total}; `more` shows the next ones"))?,
        (true, false) => session.output.remark(total)?,
        (false, false) => {}
    }
    Ok(())
}

/// Shows hits as a new list.
pub(super) fn show(session: &mut Session, hits: &[Hit]) -> Result<(), Failure> {
    session.shown.begin();
    show_rows(session, hits, None)
}

fn show_rows(session: &mut Session, hits: &[Hit], next: Option<Next>) -> Result<(), Failure> {
    let rows = hits.iter().map(|hit| Row::File(Listed::from(hit))).collect();
    let numbered = (session.shown.extend(rows, next)..).zip(hits);
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, hit)| row(number, hit)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
        session.output.lines(lines)?;
    } else {
        session.output.lines(numbered.map(|(number, hit)| line(number, hit)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_says_whether_it_is_all() {
        assert_eq!((total(42, false).as_str(), total(1, false).as_str()), ("42 hits", "1 hit"));
        assert_eq!(total(200, true), "more than 200 hits");
    }
}
