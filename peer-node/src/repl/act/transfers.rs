mod rows;

use super::chosen::named;
use super::limit::limits_text;
use crate::repl::command::Chosen;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, count};
use rows::{Downloads, download_line, upload_line, uploads};

/// Downloads that are over and still shown to a person, the latest ones.
const MOST_OVER: usize = 10;

/// Shows what comes in and goes out.
pub(super) fn transfers(session: &mut Session) -> Result<(), Failure> {
    let (mut downloads, sent) = (session.node.downloads().views(), session.node.uploads());
    let (width, look) = (session.output.width(), session.output.look());
    let root = session.node.share_dir().to_owned();
    if !session.output.is_for_person() {
        if downloads.is_empty() && sent.is_empty() {
            return Ok(session.output.remark("no transfers")?);
        }
        let lines = downloads.iter().map(|view| download_line(view, &root));
        return Ok(session.output.lines(lines.chain(sent.iter().map(upload_line)))?);
    }
    let over = downloads.iter().filter(|view| view.state.is_over()).count();
    let hidden = over.saturating_sub(MOST_OVER);
    let mut left_out = 0;
    downloads.retain(|view| {
        let is_hidden = left_out < hidden && view.state.is_over();
        left_out += usize::from(is_hidden);
        !is_hidden
    });
    let mut lines = Downloads { views: &downloads, root: &root }.lines(width, look);
    lines.extend(uploads(&sent, width, look));
    lines.extend(limits_text(&session.node).map(|text| look.paint(Style::Faint, &text)));
    if lines.is_empty() {
        return Ok(session.output.remark("no transfers")?);
    }
    session.output.lines(lines)?;
    if hidden > 0 {
        session.output.remark(format!("{hidden} more are over; `transfers clear` removes them"))?;
    }
    Ok(())
}

/// Removes downloads that are over from the list, all but those that failed unless they are named: these wait for a retry. Files and
/// partial data stay.
pub(super) fn clear(session: &mut Session, which: &Chosen) -> Result<(), Failure> {
    let (ids, mut told) = match which {
        Chosen::These(which) => named(session, which),
        Chosen::All => {
            let views = session.node.downloads().views();
            let finished = views.iter().filter(|view| view.state.is_over() && !view.state.is_failed());
            (finished.map(|view| view.id).collect(), Ok(()))
        }
    };
    let mut cleared = 0_u64;
    for id in ids {
        if session.node.downloads().clear(id) {
            cleared += 1;
        } else {
            told = Err(session.told(&Failure::NotOver { number: id.0 }));
        }
    }
    session.output.line(format!("cleared {}", count(cleared, "download")))?;
    told
}
