/// The condition of the state folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StateHealth {
    /// Number of times the folder was created again since the node started because it was removed or replaced.
    pub restored: u64,
    /// Why the folder cannot be used at the moment.
    pub folder_error: Option<String>,
    /// Why hashes of shared files cannot be stored at the moment.
    pub store_error: Option<String>,
    /// The folder's mode if other users can access it and the mode cannot be changed.
    pub exposed_mode: Option<u32>,
}

impl StateHealth {
    /// Returns one sentence per current problem.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> + use<> {
        self.folder_problem().into_iter().chain(self.store_problem())
    }

    /// Returns a sentence about the folder if it cannot be used at the moment.
    pub(crate) fn folder_problem(&self) -> Option<String> {
        self.folder_error.as_ref().map(|error| format!("cannot use the state folder: {error}"))
    }

    /// Returns a sentence about the hashes of shared files if they cannot be stored at the moment.
    pub(crate) fn store_problem(&self) -> Option<String> {
        self.store_error.as_ref().map(|error| {
            format!("cannot store hashes: {error}; files stay shared but are hashed again after a restart")
        })
    }

    /// Returns a warning that applies as long as the folder stays where it is.
    pub(crate) fn warning(&self) -> Option<String> {
        let mode = self.exposed_mode?;
        Some(format!(
            "other users of this machine can access it (mode {mode:03o}), and its mode cannot be changed"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported() {
        let mut health = StateHealth::default();
        assert_eq!(health.problems().count(), 0);
        health.folder_error = Some("no such folder".into());
        health.store_error = Some("no space left".into());
        let problems: Vec<String> = health.problems().collect();
        assert!(
            problems[0].contains("no such folder") && problems[1].contains("no space left"),
            "{problems:?}"
        );
    }
}
