use crate::frontend::repl::command::{DownloadRef, DownloadSelector};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::{DownloadKey, DownloadSelection, Problem};

/// Returns the downloads that a command selects.
pub(super) fn selection_of(chosen: &DownloadSelector) -> DownloadSelection {
    match chosen {
        DownloadSelector::All => DownloadSelection::All,
        DownloadSelector::These(which) => DownloadSelection::These(keys_of(which)),
    }
}

/// Returns the names of downloads in a command.
pub(super) fn keys_of(which: &[DownloadRef]) -> Vec<DownloadKey> {
    let key = |which: &DownloadRef| match which {
        DownloadRef::Numbers(numbers) => DownloadKey::Numbers(numbers.ranges()),
        DownloadRef::Digits(digits) => DownloadKey::Digits(digits.clone()),
    };
    which.iter().map(key).collect()
}

/// Reports problems; the result is an error if there are any.
pub(super) fn report_problems(session: &mut ReplSession, problems: Vec<Problem>) -> Result<(), CommandError> {
    let mut result = Ok(());
    for problem in problems {
        result = Err(session.report_error(&problem.into()));
    }
    result
}
