use std::collections::VecDeque;
use std::path::PathBuf;

use protocol::escape::display_safe;
use tokio::sync::watch;

use super::session::display_path;
use crate::state_dir::{StateDir, StateHealth};

/// Watches the state folder and reports each change once.
#[derive(Debug)]
pub(crate) struct StateDirNotices {
    folder: PathBuf,
    health: watch::Receiver<StateHealth>,
    reported: StateHealth,
    queue: VecDeque<String>,
}

impl StateDirNotices {
    /// Starts from a healthy folder, so that existing problems are reported first. An exposed mode was reported when the folder
    /// was opened.
    pub(crate) fn new(state: &StateDir) -> Self {
        let mut health = state.health();
        health.mark_changed();
        let StateHealth { restored, exposed_mode, .. } = health.borrow().clone();
        let reported = StateHealth { restored, exposed_mode, ..StateHealth::default() };
        Self { folder: state.path().to_owned(), health, reported, queue: VecDeque::new() }
    }

    /// Waits for a change of the folder's health. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.health.changed().await
    }

    /// Returns the next notice, if there is one.
    pub(crate) fn next(&mut self) -> Option<String> {
        let health = self.health.borrow_and_update().clone();
        self.queue.extend(changes_between(&display_path(&self.folder), &self.reported, &health));
        self.reported = health;
        self.queue.pop_front()
    }
}

/// Returns the notices for the changes between two states of the folder.
fn changes_between(folder: &str, before: &StateHealth, now: &StateHealth) -> Vec<String> {
    let mut notices = Vec::new();
    if now.restored != before.restored {
        notices.push(format!(
            "{folder} was removed or replaced; it was created again, and files are hashed again where needed"
        ));
    }
    if let Some(warning) = now.warning().filter(|_| before.exposed_mode != now.exposed_mode) {
        notices.push(format!("{folder}: {warning}"));
    }
    let known: Vec<String> = before.problems().collect();
    notices.extend(
        now.problems()
            .filter(|problem| !known.contains(problem))
            .map(|problem| display_safe(&problem).into_owned()),
    );
    if before.store_error.is_some() && now.store_error.is_none() {
        notices.push(format!("{folder} can be written again; hashes are stored"));
    }
    notices
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
