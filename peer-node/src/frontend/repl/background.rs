//! The downloads in the background, and the notices when they finish.

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::escape::display_safe;

use super::notices::ReplNotice;
use super::session::{display_path, pluralize};
use super::space_notices::SpaceNotices;
use crate::download::Downloads;
use crate::frontend::console::look::Style;
use crate::operations::Download;
use crate::view::{DownloadId, DownloadState};

/// The downloads in the background whose end was not reported yet.
#[derive(Debug, Default)]
pub(crate) struct Background {
    single: BTreeSet<DownloadId>,
    groups: Vec<BackgroundGroup>,
}

/// Downloads of one command: reported once, when all have finished.
#[derive(Debug)]
struct BackgroundGroup {
    /// The name of the group.
    name: String,
    /// The destination, if it is one folder.
    folder: Option<PathBuf>,
    waiting: Vec<DownloadId>,
    total: usize,
    failed: usize,
    has_reported_space: bool,
}

impl Background {
    /// Adds a download, unless it is already known.
    pub(crate) fn add(&mut self, id: DownloadId) {
        if !self.contains(id) {
            self.single.insert(id);
        }
    }

    /// Adds the downloads of one command; they are no longer reported one by one.
    pub(crate) fn add_group(&mut self, name: String, folder: Option<PathBuf>, ids: Vec<DownloadId>) {
        for id in &ids {
            self.single.remove(id);
        }
        let total = ids.len();
        self.groups.push(BackgroundGroup {
            name,
            folder,
            waiting: ids,
            total,
            failed: 0,
            has_reported_space: false,
        });
    }

    /// Removes a download whose end was already reported.
    pub(crate) fn remove(&mut self, id: DownloadId) {
        self.single.remove(&id);
        for group in &mut self.groups {
            if group.waiting.contains(&id) {
                group.waiting.retain(|waiting| *waiting != id);
                group.total -= 1;
            }
        }
        // An empty group has nothing left to report.
        self.groups.retain(|group| group.total > 0);
    }

    /// Returns the next notice, if there is one.
    pub(crate) fn next_notice(
        &mut self,
        downloads: &Downloads,
        space_notices: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        let view = |id| downloads.watch(id).map(|view| Download::from(view.borrow().clone()));
        self.single_notice(view, space_notices).or_else(|| self.group_notice(view, space_notices))
    }

    /// Returns true if the download is in the background.
    pub(crate) fn contains(&self, id: DownloadId) -> bool {
        self.single.contains(&id) || self.groups.iter().any(|group| group.waiting.contains(&id))
    }

    fn single_notice(
        &mut self,
        view: impl Fn(DownloadId) -> Option<Download>,
        space_notices: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        let (mut notice, mut finished) = (None, Vec::new());
        for id in &self.single {
            match view(*id) {
                Some(view) if !view.state.is_settled() => {
                    let text = space_notices.notice_for(&view);
                    notice = text.map(|text| ReplNotice { style: Style::Warning, text });
                }
                // A download that has already left the list is not reported.
                seen => {
                    finished.push(*id);
                    notice = seen.map(|view| finished_download_notice(&view));
                }
            }
            if notice.is_some() {
                break;
            }
        }
        for id in finished {
            self.single.remove(&id);
        }
        notice
    }

    fn group_notice(
        &mut self,
        view: impl Fn(DownloadId) -> Option<Download>,
        space_notices: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        for group in &mut self.groups {
            let mut notice = None;
            group.waiting.retain(|id| {
                let Some(view) = view(*id) else { return false };
                if !view.state.is_settled() {
                    if !group.has_reported_space && notice.is_none() {
                        notice = space_notices.notice_for(&view);
                    }
                    return true;
                }
                group.failed += usize::from(!view.state.is_complete());
                false
            });
            if let Some(text) = notice {
                group.has_reported_space = true;
                return Some(ReplNotice { style: Style::Warning, text });
            }
        }
        let at = self.groups.iter().position(|group| group.waiting.is_empty())?;
        Some(self.groups.remove(at).finished_notice())
    }
}

impl BackgroundGroup {
    fn finished_notice(&self) -> ReplNotice {
        let (name, all) = (display_safe(&self.name), pluralize(self.total as u64, "download"));
        let location =
            self.folder.as_ref().map(|folder| format!(", in {}", display_path(folder))).unwrap_or_default();
        if self.failed == 0 {
            return ReplNotice { style: Style::Good, text: format!("{name} finished: {all}{location}") };
        }
        let failed = self.failed;
        let text = format!("{name} incomplete: {failed} of {all} failed or were stopped; see transfers");
        ReplNotice { style: Style::Bad, text }
    }
}

/// Returns the notice for the end of one download.
fn finished_download_notice(view: &Download) -> ReplNotice {
    let (number, name) = (view.id.0, &view.name);
    let (style, text) = match &view.state {
        DownloadState::Done { .. } => (Style::Good, format!("download {number} finished: {name}")),
        DownloadState::Seeding { .. } => {
            (Style::Good, format!("download {number} finished, seeding: {name}"))
        }
        DownloadState::Failed { reason } => {
            (Style::Bad, format!("download {number} failed: {name}: {}", display_safe(reason)))
        }
        _ => (Style::Warning, format!("download {number} was stopped: {name}")),
    };
    ReplNotice { style, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::test_download as test_view;

    /// Returns the next notice if the downloads up to `done` are complete, except number 3, which has failed.
    fn next_text(background: &mut Background, done: u32) -> Option<String> {
        let view = |id: DownloadId| {
            let state = match id.0 {
                3 if done >= 3 => DownloadState::Failed { reason: "broken".into() },
                number if number <= done => DownloadState::Done { location: "/x".into(), renamed: None },
                _ => DownloadState::Fetching,
            };
            Some(Download { id, state, ..test_view() })
        };
        let mut space_notices = SpaceNotices::default();
        let notice = background
            .single_notice(view, &mut space_notices)
            .or_else(|| background.group_notice(view, &mut space_notices));
        notice.map(|notice| notice.text)
    }

    #[test]
    fn group_is_reported_once_when_finished() {
        let mut background = Background::default();
        background.add(DownloadId(1));
        background.add_group("tree/".into(), Some("/srv/tree".into()), [1, 2].map(DownloadId).to_vec());
        background.add(DownloadId(2));
        assert_eq!(next_text(&mut background, 1), None);
        assert_eq!(next_text(&mut background, 2).unwrap(), "tree/ finished: 2 downloads, in /srv/tree");
        assert_eq!(next_text(&mut background, 2), None);
    }

    #[test]
    fn failures_of_a_group_are_counted() {
        let mut background = Background::default();
        background.add_group("tree/".into(), None, [2, 3, 4].map(DownloadId).to_vec());
        background.remove(DownloadId(4));
        let text = next_text(&mut background, 3).unwrap();
        assert_eq!(text, "tree/ incomplete: 1 of 2 downloads failed or were stopped; see transfers");
        background.add_group("b/".into(), None, vec![DownloadId(9)]);
        background.remove(DownloadId(9));
        assert_eq!(next_text(&mut background, 9), None);
    }
}
