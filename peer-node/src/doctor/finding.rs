use std::fmt;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// As it should be.
    Well,
    /// Worth knowing.
    Doubtful,
    /// Something does not work.
    Ill,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Well => "ok",
            Self::Doubtful => "warning",
            Self::Ill => "problem",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is, in a word.
    pub(crate) what: &'static str,
    /// How it is.
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(super) const fn well(what: &'static str, seen: String) -> Self {
        Self { what, verdict: Verdict::Well, seen, remedy: None }
    }

    pub(super) fn doubtful(what: &'static str, seen: String, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Doubtful, seen, remedy: Some(remedy.into()) }
    }

    pub(super) fn ill(what: &'static str, seen: String, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ill, seen, remedy: Some(remedy.into()) }
    }
}
