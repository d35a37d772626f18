use protocol::escape::display_safe;
use protocol::index::{Hit, SearchCursor};
use protocol::limits::MAX_HITS;
use protocol::units::Size;

use super::pages::{MORE, PERSONS_PAGE};
use crate::index_client::SearchPage;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::Session;
use crate::repl::shown::{Listed, Next};
use crate::repl::table::{Column, lay_out};

const TABLE: [Column; 5] = [
    Column::right("#", Style::Accent, 0),
    Column::flexible("name"),
    Column::right("size", Style::Plain, 1),
    Column::right("sources", Style::Good, 2),
    Column::left("digest", Style::Faint, 3),
];

/// What is said when the index has not looked at everything.
const CUT: &str = "the index has cut the search off, there may be more: narrow it down";

/// Finds what others share and shows the first page.
pub(super) async fn search(session: &mut Session, query: String) -> Result<(), Failure> {
    session.shown.begin();
    page(session, query, None).await
}

/// Shows one page of a search.
pub(super) async fn page(
    session: &mut Session,
    query: String,
    after: Option<SearchCursor>,
) -> Result<(), Failure> {
    let limit = if session.output.is_for_person() { PERSONS_PAGE } else { MAX_HITS };
    let is_first = after.is_none();
    let SearchPage { hits, more, is_cut, .. } =
        session.node.finder().search(query.clone(), after, limit).await?;
    if hits.is_empty() && is_first {
        session.output.line("no hits")?;
    } else {
        show(session, &hits, more.map(|after| Next::Search { query, after }))?;
    }
    if is_cut {
        session.output.warning(CUT);
    }
    Ok(())
}

/// Shows hits as the current list, or as its next page.
pub(super) fn show(session: &mut Session, hits: &[Hit], next: Option<Next>) -> Result<(), Failure> {
    let has_more = next.is_some();
    let first = session.shown.extend(hits.iter().map(Listed::from).collect(), next);
    let numbered = (first..).zip(hits);
    if session.output.is_for_person() {
        let rows: Vec<_> = numbered.map(|(number, hit)| row(number, hit)).collect();
        let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
        session.output.lines(lines)?;
    } else {
        session.output.lines(numbered.map(|(number, hit)| line(number, hit)))?;
    }
    if has_more {
        let more = session.output.look().paint(Style::Faint, MORE);
        session.output.line(more)?;
    }
    Ok(())
}

fn line(number: usize, hit: &Hit) -> String {
    let sources = u64::from(hit.whole) + u64::from(hit.partial);
    format!("{number}\t{}\t{}\t{sources}\t{}", name(hit), hit.size, hit.digest)
}

fn row(number: usize, hit: &Hit) -> [String; 5] {
    let sources = match (hit.whole, hit.partial) {
        (whole, 0) => whole.to_string(),
        (whole, partial) => format!("{whole} (+{partial} in part)"),
    };
    [number.to_string(), name(hit), Size(hit.size).to_string(), sources, hit.digest.short()]
}

/// Shows the name that fits the search best, and how many others there are is left to the index.
fn name(hit: &Hit) -> String {
    display_safe(&Listed::from(hit).path).into_owned()
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn hit() -> Hit {
        Hit { digest: Digest::OF_NOTHING, size: 5, names: vec!["a\tb".into()], whole: 2, partial: 1 }
    }

    #[test]
    fn scripts_get_tabs_and_bytes() {
        let digest = Digest::OF_NOTHING;
        assert_eq!(line(7, &hit()), format!("7\ta\\tb\t5\t3\t{digest}"));
    }

    #[test]
    fn people_get_sizes_and_partial_sources() {
        assert_eq!(row(7, &hit()), ["7", "a\\tb", "5 B", "2 (+1 in part)", "e3b0c44298fc"]);
        assert_eq!(row(1, &Hit { partial: 0, ..hit() })[3], "2");
    }
}
