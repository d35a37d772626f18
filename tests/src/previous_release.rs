//! The programs of the previous release, which `.ci/previous` builds.

use std::path::Path;

use crate::programs::{Programs, programs};

/// Returns the programs of release 0.1.0; nothing, saying so loudly, where they were not built.
pub fn previous_release() -> Option<Programs> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/previous");
    let previous = Programs::in_dir(&folder);
    if previous.index_server.is_file() && previous.peer_node.is_file() {
        // The current programs are not built in the middle of a story.
        let _ = programs();
        return Some(previous);
    }
    eprintln!(
        "SKIPPED: the programs of release 0.1.0 were not built by .ci/previous, so the two releases are NOT tested with each other"
    );
    None
}
