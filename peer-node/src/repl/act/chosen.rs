use crate::repl::command::{Chosen, Which};
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::transfers::{DownloadId, DownloadState, DownloadView};

/// Returns the downloads that are named. Reports those that there are not, and returns that this failed.
pub(super) fn named(session: &mut Session, which: &[Which]) -> (Vec<DownloadId>, Result<(), Failure>) {
    let views = session.node.downloads().views();
    let last = views.last().map_or(0, |view| view.id.0);
    let (mut ids, mut told) = (Vec::new(), Ok(()));
    for which in which {
        let found = match which {
            Which::Numbers(numbers) => match numbers.up_to(last) {
                Ok(more) => {
                    ids.extend(more.map(DownloadId));
                    Ok(())
                }
                Err(number) => Err(Failure::NoDownload { number }),
            },
            Which::Digits(digits) => of_digits(&views, digits).map(|id| ids.push(id)),
        };
        if let Err(failure) = found {
            told = Err(session.told(&failure));
        }
    }
    (ids, told)
}

/// Returns the latest download of the only content whose digest or infohash begins with some digits.
fn of_digits(views: &[DownloadView], digits: &str) -> Result<DownloadId, Failure> {
    let begins = |text: String| text.starts_with(digits);
    let is_it = |view: &&DownloadView| {
        begins(view.content.to_string()) || view.digest.is_some_and(|digest| begins(digest.to_string()))
    };
    let fitting: Vec<&DownloadView> = views.iter().filter(is_it).collect();
    let Some(latest) = fitting.last() else {
        return Err(Failure::NoDownloadOf { digits: digits.to_owned() });
    };
    if fitting.iter().all(|view| view.content == latest.content) {
        return Ok(latest.id);
    }
    let candidate =
        |view: &&DownloadView| format!("{}  {}", view.content, protocol::escape::display_safe(&view.name));
    let mut candidates: Vec<String> = fitting.iter().map(candidate).collect();
    candidates.sort_unstable();
    candidates.dedup();
    Err(Failure::SeveralDigests { digits: digits.to_owned(), candidates })
}

/// Returns the downloads that are meant, like [`named`]; all are those that `applies` is true of.
pub(super) fn chosen(
    session: &mut Session,
    chosen: &Chosen,
    applies: impl Fn(&DownloadState) -> bool,
) -> (Vec<DownloadId>, Result<(), Failure>) {
    match chosen {
        Chosen::These(which) => named(session, which),
        Chosen::All => {
            let views = session.node.downloads().views();
            let chosen = views.iter().filter(|view| applies(&view.state));
            (chosen.map(|view| view.id).collect(), Ok(()))
        }
    }
}
