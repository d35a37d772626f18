use protocol::escape::excerpt;
use protocol::query::QueryError;
use protocol::units::SizeError;

use crate::frontend::repl::command_table::{CommandInfo, nearest_command};
use crate::frontend::repl::number_ranges::NumberRangesError;
use crate::frontend::repl::words::SplitError;

/// Why a line is not a valid command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// The command does not exist.
    #[error("unknown command {name}{}", suggestion(*.nearest))]
    Unknown {
        /// The typed name, display-safe.
        name: String,
        /// The most similar command.
        nearest: Option<&'static str>,
    },
    /// The arguments of a command are invalid.
    #[error("{problem}; usage: {}", format!("{name} {usage}").trim_end())]
    Usage {
        /// The problem.
        problem: String,
        /// The command as typed.
        name: String,
        /// The expected arguments.
        usage: &'static str,
    },
    /// A quote or a backslash is open at the end of the line.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A number or range is invalid.
    #[error(transparent)]
    Numbers(#[from] NumberRangesError),
    /// A rate is invalid.
    #[error(transparent)]
    Rate(#[from] SizeError),
    /// A query is invalid.
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
