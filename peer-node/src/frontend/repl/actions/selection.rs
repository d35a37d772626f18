use crate::frontend::repl::command::{DownloadRef, DownloadSelector};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// Returns the named downloads. Unknown ones are reported, and the result is an error then.
pub(super) fn resolve_refs(
    session: &mut ReplSession,
    which: &[DownloadRef],
) -> (Vec<DownloadId>, Result<(), CommandError>) {
    let views = session.node.downloads().views();
    let last = views.last().map_or(0, |view| view.id.0);
    let (mut ids, mut result) = (Vec::new(), Ok(()));
    for which in which {
        let found = match which {
            DownloadRef::Numbers(numbers) => match numbers.up_to(last) {
                Ok(more) => {
                    ids.extend(more.map(DownloadId));
                    Ok(())
                }
                Err(number) => Err(CommandError::NoDownload { number }),
            },
            DownloadRef::Digits(digits) => download_by_digits(&views, digits).map(|id| ids.push(id)),
        };
        if let Err(failure) = found {
            result = Err(session.report_error(&failure));
        }
    }
    (ids, result)
}

/// Returns the latest download of the only content whose digest or infohash begins with the given digits.
fn download_by_digits(views: &[DownloadView], digits: &str) -> Result<DownloadId, CommandError> {
    let begins = |text: String| text.starts_with(digits);
    let matches = |view: &&DownloadView| {
        begins(view.content.to_string()) || view.digest.is_some_and(|digest| begins(digest.to_string()))
    };
    let matching: Vec<&DownloadView> = views.iter().filter(matches).collect();
    let Some(latest) = matching.last() else {
        return Err(CommandError::NoDownloadWithDigest { digits: digits.to_owned() });
    };
    if matching.iter().all(|view| view.content == latest.content) {
        return Ok(latest.id);
    }
    let candidate =
        |view: &&DownloadView| format!("{}  {}", view.content, protocol::escape::display_safe(&view.name));
    let mut candidates: Vec<String> = matching.iter().map(candidate).collect();
    candidates.sort_unstable();
    candidates.dedup();
    Err(CommandError::AmbiguousDigest { digits: digits.to_owned(), candidates })
}

/// Returns the selected downloads, like [`resolve_refs`]; `all` selects those for which `applies` is true.
pub(super) fn resolve_downloads(
    session: &mut ReplSession,
    chosen: &DownloadSelector,
    applies: impl Fn(&DownloadState) -> bool,
) -> (Vec<DownloadId>, Result<(), CommandError>) {
    match chosen {
        DownloadSelector::These(which) => resolve_refs(session, which),
        DownloadSelector::All => {
            let views = session.node.downloads().views();
            let chosen = views.iter().filter(|view| applies(&view.state));
            (chosen.map(|view| view.id).collect(), Ok(()))
        }
    }
}
