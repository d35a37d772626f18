//! What one sitting remembers, and what commands work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::escape::display_safe_bytes;

use super::actions::left_out_text;
use super::background::Background;
use super::command_error::CommandError;
use super::input::SharedCompletions;
use super::output::ConsoleOutput;
use super::peers::SeenPeers;
use super::row_list::{ListRow, RowList};
use crate::node::Node;
use crate::view::DownloadId;

/// One sitting, of a person or a script.
pub(crate) struct ReplSession {
    /// The node that is worked with.
    pub(crate) node: Arc<Node>,
    /// Where the index is, as the node was told.
    pub(crate) index_address: String,
    /// Where everything is written to.
    pub(crate) output: ConsoleOutput,
    /// The last numbered list.
    pub(crate) last_list: RowList,
    /// The peers that were seen.
    pub(crate) peers: SeenPeers,
    /// What Tab offers.
    pub(crate) completions: SharedCompletions,
    /// The downloads that the command under way waits for.
    pub(crate) foreground: Vec<DownloadId>,
    /// The downloads that were sent to the background and are not over as far as anybody was told.
    pub(crate) background: Background,
    /// How long a command waits for its downloads, if not without limit.
    pub(crate) timeout: Option<Duration>,
}

impl ReplSession {
    /// Begins a sitting.
    pub(crate) fn new(
        node: Arc<Node>,
        index: String,
        output: ConsoleOutput,
        known: SharedCompletions,
    ) -> Self {
        let (shown, peers) = (RowList::default(), SeenPeers::default());
        let (foreground, background) = (Vec::new(), Background::default());
        Self {
            node,
            index_address: index,
            output,
            last_list: shown,
            peers,
            completions: known,
            foreground,
            background,
            timeout: None,
        }
    }

    /// Tells Tab what has been on the screen.
    pub(crate) fn update_completions(&self) {
        let hits = self.last_list.rows().iter().map(ListRow::path).take(1000).collect();
        let peers = self.peers.addresses().map(|address| address.to_string()).collect();
        let views = self.node.downloads().views();
        let running = views.into_iter().filter(|view| !view.state.is_settled() || view.state.is_failed());
        let downloads = running.map(|view| (view.id.0, view.name)).collect();
        self.completions
            .update(|things| (things.hits, things.peers, things.downloads) = (hits, peers, downloads));
    }

    /// Shows a path of this machine, relative to the node's folder if it lies in there.
    pub(crate) fn display_own_path(&self, path: &Path) -> String {
        display_path(path.strip_prefix(self.node.share_dir()).unwrap_or(path))
    }

    /// Writes to stderr how much is left out of what is shared, if there is something that the user may not expect.
    pub(crate) fn warn_of_left_out(&mut self) {
        let overview = self.node.library().overview();
        if let Some(text) = left_out_text(&overview).filter(|_| overview.has_unexpected()) {
            self.output.warning(text);
        }
    }

    /// Writes an error and returns the failure to go on with.
    pub(crate) fn report_error(&mut self, failure: &CommandError) -> CommandError {
        self.output.error(failure);
        CommandError::AlreadyReported
    }
}

/// Shows a path of this machine.
pub(crate) fn display_path(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}

/// Reads a path as a person types it: `~` in front is their home folder.
pub(crate) fn expand_tilde(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

/// Returns the person's home folder.
pub(crate) fn home_dir() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Counts things: `1 file`, `2 files`.
pub(crate) fn pluralize(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilde_is_the_home_folder() {
        let home = Path::new("/home/me");
        for (text, path) in [("~", "/home/me"), ("~/x", "/home/me/x"), ("~you/x", "~you/x"), ("a/~", "a/~")] {
            assert_eq!(expand_tilde(text, Some(home)), PathBuf::from(path));
        }
        assert_eq!(expand_tilde("~/x", None), PathBuf::from("~/x"));
        // A slash at the end says that a folder is meant.
        assert!(expand_tilde("~/x/", Some(home)).as_os_str().as_encoded_bytes().ends_with(b"/"));
    }

    #[test]
    fn counts_are_pluralized() {
        assert_eq!((pluralize(1, "file"), pluralize(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }
}
