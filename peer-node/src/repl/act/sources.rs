use protocol::index::{Share, Source};
use protocol::limits::MAX_SOURCES;

use super::lookup::contents;
use crate::repl::command::Item;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::Session;
use crate::repl::table::{Column, lay_out};

const TABLE: [Column; 4] = [
    Column::right("#", Style::Accent, 0),
    Column::left("address", Style::Plain, 0),
    Column::left("has it", Style::Good, 1),
    Column::left("node", Style::Faint, 2),
];

/// Shows who has a content.
pub(super) async fn sources(session: &mut Session, item: &Item) -> Result<(), Failure> {
    let mut all = Vec::new();
    for content in contents(session, item).await? {
        for source in session.node.finder().locate(content.digest, MAX_SOURCES).await? {
            if !all.contains(&source) {
                all.push(source);
            }
        }
    }
    session.peers.list(&all);
    if all.is_empty() {
        return Ok(session.output.remark("no sources")?);
    }
    if !session.output.is_for_person() {
        return Ok(session.output.lines(all.iter().map(line))?);
    }
    let row = |(number, source): (usize, &Source)| {
        [number.to_string(), source.address.to_string(), share(source).to_owned(), source.node.short()]
    };
    let rows: Vec<_> = (1..).zip(&all).map(row).collect();
    let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
    Ok(session.output.lines(lines)?)
}

fn line(source: &Source) -> String {
    format!("{}\t{}\t{}", source.address, share(source), source.node)
}

const fn share(source: &Source) -> &'static str {
    match source.share {
        Share::Whole => "whole",
        Share::Partial => "partial",
    }
}
