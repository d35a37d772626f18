//! The downloads in the background, of whose end a person is notified.

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::escape::display_safe;

use super::look::Style;
use super::notices::ReplNotice;
use super::session::{display_path, pluralize};
use super::space_notices::SpaceNotices;
use crate::download::Downloads;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// The downloads that were sent to the background and are not over as far as anybody was notified.
#[derive(Debug, Default)]
pub(crate) struct Background {
    single: BTreeSet<DownloadId>,
    groups: Vec<BackgroundGroup>,
}

/// Downloads that were asked for together: a person is notified once, when all are over.
#[derive(Debug)]
struct BackgroundGroup {
    /// What they are together.
    name: String,
    /// Where they lie, if in one folder.
    folder: Option<PathBuf>,
    waiting: Vec<DownloadId>,
    total: usize,
    failed: usize,
    has_reported_space: bool,
}

impl Background {
    /// Adds a download, unless it is there.
    pub(crate) fn add(&mut self, id: DownloadId) {
        if !self.contains(id) {
            self.single.insert(id);
        }
    }

    /// Adds downloads that were asked for together, in place of what is known of them.
    pub(crate) fn add_group(&mut self, name: String, place: Option<PathBuf>, ids: Vec<DownloadId>) {
        for id in &ids {
            self.single.remove(id);
        }
        let all = ids.len();
        self.groups.push(BackgroundGroup {
            name,
            folder: place,
            waiting: ids,
            total: all,
            failed: 0,
            has_reported_space: false,
        });
    }

    /// Removes a download, of which a person knows already.
    pub(crate) fn remove(&mut self, id: DownloadId) {
        self.single.remove(&id);
        for group in &mut self.groups {
            if group.waiting.contains(&id) {
                group.waiting.retain(|waiting| *waiting != id);
                group.total -= 1;
            }
        }
        // Nothing is left to say of one that was removed as a whole.
        self.groups.retain(|group| group.total > 0);
    }

    /// Returns the next thing to tell of them.
    pub(crate) fn next_notice(
        &mut self,
        downloads: &Downloads,
        room: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        let view = |id| downloads.watch(id).map(|view| view.borrow().clone());
        self.single_notice(view, room).or_else(|| self.group_notice(view, room))
    }

    /// Returns true if a download is among them.
    pub(crate) fn contains(&self, id: DownloadId) -> bool {
        self.single.contains(&id) || self.groups.iter().any(|group| group.waiting.contains(&id))
    }

    fn single_notice(
        &mut self,
        view: impl Fn(DownloadId) -> Option<DownloadView>,
        room: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        let (mut notice, mut gone) = (None, Vec::new());
        for id in &self.single {
            match view(*id) {
                Some(view) if !view.state.is_settled() => {
                    notice = room.notice_for(&view).map(|text| ReplNotice { style: Style::Warning, text });
                }
                // What has been over for so long that it is forgotten is not reported.
                seen => {
                    gone.push(*id);
                    notice = seen.map(|view| finished_download_notice(&view));
                }
            }
            if notice.is_some() {
                break;
            }
        }
        for id in gone {
            self.single.remove(&id);
        }
        notice
    }

    fn group_notice(
        &mut self,
        view: impl Fn(DownloadId) -> Option<DownloadView>,
        room: &mut SpaceNotices,
    ) -> Option<ReplNotice> {
        for group in &mut self.groups {
            let mut news = None;
            group.waiting.retain(|id| {
                let Some(view) = view(*id) else { return false };
                if !view.state.is_settled() {
                    if !group.has_reported_space && news.is_none() {
                        news = room.notice_for(&view);
                    }
                    return true;
                }
                group.failed += usize::from(!view.state.is_complete());
                false
            });
            if let Some(text) = news {
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
        let place =
            self.folder.as_ref().map(|place| format!(", in {}", display_path(place))).unwrap_or_default();
        if self.failed == 0 {
            return ReplNotice { style: Style::Good, text: format!("{name} is done: {all}{place}") };
        }
        let failed = self.failed;
        let text = format!("{name} is incomplete: {failed} of {all} failed or were stopped; see transfers");
        ReplNotice { style: Style::Bad, text }
    }
}

/// Returns what has become of one download.
fn finished_download_notice(view: &DownloadView) -> ReplNotice {
    let (number, name) = (view.id.0, display_safe(&view.name));
    let (style, text) = match &view.state {
        DownloadState::Done { .. } => (Style::Good, format!("download {number} is done: {name}")),
        DownloadState::Seeding { .. } => {
            (Style::Good, format!("download {number} is done and given to others: {name}"))
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
    use crate::repl::progress::test_view;

    /// Returns what there is to tell of downloads of which those up to `done` are complete, and number 3 has failed.
    fn next_text(background: &mut Background, done: u32) -> Option<String> {
        let view = |id: DownloadId| {
            let state = match id.0 {
                3 if done >= 3 => DownloadState::Failed { reason: "broken".into() },
                number if number <= done => DownloadState::Done { location: "/x".into(), renamed: None },
                _ => DownloadState::Fetching,
            };
            Some(DownloadView { id, state, ..test_view() })
        };
        let mut room = SpaceNotices::default();
        let notice =
            background.single_notice(view, &mut room).or_else(|| background.group_notice(view, &mut room));
        notice.map(|notice| notice.text)
    }

    #[test]
    fn group_is_reported_once_when_finished() {
        let mut background = Background::default();
        background.add(DownloadId(1));
        background.add_group("tree/".into(), Some("/srv/tree".into()), [1, 2].map(DownloadId).to_vec());
        background.add(DownloadId(2));
        assert_eq!(next_text(&mut background, 1), None);
        assert_eq!(next_text(&mut background, 2).unwrap(), "tree/ is done: 2 downloads, in /srv/tree");
        assert_eq!(next_text(&mut background, 2), None);
    }

    #[test]
    fn failures_of_a_group_are_counted() {
        let mut background = Background::default();
        background.add_group("tree/".into(), None, [2, 3, 4].map(DownloadId).to_vec());
        background.remove(DownloadId(4));
        let text = next_text(&mut background, 3).unwrap();
        assert_eq!(text, "tree/ is incomplete: 1 of 2 downloads failed or were stopped; see transfers");
        background.add_group("b/".into(), None, vec![DownloadId(9)]);
        background.remove(DownloadId(9));
        assert_eq!(next_text(&mut background, 9), None);
    }
}
