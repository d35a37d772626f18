use protocol::index::{ContentSource, Share};
use protocol::limits::MAX_SOURCES;

use super::lookup::find_files;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command::ContentSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;

const TABLE: [TableColumn; 4] = [
    TableColumn::right("#", Style::Accent, 0),
    TableColumn::left("address", Style::Plain, 0),
    TableColumn::left("has it", Style::Good, 1),
    TableColumn::left("node", Style::Faint, 2),
];

/// Shows the sources of a content.
pub(super) async fn list_sources(
    session: &mut ReplSession,
    item: &ContentSelector,
) -> Result<(), CommandError> {
    let mut all = Vec::new();
    for content in find_files(session, item).await? {
        for source in session.node.finder().locate(content.digest, MAX_SOURCES).await? {
            if !all.contains(&source) {
                all.push(source);
            }
        }
    }
    session.peers.set_sources(&all);
    if all.is_empty() {
        return Ok(session.output.remark("no sources")?);
    }
    if !session.output.is_for_person() {
        return Ok(session.output.lines(all.iter().map(script_line))?);
    }
    let row = |(number, source): (usize, &ContentSource)| {
        [number.to_string(), source.address.to_string(), share_text(source).to_owned(), source.node.short()]
    };
    let rows: Vec<_> = (1..).zip(&all).map(row).collect();
    let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
    Ok(session.output.lines(lines)?)
}

fn script_line(source: &ContentSource) -> String {
    format!("{}\t{}\t{}", source.address, share_text(source), source.node)
}

const fn share_text(source: &ContentSource) -> &'static str {
    match source.share {
        Share::Complete => "whole",
        Share::Partial => "partial",
    }
}
