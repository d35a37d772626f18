//! I/O errors that name their path.

use std::io;
use std::path::{Path, PathBuf};

/// An I/O error with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct PathError {
    path: PathBuf,
    source: io::Error,
}

/// Adds the path to an I/O error. Its kind and the result of [`without_path`] stay the same.
pub(crate) fn at_path(path: &Path) -> impl Fn(io::Error) -> io::Error + use<> {
    let path = path.to_owned();
    move |source| io::Error::new(source.kind(), PathError { path: path.clone(), source })
}

/// Returns the error to which [`at_path`] added a path, or the error itself.
pub(crate) fn without_path(error: &io::Error) -> &io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<PathError>());
    inner.map_or(error, |at| without_path(&at.source))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn error_names_its_path_and_stays_what_it_was() {
        let full = || io::Error::from(Errno::NOSPC);
        let named = at_path(Path::new("/x/y"))(full());
        assert_eq!(named.kind(), io::ErrorKind::StorageFull);
        let code = |error: &io::Error| Errno::from_io_error(without_path(error));
        assert_eq!((code(&named), code(&full())), (Some(Errno::NOSPC), Some(Errno::NOSPC)));
        assert_eq!(named.to_string(), "/x/y: No space left on device (os error 28)");
        assert_eq!(code(&io::Error::other("a bug")), None);
    }
}
