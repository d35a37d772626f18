use std::ops::RangeInclusive;

use super::Operations;
use super::problem::{ContentCandidate, DownloadProblem, Problem};
use crate::view::{DownloadId, DownloadState, DownloadView};

/// The downloads to which a change applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadSelection {
    /// All for which the change makes sense.
    All,
    /// The named downloads.
    These(Vec<DownloadKey>),
}

/// A name of downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadKey {
    /// Ranges of numbers.
    Numbers(Vec<RangeInclusive<u32>>),
    /// The first digits of the digest or infohash, in lower case: the latest download of that content.
    Digits(String),
}

/// Which downloads a change applies to if all are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DownloadFilter {
    /// Those that have not ended.
    Running,
    /// Those that are paused, waiting or failed.
    Resumable,
    /// Those that failed.
    Failed,
    /// Those that ended without a failure.
    Finished,
}

/// The downloads of a selection.
#[derive(Debug, Default)]
pub(crate) struct SelectedDownloads {
    /// Their numbers.
    pub(crate) ids: Vec<DownloadId>,
    /// What was wrong with names that stand for no download.
    pub(crate) problems: Vec<Problem>,
}

impl SelectedDownloads {
    /// Returns true if all downloads were selected, but there are none.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.ids.is_empty() && self.problems.is_empty()
    }
}

impl DownloadFilter {
    const fn includes(self, state: &DownloadState) -> bool {
        match self {
            Self::Running => !state.is_over(),
            Self::Resumable => state.is_paused_or_stuck() || state.is_failed(),
            Self::Failed => state.is_failed(),
            Self::Finished => state.is_over() && !state.is_failed(),
        }
    }
}

impl Operations {
    /// Returns the selected downloads. A number within the list may stand for a download that has left it.
    pub(crate) fn select(&self, selection: &DownloadSelection, filter: DownloadFilter) -> SelectedDownloads {
        select_from(&self.node.downloads().views(), selection, filter)
    }
}

fn select_from(
    views: &[DownloadView],
    selection: &DownloadSelection,
    filter: DownloadFilter,
) -> SelectedDownloads {
    let keys = match selection {
        DownloadSelection::These(keys) => keys,
        DownloadSelection::All => {
            let chosen = views.iter().filter(|view| filter.includes(&view.state));
            return SelectedDownloads { ids: chosen.map(|view| view.id).collect(), problems: Vec::new() };
        }
    };
    let mut selected = SelectedDownloads::default();
    for key in keys {
        let found = match key {
            DownloadKey::Numbers(ranges) => numbered(views, ranges),
            DownloadKey::Digits(digits) => with_digits(views, digits).map(|id| vec![id]),
        };
        match found {
            Ok(ids) => selected.ids.extend(ids),
            Err(problem) => selected.problems.push(problem),
        }
    }
    selected
}

/// Returns the downloads with these numbers; fails at the first number beyond the list.
fn numbered(views: &[DownloadView], ranges: &[RangeInclusive<u32>]) -> Result<Vec<DownloadId>, Problem> {
    let last = views.last().map_or(0, |view| view.id.0);
    match ranges.iter().find(|range| *range.end() > last) {
        Some(range) => {
            let id = DownloadId((*range.start()).max(last.saturating_add(1)));
            Err(DownloadProblem::NotRunning { id }.into())
        }
        None => Ok(ranges.iter().cloned().flatten().map(DownloadId).collect()),
    }
}

/// Returns the latest download of the only content whose digest or infohash begins with the given digits.
fn with_digits(views: &[DownloadView], digits: &str) -> Result<DownloadId, Problem> {
    let begins = |text: String| text.starts_with(digits);
    let matches = |view: &&DownloadView| {
        begins(view.content.to_string()) || view.digest.is_some_and(|digest| begins(digest.to_string()))
    };
    let matching: Vec<&DownloadView> = views.iter().filter(matches).collect();
    let Some(latest) = matching.last() else {
        return Err(DownloadProblem::UnknownDigest { digits: digits.to_owned() }.into());
    };
    if matching.iter().all(|view| view.content == latest.content) {
        return Ok(latest.id);
    }
    let candidate = |view: &&DownloadView| ContentCandidate {
        id: view.content.to_string(),
        name: view.name.as_str().into(),
    };
    let mut candidates: Vec<ContentCandidate> = matching.iter().map(candidate).collect();
    candidates.sort_unstable();
    candidates.dedup();
    Err(Problem::AmbiguousDigest { digits: digits.to_owned(), candidates })
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;
    use crate::view::{ContentId, test_view};

    fn download(id: u32, first: u8, state: DownloadState) -> DownloadView {
        let digest = Digest::from_bytes([first; 32]);
        let content = ContentId::File(digest);
        DownloadView { id: DownloadId(id), content, digest: Some(digest), state, ..test_view() }
    }

    fn downloads() -> [DownloadView; 4] {
        [
            download(2, 0xab, DownloadState::Failed { reason: "x".into() }),
            download(3, 0xab, DownloadState::Fetching),
            download(4, 0xac, DownloadState::Paused),
            download(5, 0xcc, DownloadState::Cancelled),
        ]
    }

    fn selected(selection: &DownloadSelection, filter: DownloadFilter) -> (Vec<u32>, Vec<String>) {
        let SelectedDownloads { ids, problems } = select_from(&downloads(), selection, filter);
        (ids.iter().map(|id| id.0).collect(), problems.iter().map(Problem::to_string).collect())
    }

    fn these(key: DownloadKey) -> (Vec<u32>, Vec<String>) {
        selected(&DownloadSelection::These(vec![key]), DownloadFilter::Running)
    }

    #[test]
    fn all_means_those_for_which_a_change_makes_sense() {
        let all = |filter| selected(&DownloadSelection::All, filter).0;
        assert_eq!(all(DownloadFilter::Running), [3, 4]);
        assert_eq!(all(DownloadFilter::Resumable), [2, 4]);
        assert_eq!(all(DownloadFilter::Failed), [2]);
        assert_eq!(all(DownloadFilter::Finished), [5]);
    }

    #[test]
    fn numbers_beyond_the_list_are_a_problem() {
        assert_eq!(these(DownloadKey::Numbers(vec![5..=5, 2..=3])).0, [5, 2, 3]);
        let (ids, problems) = these(DownloadKey::Numbers(vec![2..=9]));
        assert_eq!((ids, problems[0].as_str()), (vec![], "download 6 is neither under way nor failed"));
    }

    #[test]
    fn digits_name_the_latest_download_of_one_content() {
        assert_eq!(these(DownloadKey::Digits("abab".into())).0, [3]);
        let (_, problems) = these(DownloadKey::Digits("a".into()));
        assert_eq!(problems, ["2 contents have a digest that begins with a"]);
        let (_, problems) = these(DownloadKey::Digits("ee".into()));
        assert_eq!(problems, ["no download has a digest that begins with ee"]);
    }
}
