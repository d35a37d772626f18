use crate::repl::command::Chosen;
use crate::repl::failure::Failure;
use crate::repl::numbers::Numbers;
use crate::repl::session::Session;
use crate::transfers::{DownloadId, DownloadState};

/// Returns the downloads of some numbers. Tells of numbers that there are not, and returns that this failed.
pub(super) fn numbered(session: &mut Session, numbers: &[Numbers]) -> (Vec<DownloadId>, Result<(), Failure>) {
    let last = session.node.downloads().views().last().map_or(0, |view| view.id.0);
    let (mut ids, mut told) = (Vec::new(), Ok(()));
    for numbers in numbers {
        match numbers.up_to(last) {
            Ok(more) => ids.extend(more.map(DownloadId)),
            Err(number) => told = Err(session.told(&Failure::NoDownload { number })),
        }
    }
    (ids, told)
}

/// Returns the downloads that are meant, like [`numbered`]; all are those that `applies` is true of.
pub(super) fn chosen(
    session: &mut Session,
    chosen: &Chosen,
    applies: impl Fn(&DownloadState) -> bool,
) -> (Vec<DownloadId>, Result<(), Failure>) {
    match chosen {
        Chosen::Numbers(numbers) => numbered(session, numbers),
        Chosen::All => {
            let views = session.node.downloads().views();
            let chosen = views.iter().filter(|view| applies(&view.state));
            (chosen.map(|view| view.id).collect(), Ok(()))
        }
    }
}
