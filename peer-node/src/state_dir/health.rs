/// How well the hidden folder does its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateHealth {
    /// How often the folder was made again since the node started, because it was removed or replaced.
    pub restored: u64,
    /// Why the folder cannot be used at the moment.
    pub folder_error: Option<String>,
    /// Why what is known of shared files cannot be stored at the moment.
    pub store_error: Option<String>,
    /// The folder's mode, if other users of this machine can use it and that cannot be changed.
    pub exposed_mode: Option<u32>,
}

impl StateHealth {
    /// Returns what is wrong at the moment, a sentence for each thing.
    pub fn problems(&self) -> impl Iterator<Item = String> + use<> {
        let folder = self.folder_error.as_ref().map(|error| format!("cannot use the hidden folder: {error}"));
        let store = self.store_error.as_ref().map(|error| {
            format!("cannot store hashes: {error}; files are shared all the same, and hashed again after a restart")
        });
        folder.into_iter().chain(store)
    }

    /// Returns what is doubtful as long as the folder stays where it is.
    pub fn warning(&self) -> Option<String> {
        let mode = self.exposed_mode?;
        Some(format!(
            "other users of this machine can use it (mode {mode:03o}), and its mode cannot be changed"
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
        health.folder_error = Some("it is gone".into());
        health.store_error = Some("no space left".into());
        let troubles: Vec<String> = health.problems().collect();
        assert!(troubles[0].contains("it is gone") && troubles[1].contains("no space left"), "{troubles:?}");
    }
}
