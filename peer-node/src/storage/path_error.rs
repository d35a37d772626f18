//! I/O errors that name their path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// An I/O error with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct PathError {
    path: PathBuf,
    source: io::Error,
}

/// Adds the path to an I/O error. Its kind and the result of [`errno`] stay the same.
pub(crate) fn at_path(path: &Path) -> impl Fn(io::Error) -> io::Error + use<> {
    let path = path.to_owned();
    move |source| io::Error::new(source.kind(), PathError { path: path.clone(), source })
}

/// Returns the OS error behind an error, if there is one.
pub(crate) fn errno(error: &io::Error) -> Option<Errno> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<PathError>());
    inner.map_or_else(|| Errno::from_io_error(error), |at| errno(&at.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_its_path_and_stays_what_it_was() {
        let full = || io::Error::from(Errno::NOSPC);
        let named = at_path(Path::new("/x/y"))(full());
        assert_eq!(named.kind(), io::ErrorKind::StorageFull);
        assert_eq!((errno(&named), errno(&full())), (Some(Errno::NOSPC), Some(Errno::NOSPC)));
        assert_eq!(named.to_string(), "/x/y: No space left on device (os error 28)");
        assert_eq!(errno(&io::Error::other("a bug")), None);
    }
}
