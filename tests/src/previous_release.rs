//! The programs of the previous release, built by `.ci/previous`.

use std::path::Path;

use crate::programs::{Programs, programs};

/// Returns the programs of release 0.1.0. Returns `None` and prints a notice if they were not built.
pub fn previous_release() -> Option<Programs> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/previous");
    let previous = Programs::in_dir(&folder);
    if previous.index_server.is_file() && previous.peer_node.is_file() {
        // A story does not build the current programs while it runs.
        let _ = programs();
        return Some(previous);
    }
    eprintln!(
        "SKIPPED: the programs of release 0.1.0 were not built by .ci/previous, so the two releases are NOT tested with each other"
    );
    None
}
