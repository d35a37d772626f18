use std::fmt;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Warning,
    /// Something does not work.
    Problem,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is, in a word.
    pub(crate) check: &'static str,
    /// How it is.
    pub(crate) severity: Severity,
    /// What was seen.
    pub(crate) detail: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(super) const fn ok(what: &'static str, seen: String) -> Self {
        Self { check: what, severity: Severity::Ok, detail: seen, remedy: None }
    }

    pub(super) fn warning(what: &'static str, seen: String, remedy: impl Into<String>) -> Self {
        Self { check: what, severity: Severity::Warning, detail: seen, remedy: Some(remedy.into()) }
    }

    pub(super) fn problem(what: &'static str, seen: String, remedy: impl Into<String>) -> Self {
        Self { check: what, severity: Severity::Problem, detail: seen, remedy: Some(remedy.into()) }
    }
}
