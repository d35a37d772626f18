//! What is news about a download. Pure.

use crate::operations::safe_name::SafeName;
use crate::operations::transfers::{content_key, state_name};
use std::collections::BTreeMap;

use serde::Serialize;

use super::space_news::{SpaceChange, SpaceNews};
use crate::operations::display_text::DisplayText;
use crate::view::{DownloadId, DownloadState, DownloadView};

/// A change of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DownloadEvent {
    /// Number of the download.
    pub(crate) number: u32,
    /// Its content, for example `sha256:` and 64 digits; the same in every run of the node.
    pub(crate) content: String,
    /// Name of its file, relative to the node's folder if it is below that.
    pub(crate) name: SafeName,
    /// Its state after the change.
    pub(crate) state: &'static str,
    /// What changed.
    pub(crate) change: DownloadChange,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DownloadChange {
    /// The download was added.
    Added,
    /// Its state changed in a way that no other variant describes.
    StateChanged,
    /// It began or ceased to wait for disk space.
    Space(SpaceChange),
    /// The content is complete.
    Finished {
        /// It is uploaded to others until the user stops it.
        is_seeding: bool,
    },
    /// The download failed.
    Failed {
        /// The cause, and what to do.
        reason: DisplayText,
    },
    /// The download was stopped; received data is kept.
    Stopped,
    /// The download left the list.
    Removed,
}

impl DownloadEvent {
    fn new(view: &DownloadView, change: DownloadChange) -> Self {
        Self {
            number: view.id.0,
            content: content_key(&view.content),
            name: SafeName::new(view.name.as_str()),
            state: state_name(&view.state),
            change,
        }
    }

    /// Returns the event that describes the current state of a download.
    pub(super) fn current(view: &DownloadView) -> Self {
        let change = ending(&view.state)
            .or_else(|| SpaceNews::shortage(&view.state).map(DownloadChange::Space))
            .unwrap_or(DownloadChange::StateChanged);
        Self::new(view, change)
    }

    /// Returns true if nothing more is to be expected of the download: it has ended, is seeding, or has left the list.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(
            self.change,
            DownloadChange::Finished { .. }
                | DownloadChange::Failed { .. }
                | DownloadChange::Stopped
                | DownloadChange::Removed
        )
    }

    /// Returns true if the download failed.
    pub(crate) const fn is_failed(&self) -> bool {
        matches!(self.change, DownloadChange::Failed { .. })
    }
}

/// What was reported about the downloads, to decide what is news.
#[derive(Debug, Default)]
pub(super) struct DownloadReporter {
    known: BTreeMap<DownloadId, KnownDownload>,
    space: SpaceNews,
}

#[derive(Debug)]
struct KnownDownload {
    state: DownloadState,
    event: DownloadEvent,
}

impl DownloadReporter {
    /// Records a download that exists already.
    pub(super) fn know(&mut self, view: &DownloadView) {
        let event = DownloadEvent::current(view);
        // A shortage that exists already is part of the current event; its end will be news.
        let _ = self.space.change(view.id, &view.state);
        self.known.insert(view.id, KnownDownload { state: view.state.clone(), event });
    }

    /// Returns what is new in the view of a download. Progress is not.
    pub(super) fn news(&mut self, view: &DownloadView) -> Vec<DownloadEvent> {
        let Some(known) = self.known.get_mut(&view.id) else {
            self.know(view);
            let added = DownloadEvent::new(view, DownloadChange::Added);
            // It may have ended already.
            let further = (view.state != DownloadState::Queued).then(|| DownloadEvent::current(view));
            return [added].into_iter().chain(further).collect();
        };
        if known.state == view.state {
            return Vec::new();
        }
        let is_same_kind = std::mem::discriminant(&known.state) == std::mem::discriminant(&view.state);
        let was_complete = known.state.is_complete();
        known.state = view.state.clone();
        let space = self.space.change(view.id, &view.state).map(DownloadChange::Space);
        // A torrent that ceases to seed was complete before.
        let ending = ending(&view.state).filter(|_| !(was_complete && view.state.is_complete()));
        let change = match ending.or(space) {
            Some(change) => change,
            None if is_same_kind => return Vec::new(),
            None => DownloadChange::StateChanged,
        };
        known.event = DownloadEvent::new(view, change);
        vec![known.event.clone()]
    }

    /// Returns the event for a download that left the list.
    pub(super) fn removed(&mut self, id: DownloadId) -> Option<DownloadEvent> {
        self.space.forget(id);
        let known = self.known.remove(&id)?;
        Some(DownloadEvent { change: DownloadChange::Removed, ..known.event })
    }
}

/// Returns how a download in this state has ended; `None` if it has not.
fn ending(state: &DownloadState) -> Option<DownloadChange> {
    match state {
        DownloadState::Done { .. } => Some(DownloadChange::Finished { is_seeding: false }),
        DownloadState::Seeding { .. } => Some(DownloadChange::Finished { is_seeding: true }),
        DownloadState::Failed { reason } => Some(DownloadChange::Failed { reason: DisplayText::new(reason) }),
        DownloadState::Cancelled => Some(DownloadChange::Stopped),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
