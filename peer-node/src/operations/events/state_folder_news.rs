//! What is news about the state folder. Pure.

use serde::Serialize;

use super::event::Condition;
use crate::operations::display_text::DisplayText;
use crate::state_dir::StateHealth;

/// A change of the state folder. The messages contain no path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", content = "message", rename_all = "snake_case")]
pub(crate) enum StateFolderNews {
    /// The folder was removed or replaced, and was created again.
    Restored,
    /// Other users can access the folder.
    Exposed(DisplayText),
    /// The folder cannot be used.
    Unusable(DisplayText),
    /// The folder can be used again.
    Usable,
    /// Hashes of shared files cannot be stored.
    HashesNotStored(DisplayText),
    /// Hashes are stored again.
    HashesStored,
}

impl StateFolderNews {
    /// Returns the condition that begins or ends with this event, and true if it begins; `None` for a single incident.
    pub(super) const fn condition(&self) -> Option<(Condition, bool)> {
        match self {
            Self::Restored | Self::Exposed(_) => None,
            Self::Unusable(_) => Some((Condition::StateFolder, true)),
            Self::Usable => Some((Condition::StateFolder, false)),
            Self::HashesNotStored(_) => Some((Condition::HashStore, true)),
            Self::HashesStored => Some((Condition::HashStore, false)),
        }
    }
}

/// Returns the state from which reporting begins: existing problems are then news. An exposed mode was reported when the folder
/// was opened.
pub(super) fn first_reported(health: &StateHealth) -> StateHealth {
    let StateHealth { restored, exposed_mode, .. } = *health;
    StateHealth { restored, exposed_mode, ..StateHealth::default() }
}

/// Returns what is new between two states of the folder.
pub(super) fn state_folder_news(before: &StateHealth, now: &StateHealth) -> Vec<StateFolderNews> {
    let text = |message: String| DisplayText::new(&message);
    let restored = (now.restored != before.restored).then_some(StateFolderNews::Restored);
    let exposed = now.warning().filter(|_| before.exposed_mode != now.exposed_mode);
    let folder = match now.folder_problem() {
        Some(problem) => {
            (before.folder_error != now.folder_error).then(|| StateFolderNews::Unusable(text(problem)))
        }
        None => before.folder_error.as_ref().map(|_| StateFolderNews::Usable),
    };
    let store = match now.store_problem() {
        Some(problem) => {
            (before.store_error != now.store_error).then(|| StateFolderNews::HashesNotStored(text(problem)))
        }
        None => before.store_error.as_ref().map(|_| StateFolderNews::HashesStored),
    };
    let exposed = exposed.map(|warning| StateFolderNews::Exposed(text(warning)));
    [restored, exposed, folder, store].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_reported_once() {
        let well = StateHealth::default();
        let full = StateHealth { store_error: Some("No space\u{7} left".into()), ..well.clone() };
        let lost = StateHealth { folder_error: Some("no such folder".into()), ..well.clone() };
        let restored = StateHealth { restored: 1, ..well.clone() };
        let open = StateHealth { exposed_mode: Some(0o755), ..well.clone() };
        for health in [&well, &full, &lost, &restored, &open] {
            assert_eq!(state_folder_news(health, health), []);
        }
        let news = state_folder_news(&well, &open);
        assert!(matches!(&*news, [StateFolderNews::Exposed(text)] if text.as_str().contains("755")));
        let news = state_folder_news(&well, &full);
        let [StateFolderNews::HashesNotStored(text)] = &*news else { panic!("{news:?}") };
        assert!(text.as_str().contains("No space\\u{7} left"), "{text}");
        assert_eq!(state_folder_news(&full, &well), [StateFolderNews::HashesStored]);
        assert!(matches!(&*state_folder_news(&well, &lost), [StateFolderNews::Unusable(_)]));
        assert_eq!(state_folder_news(&lost, &well), [StateFolderNews::Usable]);
        assert_eq!(state_folder_news(&well, &restored), [StateFolderNews::Restored]);
    }

    #[test]
    fn existing_problems_are_reported_first_but_not_the_mode() {
        let health = StateHealth {
            restored: 2,
            folder_error: Some("gone".into()),
            store_error: None,
            exposed_mode: Some(0o755),
        };
        let news = state_folder_news(&first_reported(&health), &health);
        assert!(matches!(&*news, [StateFolderNews::Unusable(_)]), "{news:?}");
    }
}
