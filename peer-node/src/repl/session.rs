//! What one sitting remembers, and what commands work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::escape::display_safe_bytes;

use super::act::left_out_text;
use super::background::Background;
use super::failure::Failure;
use super::input::Known;
use super::output::Output;
use super::peers::Peers;
use super::shown::{Row, Shown};
use crate::node::Node;
use crate::transfers::DownloadId;

/// One sitting, of a person or a script.
pub(crate) struct Session {
    /// The node that is worked with.
    pub(crate) node: Arc<Node>,
    /// Where the index is, as the node was told.
    pub(crate) index: String,
    /// Where everything is written to.
    pub(crate) output: Output,
    /// The last numbered list.
    pub(crate) shown: Shown,
    /// The peers that were seen.
    pub(crate) peers: Peers,
    /// What Tab offers.
    pub(crate) known: Known,
    /// The downloads that the command under way waits for.
    pub(crate) foreground: Vec<DownloadId>,
    /// The downloads that were sent to the background and are not over as far as anybody was told.
    pub(crate) background: Background,
    /// How long a command waits for its downloads, if not without limit.
    pub(crate) timeout: Option<Duration>,
}

impl Session {
    /// Begins a sitting.
    pub(crate) fn new(node: Arc<Node>, index: String, output: Output, known: Known) -> Self {
        let (shown, peers) = (Shown::default(), Peers::default());
        let (foreground, background) = (Vec::new(), Background::default());
        Self { node, index, output, shown, peers, known, foreground, background, timeout: None }
    }

    /// Tells Tab what has been on the screen.
    pub(crate) fn tell_known(&self) {
        let hits = self.shown.rows().iter().map(Row::path).take(1000).collect();
        let peers = self.peers.addresses().map(|address| address.to_string()).collect();
        let views = self.node.downloads().views();
        let running = views.into_iter().filter(|view| !view.state.is_settled() || view.state.is_failed());
        let downloads = running.map(|view| (view.id.0, view.name)).collect();
        self.known.change(|things| (things.hits, things.peers, things.downloads) = (hits, peers, downloads));
    }

    /// Shows a path of this machine, relative to the node's folder if it lies in there.
    pub(crate) fn show_path(&self, path: &Path) -> String {
        show_path(path.strip_prefix(self.node.share_dir()).unwrap_or(path))
    }

    /// Writes to stderr how much is left out of what is shared, if there is something that the user may not expect.
    pub(crate) fn warn_of_left_out(&mut self) {
        let overview = self.node.library().overview();
        if let Some(text) = left_out_text(&overview).filter(|_| overview.has_surprises()) {
            self.output.warning(text);
        }
    }

    /// Writes an error and returns the failure to go on with.
    pub(crate) fn told(&mut self, failure: &Failure) -> Failure {
        self.output.error(failure);
        Failure::Told
    }
}

/// Shows a path of this machine.
pub(crate) fn show_path(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}

/// Reads a path as a person types it: `~` in front is their home folder.
pub(crate) fn user_path(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

/// Returns the person's home folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Counts things: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Path::new("/home/me");
        for (text, path) in [("~", "/home/me"), ("~/x", "/home/me/x"), ("~you/x", "~you/x"), ("a/~", "a/~")] {
            assert_eq!(user_path(text, Some(home)), PathBuf::from(path));
        }
        assert_eq!(user_path("~/x", None), PathBuf::from("~/x"));
        // A slash at the end says that a folder is meant.
        assert!(user_path("~/x/", Some(home)).as_os_str().as_encoded_bytes().ends_with(b"/"));
    }

    #[test]
    fn things_are_counted() {
        assert_eq!((count(1, "file"), count(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }
}
