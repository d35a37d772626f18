use protocol::digest::Digest;
use protocol::index::Share;

use super::lookup::find_files;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command::ContentSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::SourceRow;

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
    let contents: Vec<Digest> =
        find_files(session, item).await?.iter().map(|content| content.digest).collect();
    let all = session.operations.sources(&contents).await?;
    session.peers.set_sources(&all);
    if all.is_empty() {
        return Ok(session.output.remark("no sources")?);
    }
    if !session.output.is_for_person() {
        return Ok(session.output.lines(all.iter().map(script_line))?);
    }
    let row = |(number, source): (usize, &SourceRow)| {
        [number.to_string(), source.address.to_string(), share_text(source).to_owned(), source.node.short()]
    };
    let rows: Vec<_> = (1..).zip(&all).map(row).collect();
    let lines = lay_out(&TABLE, &rows, session.output.width(), session.output.look());
    Ok(session.output.lines(lines)?)
}

fn script_line(source: &SourceRow) -> String {
    format!("{}\t{}\t{}", source.address, share_text(source), source.node)
}

const fn share_text(source: &SourceRow) -> &'static str {
    match source.share {
        Share::Complete => "whole",
        Share::Partial => "partial",
    }
}
