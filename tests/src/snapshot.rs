//! Texts that are compared with files under `tests/tests/snapshots`, so that each change of one shows in review.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Asserts that a text is the one in a snapshot. With `UPDATE_SNAPSHOTS` in the environment the snapshot is written instead.
pub fn assert_snapshot(name: &str, text: &str) {
    let path = snapshot_path(name);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a snapshot");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let (mut old, mut new) = (expected.lines(), text.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return,
            (old, new) if old == new => {}
            (old, new) => panic!(
                "line {number} differs from {}\n  snapshot: {old:?}\n  now:      {new:?}\n`just snapshots` accepts the change",
                path.display()
            ),
        }
    }
}

fn snapshot_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name)
}
