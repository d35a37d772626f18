use serde::Serialize;

use crate::library::LibraryError;
use crate::operations::display_text::DisplayText;

/// Why a change of the shares was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", content = "message", rename_all = "snake_case")]
pub(crate) enum ShareProblem {
    /// Sharing the path needs the user's confirmation.
    #[error("{0}")]
    Unconfirmed(DisplayText),
    /// The file or folder does not exist.
    #[error("{0}")]
    NotFound(DisplayText),
    /// The path is not shared.
    #[error("{0}")]
    NotShared(DisplayText),
    /// The path or a pattern is of a kind that is not accepted.
    #[error("{0}")]
    Refused(DisplayText),
    /// A file cannot be read or written.
    #[error("{0}")]
    Failed(DisplayText),
    /// The node is stopping.
    #[error("{0}")]
    Stopping(DisplayText),
}

impl From<LibraryError> for ShareProblem {
    fn from(error: LibraryError) -> Self {
        let message = DisplayText::from_message(&error);
        match error {
            LibraryError::Unconfirmed { .. } => Self::Unconfirmed(message),
            LibraryError::NotFound { .. } => Self::NotFound(message),
            LibraryError::NotShared { .. } => Self::NotShared(message),
            LibraryError::CannotShare { .. }
            | LibraryError::BadPattern(_)
            | LibraryError::PatternsForFile { .. } => Self::Refused(message),
            LibraryError::WrongContent { .. } | LibraryError::BadShares { .. } | LibraryError::Io { .. } => {
                Self::Failed(message)
            }
            LibraryError::Stopped => Self::Stopping(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_keeps_the_message_of_the_library() {
        let problem = ShareProblem::from(LibraryError::NotShared { path: "/a\nb".into() });
        assert_eq!(problem.to_string(), "/a\\nb is not shared");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["problem"], "not_shared");
        assert!(matches!(ShareProblem::from(LibraryError::Stopped), ShareProblem::Stopping(_)));
    }
}
