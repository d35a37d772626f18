mod hits;

use protocol::index::SearchCursor;

use super::pages::ROWS_PER_PAGE;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{ListRow, NextPage};
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::operations::{HitPage, SearchHit, SearchRequest};
use hits::{script_line, table_row};

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

/// Searches the files of all peers and shows the first page. Without hits, the last list stays valid.
pub(super) async fn search(session: &mut ReplSession, query: String) -> Result<(), CommandError> {
    let page = fetch(session, &query, None).await?;
    let is_truncated = page.is_truncated;
    if page.items.is_empty() {
        report_no_hits(session, &query).await?;
    } else {
        session.last_list.clear();
        let total = total_text(page.items.len(), page.next.is_some() || is_truncated);
        show_page(session, query, page.items, page.next, &total)?;
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
    rest: Vec<SearchHit>,
    after: Option<SearchCursor>,
) -> Result<(), CommandError> {
    if !rest.is_empty() {
        let total = total_text(session.last_list.rows().len() + rest.len(), after.is_some());
        return show_page(session, query, rest, after, &total);
    }
    let page = fetch(session, &query, after).await?;
    let count = session.last_list.rows().len() + page.items.len();
    let total = total_text(count, page.next.is_some() || page.is_truncated);
    let is_truncated = page.is_truncated;
    show_page(session, query, page.items, page.next, &total)?;
    if is_truncated {
        session.output.warning(TRUNCATED_WARNING);
    }
    Ok(())
}

async fn fetch(
    session: &ReplSession,
    query: &str,
    after: Option<SearchCursor>,
) -> Result<HitPage, CommandError> {
    Ok(session.operations.search(SearchRequest { query: query.to_owned(), after }).await?)
}

/// Reports that nothing was found, with queries that have hits.
async fn report_no_hits(session: &mut ReplSession, query: &str) -> Result<(), CommandError> {
    session.output.remark("no hits")?;
    let suggested = session.operations.suggest_queries(query).await;
    if suggested.is_empty() {
        return Ok(());
    }
    let look = session.output.look();
    let searches = suggested.iter().map(|other| look.paint(Style::Accent, &format!("search {other}")));
    let text = format!("did you mean: {}", searches.collect::<Vec<_>>().join(", "));
    Ok(session.output.remark(text)?)
}

fn total_text(hits: usize, may_be_more: bool) -> String {
    let hits = pluralize(hits as u64, "hit");
    if may_be_more { format!("more than {hits}") } else { hits }
}

/// Appends a page of hits to the list; a script gets all hits.
fn show_page(
    session: &mut ReplSession,
    query: String,
    mut hits: Vec<SearchHit>,
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
pub(super) fn show_hits(session: &mut ReplSession, hits: &[SearchHit]) -> Result<(), CommandError> {
    session.last_list.clear();
    show_rows(session, hits, None)
}

fn show_rows(
    session: &mut ReplSession,
    hits: &[SearchHit],
    next: Option<NextPage>,
) -> Result<(), CommandError> {
    let rows = hits.iter().map(|hit| ListRow::File(hit.content.clone())).collect();
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
