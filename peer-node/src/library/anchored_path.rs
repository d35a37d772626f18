use std::fs::File;
use std::io;
use std::path::Path;

use crate::storage::FileIdentity;
use crate::storage::Folder;

/// Path to a file of a share: an anchor folder, opened by its path, and a relative path below it. No link is followed below the
/// anchor, so replacing a folder with a link cannot expose files outside the share.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnchoredPath<'a> {
    anchor: &'a Path,
    relative: &'a Path,
}

impl<'a> AnchoredPath<'a> {
    /// Returns the path to a file. Its last `depth` components are below the anchor: as many as the file's network name has.
    pub(super) fn new(location: &'a Path, depth: usize) -> Self {
        let anchor = location.ancestors().nth(depth.max(1)).unwrap_or(location);
        Self { anchor, relative: location.strip_prefix(anchor).unwrap_or(location) }
    }

    /// Opens the file for reading; `None` if it is not a regular file.
    pub(super) fn open_regular(&self) -> io::Result<Option<(File, FileIdentity)>> {
        Folder::open_no_follow(self.anchor)?.open_regular(self.relative)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_below_a_place_are_refused_those_above_work() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        fs::create_dir_all(at("real/share/films")).unwrap();
        fs::write(at("real/share/films/x"), "content").unwrap();
        symlink(at("real"), at("above")).unwrap();
        symlink(at("real/share/films"), at("real/share/link")).unwrap();
        let is_opened =
            |path: &str, depth| matches!(AnchoredPath::new(&at(path), depth).open_regular(), Ok(Some(_)));
        assert!(is_opened("real/share/films/x", 2) && is_opened("above/share/films/x", 2));
        assert!(!is_opened("real/share/link/x", 2) && !is_opened("above/share/films/x", 4));
        assert!(is_opened("real/share/films/x", 1));
    }
}
