use std::collections::VecDeque;
use std::path::PathBuf;

use protocol::escape::display_safe;
use tokio::sync::watch;

use super::session::display_path;
use crate::state_dir::{StateDir, StateHealth};

/// Follows the hidden folder and reports what happens to it, each thing once.
#[derive(Debug)]
pub(crate) struct StateDirNotices {
    folder: PathBuf,
    health: watch::Receiver<StateHealth>,
    reported: StateHealth,
    queue: VecDeque<String>,
}

impl StateDirNotices {
    /// Begins with a folder that is well: troubles that are there already are reported first. That others can use it was reported
    /// when it was opened.
    pub(crate) fn new(state: &StateDir) -> Self {
        let mut health = state.health();
        health.mark_changed();
        let StateHealth { restored, exposed_mode: exposure, .. } = health.borrow().clone();
        let shown = StateHealth { restored, exposed_mode: exposure, ..StateHealth::default() };
        Self { folder: state.path().to_owned(), health, reported: shown, queue: VecDeque::new() }
    }

    /// Waits until something has changed. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.health.changed().await
    }

    /// Returns the next thing to report.
    pub(crate) fn next(&mut self) -> Option<String> {
        let health = self.health.borrow_and_update().clone();
        self.queue.extend(changes_between(&display_path(&self.folder), &self.reported, &health));
        self.reported = health;
        self.queue.pop_front()
    }
}

/// Returns what is new between two states of the folder.
fn changes_between(folder: &str, before: &StateHealth, now: &StateHealth) -> Vec<String> {
    let mut news = Vec::new();
    if now.restored != before.restored {
        news.push(format!(
            "{folder} was removed or replaced; it was created again, and files are hashed again where needed"
        ));
    }
    if let Some(doubt) = now.warning().filter(|_| before.exposed_mode != now.exposed_mode) {
        news.push(format!("{folder}: {doubt}"));
    }
    let known: Vec<String> = before.problems().collect();
    news.extend(
        now.problems()
            .filter(|trouble| !known.contains(trouble))
            .map(|trouble| display_safe(&trouble).into_owned()),
    );
    if before.store_error.is_some() && now.store_error.is_none() {
        news.push(format!("{folder} can be written again; hashes are stored"));
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_reported_once() {
        let well = StateHealth::default();
        let full = StateHealth { store_error: Some("No space\u{7} left".into()), ..well.clone() };
        let restored = StateHealth { restored: 1, ..well.clone() };
        let open = StateHealth { exposed_mode: Some(0o755), ..well.clone() };
        assert!(
            changes_between("F", &well, &open)[0].contains("755")
                && changes_between("F", &open, &open).is_empty()
        );
        assert!(
            changes_between("F", &well, &well).is_empty() && changes_between("F", &full, &full).is_empty()
        );
        let texts = changes_between("F", &well, &full);
        assert!(texts.len() == 1 && texts[0].contains("No space\\u{7} left"), "{texts:?}");
        assert!(changes_between("F", &full, &well)[0].contains("can be written again"));
        assert!(changes_between("F", &well, &restored)[0].contains("F was removed or replaced"));
    }
}
