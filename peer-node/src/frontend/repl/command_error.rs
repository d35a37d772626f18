use super::command::ParseError;
use super::peers::PeerLookupError;
use super::problem_hints::hint;
use super::row_list::RowNumberError;
use crate::frontend::console::output::OutputError;
use crate::operations::shares::ShareProblem;
use crate::operations::{Problem, SafeName};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The line is not a command.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A number is not in the list.
    #[error(transparent)]
    RowNumber(#[from] RowNumberError),
    /// A text names no peer that was on the screen.
    #[error(transparent)]
    PeerLookup(PeerLookupError),
    /// An operation of the node failed.
    #[error("{0}{hint}", hint = hint(.0))]
    Operation(#[from] Problem),
    /// The shares cannot be changed in this way.
    #[error(transparent)]
    Share(ShareProblem),
    /// The command needs a confirmation.
    #[error("{error}; add --yes to share it anyway")]
    Unconfirmed {
        /// The reason to confirm.
        error: ShareProblem,
    },
    /// A number selects a folder where a file is needed.
    #[error("{path} is a folder; name one of its files")]
    IsFolder {
        /// The folder with a trailing `/`.
        path: SafeName,
    },
    /// The last list has been shown completely.
    #[error("the last list has no more pages")]
    NoMorePages,
    /// Downloads are unfinished after the timeout; each was already reported.
    #[error("unfinished, will resume")]
    Unfinished,
    /// The failures were already reported.
    #[error("one or more operations failed")]
    AlreadyReported,
}

impl From<ShareProblem> for CommandError {
    fn from(error: ShareProblem) -> Self {
        match error {
            ShareProblem::Unconfirmed(_) => Self::Unconfirmed { error },
            error => Self::Share(error),
        }
    }
}

impl From<PeerLookupError> for CommandError {
    fn from(error: PeerLookupError) -> Self {
        match error {
            PeerLookupError::Name(problem) => Self::Operation(problem.into()),
            error => Self::PeerLookup(error),
        }
    }
}

impl CommandError {
    /// Returns the error for something that was not found.
    pub(crate) fn not_found(what: impl Into<SafeName>) -> Self {
        Self::Operation(Problem::not_found(what))
    }
}
