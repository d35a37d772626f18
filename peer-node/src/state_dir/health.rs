/// How well the hidden folder does its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateHealth {
    /// How often the folder was made again since the node started, because it was removed or replaced.
    pub restored: u64,
    /// Why the folder cannot be used at the moment.
    pub folder: Option<String>,
    /// Why what is known of shared files cannot be stored at the moment.
    pub store: Option<String>,
    /// The folder's mode, if other users of this machine can use it and that cannot be changed.
    pub exposure: Option<u32>,
}

impl StateHealth {
    /// Returns what is wrong at the moment, a sentence for each thing.
    pub fn troubles(&self) -> impl Iterator<Item = String> + use<> {
        let folder = self.folder.as_ref().map(|error| format!("cannot use the hidden folder: {error}"));
        let store = self.store.as_ref().map(|error| {
            format!("cannot store hashes: {error}; files are shared all the same, and hashed again after a restart")
        });
        folder.into_iter().chain(store)
    }

    /// Returns what is doubtful as long as the folder stays where it is.
    pub fn doubt(&self) -> Option<String> {
        let mode = self.exposure?;
        Some(format!(
            "other users of this machine can use it (mode {mode:03o}), and its mode cannot be changed"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_named() {
        let mut health = StateHealth::default();
        assert_eq!(health.troubles().count(), 0);
        health.folder = Some("it is gone".into());
        health.store = Some("no space left".into());
        let troubles: Vec<String> = health.troubles().collect();
        assert!(troubles[0].contains("it is gone") && troubles[1].contains("no space left"), "{troubles:?}");
    }
}
