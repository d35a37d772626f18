use protocol::escape::excerpt;
use protocol::query::QueryError;
use protocol::units::SizeError;

use crate::repl::command_table::{CommandInfo, nearest_command};
use crate::repl::number_ranges::NumberRangesError;
use crate::repl::words::SplitError;

/// Why a line is not a command, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// There is no such command.
    #[error("there is no command {name}{}", suggestion(*.nearest))]
    Unknown {
        /// What was typed, display-safe.
        name: String,
        /// The command that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A command has too much, too little or the wrong thing behind it.
    #[error("{problem}; usage: {}", format!("{name} {usage}").trim_end())]
    Usage {
        /// What is wrong.
        problem: String,
        /// The command as it was typed.
        name: String,
        /// What belongs behind it.
        usage: &'static str,
    },
    /// A quote or a backslash is left open.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Numbers that cannot be.
    #[error(transparent)]
    Numbers(#[from] NumberRangesError),
    /// A rate that cannot be.
    #[error(transparent)]
    Rate(#[from] SizeError),
    /// The search is none.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl ParseError {
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown { name: excerpt(name), nearest: nearest_command(name) }
    }

    pub(super) fn usage(entry: &CommandInfo, name: &str, problem: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), name: name.to_owned(), usage: entry.usage }
    }
}

fn suggestion(nearest: Option<&'static str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; see help".to_owned(),
    }
}
