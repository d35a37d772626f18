use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tracing::warn;

/// The mode of the data folder: accessible to its owner only.
const MODE: u32 = 0o700;

/// Creates the data folder if missing, and closes it to other users, because it contains the lists of all nodes.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    // Parent folders need no protection.
    dir.parent().map_or(Ok(()), fs::create_dir_all)?;
    match DirBuilder::new().mode(MODE).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::metadata(dir)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if mode(&found) == MODE {
        return Ok(());
    }
    // Changed by path, since the folder may be unreadable: the umask may have removed its owner's rights as well.
    let close = fs::set_permissions(dir, Permissions::from_mode(MODE));
    let found = mode(&File::open(dir)?.metadata()?);
    if found & !MODE != 0 {
        let reason =
            close.err().map_or_else(|| "the file system has no modes".to_owned(), |error| error.to_string());
        warn!(folder = %dir.display(), mode = format_args!("{found:03o}"), reason, "data folder is open to other users");
    }
    Ok(())
}

fn mode(found: &fs::Metadata) -> u32 {
    found.permissions().mode() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        mode(&fs::metadata(path).unwrap())
    }

    #[test]
    fn created_folder_is_private() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("around/index-data");
        make_private(&dir).unwrap();
        assert_eq!(mode_of(&dir), MODE);
        assert_ne!(mode_of(&home.path().join("around")) & 0o055, 0, "parent folders keep their mode");
    }

    #[test]
    fn existing_folder_becomes_private() {
        let home = tempfile::tempdir().unwrap();
        for before in [0o755, 0o777, 0o770, 0o500, 0o000] {
            fs::set_permissions(home.path(), Permissions::from_mode(before)).unwrap();
            make_private(home.path()).unwrap();
            assert_eq!(mode_of(home.path()), MODE, "{before:o}");
        }
    }

    #[test]
    fn other_file_type_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("index-data");
        fs::write(&dir, "").unwrap();
        assert!(make_private(&dir).is_err() && make_private(&dir.join("below")).is_err());
    }
}
