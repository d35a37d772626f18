mod hits;
mod suggest;

use std::time::{Duration, Instant};

use protocol::index::{Hit, SearchCursor};
use protocol::limits::MAX_HITS;

use super::pages::ROWS_PER_PAGE;
use crate::discovery::index_client::IndexError;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{ListRow, ListedContent, NextPage};
use crate::frontend::repl::session::{ReplSession, pluralize};
use hits::{script_line, sort_hits, table_row};
use suggest::report_no_hits;

const TABLE: [TableColumn; 5] = [
    TableColumn::right("#", Style::Accent, 0),
    TableColumn::path("name"),
    TableColumn::right("size", Style::Plain, 1),
    TableColumn::right("sources", Style::Good, 2),
    TableColumn::left("digest", Style::Faint, 3),
];

/// The warning for a search that the index ended early.
const TRUNCATED_WARNING: &str =
    "the index stopped this search early, so there may be more hits; narrow it down";

/// The maximum number of hits that are fetched and sorted together.
const MAX_SORTED: usize = 1000;

/// Maximum time for fetching further pages before the first hit is shown.
const MAX_FETCH_TIME: Duration = Duration::from_millis(200);

/// Sorted hits, and the cursor for the next ones.
struct SortedHits {
    hits: Vec<Hit>,
    after: Option<SearchCursor>,
    is_truncated: bool,
}

/// Searches the files of all peers and shows the first page. Without hits, the last list stays valid.
pub(super) async fn search(session: &mut ReplSession, query: String) -> Result<(), CommandError> {
    let SortedHits { hits, after, is_truncated } = fetch(session, &query, None).await?;
    if hits.is_empty() {
        report_no_hits(session, &query).await?;
    } else {
        session.last_list.clear();
        let total = total_text(hits.len(), after.is_some() || is_truncated);
        show_page(session, query, hits, after, &total)?;
    }
    if is_truncated {
        session.output.warning(TRUNCATED_WARNING);
    }
    Ok(())
}

/// Shows the next page of a search: hits that were already fetched, otherwise the next ones of the index.
pub(super) async fn show_more(
    session: &mut ReplSession,
    query: String,
    rest: Vec<Hit>,
    after: Option<SearchCursor>,
) -> Result<(), CommandError> {
    if !rest.is_empty() {
        let total = total_text(session.last_list.rows().len() + rest.len(), after.is_some());
        return show_page(session, query, rest, after, &total);
    }
    let SortedHits { hits, after, is_truncated } = fetch(session, &query, after).await?;
    let total = total_text(session.last_list.rows().len() + hits.len(), after.is_some() || is_truncated);
    show_page(session, query, hits, after, &total)?;
    if is_truncated {
        session.output.warning(TRUNCATED_WARNING);
    }
    Ok(())
}

/// Fetches hits, page after page within [`MAX_SORTED`] and [`MAX_FETCH_TIME`].
async fn fetch(
    session: &ReplSession,
    query: &str,
    mut after: Option<SearchCursor>,
) -> Result<SortedHits, IndexError> {
    let (mut hits, started) = (Vec::new(), Instant::now());
    loop {
        let page = session.node.finder().search(query.to_owned(), after, MAX_HITS).await?;
        hits.extend(page.hits);
        after = page.more;
        if after.is_none()
            || page.is_truncated
            || hits.len() >= MAX_SORTED
            || started.elapsed() > MAX_FETCH_TIME
        {
            sort_hits(query, &mut hits);
            return Ok(SortedHits { hits, after, is_truncated: page.is_truncated });
        }
    }
}

fn total_text(hits: usize, may_be_more: bool) -> String {
    let hits = pluralize(hits as u64, "hit");
    if may_be_more { format!("more than {hits}") } else { hits }
}

/// Appends a page of hits to the list; a script gets all hits.
fn show_page(
    session: &mut ReplSession,
    query: String,
    mut hits: Vec<Hit>,
    after: Option<SearchCursor>,
    total: &str,
) -> Result<(), CommandError> {
    let size = if session.output.is_for_person() { ROWS_PER_PAGE.into() } else { hits.len() };
    let rest = hits.split_off(size.min(hits.len()));
    let has_more = !rest.is_empty() || after.is_some();
    show_rows(session, &hits, has_more.then_some(NextPage::Hits { query, rest, after }))?;
    let shown = session.last_list.rows().len();
    match (session.output.is_for_person(), has_more) {
        (_, true) => session.output.remark(format!("1 to {shown} of {total}; `more` shows the next ones"))?,
        (true, false) => session.output.remark(total)?,
        (false, false) => {}
    }
    Ok(())
}

/// Shows hits as a new list.
pub(super) fn show_hits(session: &mut ReplSession, hits: &[Hit]) -> Result<(), CommandError> {
    session.last_list.clear();
    show_rows(session, hits, None)
}

fn show_rows(session: &mut ReplSession, hits: &[Hit], next: Option<NextPage>) -> Result<(), CommandError> {
    let rows = hits.iter().map(|hit| ListRow::File(ListedContent::from(hit))).collect();
    let numbered = (session.last_list.append_page(rows, next)..).zip(hits);
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, hit)| table_row(number, hit)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
        session.output.lines(lines)?;
    } else {
        session.output.lines(numbered.map(|(number, hit)| script_line(number, hit)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_shows_whether_it_is_complete() {
        assert_eq!((total_text(42, false).as_str(), total_text(1, false).as_str()), ("42 hits", "1 hit"));
        assert_eq!(total_text(200, true), "more than 200 hits");
    }
}
