use std::fs::{self, File};
use std::io;
use std::path::Path;

use tracing::warn;

use crate::platform;

/// Creates the data folder if missing, and closes it to other users, because it contains the lists of all nodes.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    // Parent folders need no protection.
    dir.parent().map_or(Ok(()), fs::create_dir_all)?;
    match platform::create_private_folder(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::metadata(dir)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if platform::is_private(&found) {
        return Ok(());
    }
    let close = platform::make_private(dir);
    if let Some(found) = platform::exposed_mode(&File::open(dir)?.metadata()?) {
        let reason =
            close.err().map_or_else(|| "the file system has no modes".to_owned(), |error| error.to_string());
        warn!(folder = %dir.display(), mode = format_args!("{found:03o}"), reason, "data folder is open to other users");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const MODE: u32 = 0o700;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
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
