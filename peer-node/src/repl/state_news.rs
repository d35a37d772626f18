use std::collections::VecDeque;
use std::path::PathBuf;

use protocol::escape::display_safe;
use tokio::sync::watch;

use super::session::show_path;
use crate::state_dir::{StateDir, StateHealth};

/// Follows the hidden folder and reports what happens to it, each thing once.
#[derive(Debug)]
pub(crate) struct StateNews {
    folder: PathBuf,
    health: watch::Receiver<StateHealth>,
    shown: StateHealth,
    waiting: VecDeque<String>,
}

impl StateNews {
    /// Begins with a folder that is well: troubles that are there already are reported first. That others can use it was reported
    /// when it was opened.
    pub(crate) fn new(state: &StateDir) -> Self {
        let mut health = state.health();
        health.mark_changed();
        let StateHealth { restored, exposure, .. } = health.borrow().clone();
        let shown = StateHealth { restored, exposure, ..StateHealth::default() };
        Self { folder: state.path().to_owned(), health, shown, waiting: VecDeque::new() }
    }

    /// Waits until something has changed. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.health.changed().await
    }

    /// Returns the next thing to report.
    pub(crate) fn next(&mut self) -> Option<String> {
        let health = self.health.borrow_and_update().clone();
        self.waiting.extend(news(&show_path(&self.folder), &self.shown, &health));
        self.shown = health;
        self.waiting.pop_front()
    }
}

/// Returns what is new between two states of the folder.
fn news(folder: &str, before: &StateHealth, now: &StateHealth) -> Vec<String> {
    let mut news = Vec::new();
    if now.restored != before.restored {
        news.push(format!(
            "{folder} was removed or replaced; it was created again, and files are hashed again where needed"
        ));
    }
    if let Some(doubt) = now.doubt().filter(|_| before.exposure != now.exposure) {
        news.push(format!("{folder}: {doubt}"));
    }
    let known: Vec<String> = before.troubles().collect();
    news.extend(
        now.troubles()
            .filter(|trouble| !known.contains(trouble))
            .map(|trouble| display_safe(&trouble).into_owned()),
    );
    if before.store.is_some() && now.store.is_none() {
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
        let full = StateHealth { store: Some("No space\u{7} left".into()), ..well.clone() };
        let restored = StateHealth { restored: 1, ..well.clone() };
        let open = StateHealth { exposure: Some(0o755), ..well.clone() };
        assert!(news("F", &well, &open)[0].contains("755") && news("F", &open, &open).is_empty());
        assert!(news("F", &well, &well).is_empty() && news("F", &full, &full).is_empty());
        let texts = news("F", &well, &full);
        assert!(texts.len() == 1 && texts[0].contains("No space\\u{7} left"), "{texts:?}");
        assert!(news("F", &full, &well)[0].contains("can be written again"));
        assert!(news("F", &well, &restored)[0].contains("F was removed or replaced"));
    }
}
