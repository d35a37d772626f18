//! The downloads in the background, and the notices when they finish.

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::escape::display_safe;

use super::notices::ReplNotice;
use super::session::{display_path, pluralize};
use super::space_notices::space_notice;
use crate::frontend::console::look::Style;
use crate::operations::events::{DownloadChange, DownloadEvent, SpaceChange};
use crate::view::DownloadId;

/// The downloads in the background whose end was not reported yet.
#[derive(Debug, Default)]
pub(crate) struct Background {
    single: BTreeSet<DownloadId>,
    groups: Vec<BackgroundGroup>,
    /// Downloads whose state has not been checked since they were added.
    unchecked: BTreeSet<DownloadId>,
    /// Downloads that were reported as waiting for disk space.
    short_of_space: BTreeSet<DownloadId>,
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
            self.unchecked.insert(id);
        }
    }

    /// Adds the downloads of one command; they are no longer reported one by one.
    pub(crate) fn add_group(&mut self, name: String, folder: Option<PathBuf>, ids: Vec<DownloadId>) {
        for id in &ids {
            self.single.remove(id);
        }
        self.unchecked.extend(&ids);
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

    /// Returns the downloads whose state must be checked: an event about it may have preceded their addition.
    pub(crate) fn take_unchecked(&mut self) -> BTreeSet<DownloadId> {
        std::mem::take(&mut self.unchecked)
    }

    /// Marks all downloads as unchecked, after events were missed.
    pub(crate) fn check_all(&mut self) {
        self.unchecked.extend(&self.single);
        self.unchecked.extend(self.groups.iter().flat_map(|group| &group.waiting));
    }

    /// Returns the notices for a change of a download.
    pub(crate) fn notices_for(&mut self, event: &DownloadEvent) -> Vec<ReplNotice> {
        let id = DownloadId(event.number);
        if let DownloadChange::Space(change) = &event.change {
            return self.space_notice(id, event, change).into_iter().collect();
        }
        if !event.is_settled() {
            return Vec::new();
        }
        self.short_of_space.remove(&id);
        // A download that has already left the list is not reported.
        let is_reported = self.single.remove(&id) && event.change != DownloadChange::Removed;
        let single = is_reported.then(|| finished_download_notice(event));
        let has_failed = matches!(event.change, DownloadChange::Failed { .. } | DownloadChange::Stopped);
        self.settle_in_groups(id, has_failed);
        single.into_iter().chain(self.finished_groups()).collect()
    }

    /// Removes a download that has left the list; its end is not reported.
    pub(crate) fn forget(&mut self, id: DownloadId) {
        self.short_of_space.remove(&id);
        self.single.remove(&id);
        self.settle_in_groups(id, false);
    }

    /// Removes the groups that have finished, and returns their notices.
    pub(crate) fn finished_groups(&mut self) -> Vec<ReplNotice> {
        let is_finished = |group: &mut BackgroundGroup| group.waiting.is_empty();
        self.groups.extract_if(.., is_finished).map(|group| group.finished_notice()).collect()
    }

    /// Returns true if the download is in the background.
    pub(crate) fn contains(&self, id: DownloadId) -> bool {
        self.single.contains(&id) || self.groups.iter().any(|group| group.waiting.contains(&id))
    }

    /// Returns the notice for a download that waits for space or resumes; only the first of a group is reported.
    fn space_notice(
        &mut self,
        id: DownloadId,
        event: &DownloadEvent,
        change: &SpaceChange,
    ) -> Option<ReplNotice> {
        let mut group = self.groups.iter_mut().find(|group| group.waiting.contains(&id));
        let is_shown = match &group {
            Some(group) => !group.has_reported_space,
            None => self.single.contains(&id),
        };
        let is_new = match change {
            SpaceChange::Short { .. } => is_shown && self.short_of_space.insert(id),
            SpaceChange::Available => self.short_of_space.remove(&id) && is_shown,
        };
        if !is_new {
            return None;
        }
        if let Some(group) = &mut group {
            group.has_reported_space = true;
        }
        let text = space_notice(event.number, &event.name.to_string(), change);
        Some(ReplNotice { style: Style::Warning, text })
    }

    /// Counts the end of a download.
    fn settle_in_groups(&mut self, id: DownloadId, has_failed: bool) {
        for group in self.groups.iter_mut().filter(|group| group.waiting.contains(&id)) {
            group.waiting.retain(|waiting| *waiting != id);
            group.failed += usize::from(has_failed);
        }
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
fn finished_download_notice(event: &DownloadEvent) -> ReplNotice {
    let (number, name) = (event.number, &event.name);
    let (style, text) = match &event.change {
        DownloadChange::Finished { is_seeding: false } => {
            (Style::Good, format!("download {number} finished: {name}"))
        }
        DownloadChange::Finished { is_seeding: true } => {
            (Style::Good, format!("download {number} finished, seeding: {name}"))
        }
        DownloadChange::Failed { reason } => {
            (Style::Bad, format!("download {number} failed: {name}: {reason}"))
        }
        _ => (Style::Warning, format!("download {number} was stopped: {name}")),
    };
    ReplNotice { style, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::SafeName;
    use crate::operations::display_text::DisplayText;

    fn texts(background: &mut Background, number: u32, change: DownloadChange) -> Vec<String> {
        let name = SafeName::new("n");
        let event = DownloadEvent { number, content: String::new(), name, state: "fetching", change };
        background.notices_for(&event).into_iter().map(|notice| notice.text).collect()
    }

    fn finish(background: &mut Background, number: u32) -> Vec<String> {
        texts(background, number, DownloadChange::Finished { is_seeding: false })
    }

    fn fail(background: &mut Background, number: u32) -> Vec<String> {
        texts(background, number, DownloadChange::Failed { reason: DisplayText::new("broken") })
    }

    #[test]
    fn group_is_reported_once_when_finished() {
        let mut background = Background::default();
        background.add(DownloadId(1));
        background.add_group("tree/".into(), Some("/srv/tree".into()), [1, 2].map(DownloadId).to_vec());
        background.add(DownloadId(2));
        assert_eq!(finish(&mut background, 1), [""; 0]);
        assert_eq!(finish(&mut background, 2), ["tree/ finished: 2 downloads, in /srv/tree"]);
        assert_eq!(finish(&mut background, 2), [""; 0]);
    }

    #[test]
    fn failures_of_a_group_are_counted() {
        let mut background = Background::default();
        background.add_group("tree/".into(), None, [2, 3, 4].map(DownloadId).to_vec());
        background.remove(DownloadId(4));
        assert_eq!(finish(&mut background, 2), [""; 0]);
        let text = "tree/ incomplete: 1 of 2 downloads failed or were stopped; see transfers";
        assert_eq!(fail(&mut background, 3), [text]);
        background.add_group("b/".into(), None, vec![DownloadId(9)]);
        background.remove(DownloadId(9));
        assert_eq!(finish(&mut background, 9), [""; 0]);
        background.add_group("c/".into(), None, [10, 11].map(DownloadId).to_vec());
        assert_eq!(finish(&mut background, 10), [""; 0]);
        background.remove(DownloadId(11));
        assert_eq!(background.finished_groups()[0].text, "c/ finished: 1 download");
    }

    #[test]
    fn end_of_a_background_download_is_reported_once() {
        let mut background = Background::default();
        assert_eq!(finish(&mut background, 1), [""; 0]);
        background.add(DownloadId(1));
        assert_eq!(fail(&mut background, 1), ["download 1 failed: n: broken"]);
        assert_eq!(fail(&mut background, 1), [""; 0]);
        background.add(DownloadId(2));
        assert_eq!(texts(&mut background, 2, DownloadChange::Removed), [""; 0]);
        assert!(!background.contains(DownloadId(2)));
        let seeding = DownloadChange::Finished { is_seeding: true };
        background.add(DownloadId(3));
        assert_eq!(texts(&mut background, 3, seeding), ["download 3 finished, seeding: n"]);
    }

    #[test]
    fn added_downloads_are_checked_once_and_all_after_a_lag() {
        let mut background = Background::default();
        background.add(DownloadId(1));
        background.add_group("tree/".into(), None, [2, 3].map(DownloadId).to_vec());
        assert_eq!(background.take_unchecked(), [1, 2, 3].map(DownloadId).into());
        assert_eq!(background.take_unchecked(), BTreeSet::new());
        assert_eq!(finish(&mut background, 2), [""; 0]);
        background.check_all();
        assert_eq!(background.take_unchecked(), [1, 3].map(DownloadId).into());
    }

    #[test]
    fn first_shortage_of_space_of_a_group_is_reported() {
        let short = || {
            DownloadChange::Space(SpaceChange::Short { folder: DisplayText::new("/f"), needed: 1, free: 0 })
        };
        let available = || DownloadChange::Space(SpaceChange::Available);
        let mut background = Background::default();
        background.add(DownloadId(1));
        background.add_group("tree/".into(), None, [2, 3].map(DownloadId).to_vec());
        assert_eq!(texts(&mut background, 1, short()).len(), 1);
        assert_eq!(texts(&mut background, 1, short()), [""; 0]);
        assert_eq!(texts(&mut background, 1, available()), ["download 1 resumed: n"]);
        assert_eq!(texts(&mut background, 1, available()), [""; 0]);
        assert_eq!(texts(&mut background, 2, short()).len(), 1);
        assert_eq!(texts(&mut background, 3, short()), [""; 0]);
        assert_eq!(texts(&mut background, 2, available()), [""; 0]);
        assert_eq!(texts(&mut background, 7, short()), [""; 0]);
    }
}
