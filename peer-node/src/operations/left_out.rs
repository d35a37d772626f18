//! Files in shared folders that are not shared, and why.

use serde::Serialize;

use super::Operations;
use super::display_text::DisplayText;
use crate::library::{LeftOutFile, ShareOverview};

/// How many files the shared folders leave out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOutSummary {
    /// Number of files and folders that are left out.
    pub(crate) total: u64,
    /// More are left out than are recorded.
    pub(crate) is_truncated: bool,
    /// The reasons, the most frequent first.
    pub(crate) reasons: Vec<LeftOutReason>,
    /// Some are left out for a reason that users may not expect.
    pub(crate) has_unexpected: bool,
    /// All of this in one line.
    pub(crate) message: String,
}

/// How many files are left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOutReason {
    /// A short label of the reason.
    pub(crate) label: &'static str,
    /// Number of files and folders.
    pub(crate) count: u64,
}

/// A file, or a folder with everything below it, that is not shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOutPath {
    /// Absolute path on this machine.
    pub(crate) path: DisplayText,
    /// A short label of the reason.
    pub(crate) label: &'static str,
    /// The reason.
    pub(crate) reason: DisplayText,
}

impl LeftOutSummary {
    /// Summarizes what is left out; `None` if nothing is.
    pub(super) fn new(overview: &ShareOverview) -> Option<Self> {
        let message = overview.summary()?;
        let reasons = overview.counts_by_reason().into_iter();
        let reasons: Vec<_> = reasons.map(|(label, count)| LeftOutReason { label, count }).collect();
        Some(Self {
            total: reasons.iter().map(|reason| reason.count).sum(),
            is_truncated: overview.is_truncated,
            reasons,
            has_unexpected: overview.has_unexpected(),
            message,
        })
    }
}

impl From<&LeftOutFile> for LeftOutPath {
    fn from(LeftOutFile { location, reason }: &LeftOutFile) -> Self {
        Self {
            path: DisplayText::from_path(location),
            label: reason.label(),
            reason: DisplayText::from_message(reason),
        }
    }
}

impl Operations {
    /// Returns what the shared folders leave out; `None` if nothing is.
    pub(crate) fn left_out(&self) -> Option<LeftOutSummary> {
        LeftOutSummary::new(&self.node.library().overview())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::SkipReason;

    #[test]
    fn reasons_are_counted() {
        assert_eq!(LeftOutSummary::new(&ShareOverview::default()), None);
        let left_out = |location: &str, reason| LeftOutFile { location: location.into(), reason };
        let overview = ShareOverview {
            left_out: vec![left_out("/s/.a", SkipReason::Hidden), left_out("/s/l", SkipReason::Link)],
            ..ShareOverview::default()
        };
        let summary = LeftOutSummary::new(&overview).unwrap();
        assert_eq!((summary.total, summary.has_unexpected), (2, true));
        assert_eq!(summary.message, "2 left out (hidden: 1, links: 1)");
        assert_eq!(summary.reasons[0], LeftOutReason { label: "hidden", count: 1 });
    }
}
