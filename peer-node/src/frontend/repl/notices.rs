//! The notices that a person gets without a command.

use std::collections::VecDeque;

use super::actions::left_out_text;
use super::background::Background;
use super::input::SharedCompletions;
use super::reachability_text::unreachable_reason;
use super::session::pluralize;
use super::state_dir_notices::state_folder_notice;
use crate::frontend::console::look::Style;
use crate::operations::Operations;
use crate::operations::events::{Event, EventStream, IndexNews};
use crate::operations::left_out::LeftOutSummary;

/// An event to report above the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplNotice {
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// The state of the index that was shown last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShownIndexState {
    /// Nothing, or a connection that the index has not probed yet.
    Unknown,
    /// No connection.
    Offline,
    /// Connected; other nodes can reach this one.
    Reachable,
    /// Connected; other nodes cannot reach this one.
    Unreachable,
}

/// Turns events into notices and keeps the candidates for Tab completion up to date.
pub(crate) struct Notices {
    operations: Operations,
    events: EventStream,
    /// The path of the state folder, display-safe.
    state_folder: String,
    shown_index: ShownIndexState,
    /// Whether the end of hashing is still to be reported.
    awaits_hashing: bool,
    completions: SharedCompletions,
    /// Notices that are still to be returned.
    queue: VecDeque<ReplNotice>,
}

impl Notices {
    /// Starts with the state that the banner showed.
    pub(crate) fn new(
        operations: Operations,
        (shown_index, awaits_hashing): (ShownIndexState, bool),
        state_folder: String,
        completions: SharedCompletions,
    ) -> Self {
        let events = operations.events().subscribe();
        let queue = VecDeque::new();
        let mut notices =
            Self { operations, events, state_folder, shown_index, awaits_hashing, completions, queue };
        notices.read_current_state();
        notices
    }

    /// Waits for the next notice. Cancel safe.
    pub(crate) async fn next(&mut self, background: &mut Background) -> ReplNotice {
        loop {
            for id in background.take_unchecked() {
                match self.operations.download_event(id) {
                    Some(event) => self.queue.extend(background.notices_for(&event)),
                    None => background.forget(id),
                }
            }
            self.queue.extend(background.finished_groups());
            if let Some(notice) = self.queue.pop_front() {
                return notice;
            }
            match self.events.next().await {
                Some(record) => self.handle(&record.event, background),
                // The node has stopped, and so does the session.
                None => std::future::pending().await,
            }
        }
    }

    fn handle(&mut self, event: &Event, background: &mut Background) {
        match event {
            Event::Index(news) => {
                if let Some(text) = self.index_notice(news) {
                    self.warn(text);
                }
            }
            Event::HashingFinished { files, left_out } => self.report_hashing(*files, left_out.as_ref()),
            Event::StateFolder(news) => {
                if let Some(text) = state_folder_notice(&self.state_folder, news) {
                    self.warn(text);
                }
            }
            Event::Download(event) => {
                self.completions.update(|data| data.apply(event));
                self.queue.extend(background.notices_for(event));
            }
            Event::Lagged { .. } => {
                self.read_current_state();
                background.check_all();
            }
            Event::HashingStarted(_)
            | Event::HashingProgress(_)
            | Event::SharesChanged { .. }
            | Event::LimitsChanged(_)
            | Event::Stopping => {}
        }
    }

    fn warn(&mut self, text: String) {
        self.queue.push_back(ReplNotice { style: Style::Warning, text });
    }

    /// Reads what earlier events changed, for a start without them.
    fn read_current_state(&mut self) {
        let downloads = self.operations.download_events();
        self.completions.update(|data| {
            data.downloads.clear();
            for event in &downloads {
                data.apply(event);
            }
        });
        let library = self.operations.library_status();
        if library.hashing.is_settled {
            self.report_hashing(library.files, library.left_out.as_ref());
        }
    }

    /// Returns the notice for a change of the index, unless its result was shown before.
    fn index_notice(&mut self, news: &IndexNews) -> Option<String> {
        let state = match news {
            IndexNews::Unavailable { .. } | IndexNews::Lost { .. } => ShownIndexState::Offline,
            IndexNews::Connected { .. } | IndexNews::Reachable { .. } => ShownIndexState::Reachable,
            IndexNews::Unreachable { .. } => ShownIndexState::Unreachable,
            IndexNews::OverLimit(_) | IndexNews::WithinLimits => return index_text(news),
        };
        let before = std::mem::replace(&mut self.shown_index, state);
        if before == state { None } else { index_text(news) }
    }

    fn report_hashing(&mut self, files: u64, left_out: Option<&LeftOutSummary>) {
        if std::mem::take(&mut self.awaits_hashing) {
            let shared = pluralize(files, "file");
            let left_out = left_out.map(|left_out| format!(", {}", left_out_text(left_out)));
            self.warn(format!("hashing finished: {shared} shared{}", left_out.unwrap_or_default()));
        }
    }
}

/// Returns the text of a change of the index; `None` if it is not worth a notice.
fn index_text(news: &IndexNews) -> Option<String> {
    Some(match news {
        IndexNews::Lost { error } => format!("lost connection to the index: {error}; reconnecting"),
        IndexNews::Unavailable { error } => format!("no connection to the index: {error}; reconnecting"),
        IndexNews::Connected { seen_address: seen } => {
            format!("connected to the index; others can reach this node at {seen}")
        }
        IndexNews::Reachable { seen_address: seen } => format!("others can now reach this node at {seen}"),
        IndexNews::Unreachable { seen_address: seen, cause } => {
            let reason = unreachable_reason(cause);
            format!(
                "others cannot reach this node at {seen}: {reason}; its files are not listed, but downloads work"
            )
        }
        IndexNews::OverLimit(problem) => problem.message.to_string(),
        IndexNews::WithinLimits => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;
    use crate::operations::index_state::UnreachableCause;

    #[test]
    fn changes_of_the_index_are_explained() {
        let seen_address = "127.0.0.1:7".parse().unwrap();
        let text = |news| index_text(&news).unwrap();
        let error = DisplayText::new("refused\u{7}");
        let lost = text(IndexNews::Lost { error });
        assert!(lost.starts_with("lost connection to the index: refused\\u{7}"), "{lost}");
        let back = text(IndexNews::Connected { seen_address });
        assert_eq!(back, "connected to the index; others can reach this node at 127.0.0.1:7");
        let cause = UnreachableCause::ProbeFailed { reason: DisplayText::new("refused") };
        let notice = text(IndexNews::Unreachable { seen_address, cause });
        assert!(notice.starts_with("others cannot reach this node at 127.0.0.1:7: refused"), "{notice}");
        let now = text(IndexNews::Reachable { seen_address });
        assert_eq!(now, "others can now reach this node at 127.0.0.1:7");
        assert_eq!(index_text(&IndexNews::WithinLimits), None);
    }
}
