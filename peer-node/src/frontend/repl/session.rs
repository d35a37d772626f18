//! The state of one session, shared by all commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::escape::display_safe_bytes;

use super::actions::left_out_text;
use super::background::Background;
use super::command_error::CommandError;
use super::input::SharedCompletions;
use super::peers::SeenPeers;
use super::row_list::{ListRow, RowList};
use crate::frontend::console::output::ConsoleOutput;
use crate::operations::Operations;
use crate::view::DownloadId;

/// One session of a person or a script.
pub(crate) struct ReplSession {
    /// What the node can be asked to do.
    pub(crate) operations: Operations,
    /// The configured address of the index.
    pub(crate) index_address: String,
    /// The terminal or the streams of the script.
    pub(crate) output: ConsoleOutput,
    /// The last numbered list.
    pub(crate) last_list: RowList,
    /// The peers that have been on the screen.
    pub(crate) peers: SeenPeers,
    /// The candidates for Tab completion.
    pub(crate) completions: SharedCompletions,
    /// The downloads that the running command waits for.
    pub(crate) foreground: Vec<DownloadId>,
    /// The downloads in the background whose end was not reported yet.
    pub(crate) background: Background,
    /// The maximum time that a command waits for its downloads; `None` for no limit.
    pub(crate) timeout: Option<Duration>,
}

impl ReplSession {
    /// Starts a session.
    pub(crate) fn new(
        operations: Operations,
        index: String,
        output: ConsoleOutput,
        completions: SharedCompletions,
    ) -> Self {
        let (last_list, peers) = (RowList::default(), SeenPeers::default());
        let (foreground, background) = (Vec::new(), Background::default());
        Self {
            operations,
            index_address: index,
            output,
            last_list,
            peers,
            completions,
            foreground,
            background,
            timeout: None,
        }
    }

    /// Updates the candidates for Tab completion, except downloads, which follow events.
    pub(crate) fn update_completions(&self) {
        let hits = self.last_list.rows().iter().take(1000).map(ListRow::path).collect();
        let peers = self.peers.addresses().map(|address| address.to_string()).collect();
        self.completions.update(|data| (data.hits, data.peers) = (hits, peers));
    }

    /// Formats a local path, relative to the node's folder if it is inside.
    pub(crate) fn display_own_path(&self, path: &Path) -> String {
        display_path(path.strip_prefix(self.operations.share_dir()).unwrap_or(path))
    }

    /// Warns how much is left out of the shared folders, if the user may not expect it.
    pub(crate) fn warn_of_left_out(&mut self) {
        if let Some(left_out) = self.operations.left_out().filter(|left_out| left_out.has_unexpected) {
            self.output.warning(left_out_text(&left_out));
        }
    }

    /// Writes an error and returns [`CommandError::AlreadyReported`].
    pub(crate) fn report_error(&mut self, failure: &CommandError) -> CommandError {
        self.output.error(failure);
        CommandError::AlreadyReported
    }
}

/// Formats a local path, display-safe.
pub(crate) fn display_path(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}

/// Expands a leading `~` to the home folder.
pub(crate) fn expand_tilde(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

/// Returns the home folder of the user.
pub(crate) fn home_dir() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Formats a number of things: `1 file`, `2 files`.
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
        // A trailing slash is kept: it marks a folder.
        assert!(expand_tilde("~/x/", Some(home)).as_os_str().as_encoded_bytes().ends_with(b"/"));
    }

    #[test]
    fn counts_are_pluralized() {
        assert_eq!((pluralize(1, "file"), pluralize(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }
}
