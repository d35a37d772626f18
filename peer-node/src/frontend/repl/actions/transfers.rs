mod rows;

use super::limit::limits_text;
use super::selection::{report_problems, selection_of};
use crate::frontend::console::look::Style;
use crate::frontend::repl::command::DownloadSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::operations::{DownloadFilter, SelectedDownloads, Transfers};
use rows::{DownloadRows, download_line, upload_line, upload_rows};

/// The maximum number of finished downloads shown to a person, the latest ones.
const MAX_FINISHED_SHOWN: usize = 10;

/// Shows downloads and uploads.
pub(super) fn list_transfers(session: &mut ReplSession) -> Result<(), CommandError> {
    let Transfers { mut downloads, uploads: sent } = session.operations.transfers();
    let (width, look) = (session.output.width(), session.output.look());
    let root = session.operations.share_dir().to_owned();
    if !session.output.is_for_person() {
        if downloads.is_empty() && sent.is_empty() {
            return Ok(session.output.remark("no transfers")?);
        }
        let lines = downloads.iter().map(|view| download_line(view, &root));
        return Ok(session.output.lines(lines.chain(sent.iter().map(upload_line)))?);
    }
    let finished = downloads.iter().filter(|view| view.state.is_over()).count();
    let hidden = finished.saturating_sub(MAX_FINISHED_SHOWN);
    let mut removed = 0;
    downloads.retain(|view| {
        let is_hidden = removed < hidden && view.state.is_over();
        removed += usize::from(is_hidden);
        !is_hidden
    });
    let mut lines = DownloadRows { views: &downloads, root: &root }.lines(width, look);
    lines.extend(upload_rows(&sent, width, look));
    lines.extend(limits_text(&session.operations.limits()).map(|text| look.paint(Style::Faint, &text)));
    if lines.is_empty() {
        return Ok(session.output.remark("no transfers")?);
    }
    session.output.lines(lines)?;
    if hidden > 0 {
        session.output.remark(format!("{hidden} more finished; `transfers clear` removes them"))?;
    }
    Ok(())
}

/// Removes finished downloads from the list; failed ones wait for a retry and are removed only if they are named. Files and
/// partial data stay.
pub(super) fn clear_transfers(
    session: &mut ReplSession,
    which: &DownloadSelector,
) -> Result<(), CommandError> {
    let selection = selection_of(which);
    let SelectedDownloads { ids, problems } = session.operations.select(&selection, DownloadFilter::Finished);
    let mut result = report_problems(session, problems);
    let mut cleared = 0_u64;
    for id in ids {
        match session.operations.clear(id) {
            Ok(()) => cleared += 1,
            Err(problem) => result = Err(session.report_error(&problem.into())),
        }
    }
    session.output.line(format!("cleared {}", pluralize(cleared, "download")))?;
    result
}
