use std::fmt;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// No problem.
    Ok,
    /// Working, but worth knowing.
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

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Name of the check.
    pub(crate) check: &'static str,
    /// Severity.
    pub(crate) severity: Severity,
    /// What was observed.
    pub(crate) detail: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(super) const fn ok(check: &'static str, detail: String) -> Self {
        Self { check, severity: Severity::Ok, detail, remedy: None }
    }

    pub(super) fn warning(check: &'static str, detail: String, remedy: impl Into<String>) -> Self {
        Self { check, severity: Severity::Warning, detail, remedy: Some(remedy.into()) }
    }

    pub(super) fn problem(check: &'static str, detail: String, remedy: impl Into<String>) -> Self {
        Self { check, severity: Severity::Problem, detail, remedy: Some(remedy.into()) }
    }
}
