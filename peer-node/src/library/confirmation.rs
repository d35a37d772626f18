//! Checks whether sharing new places needs the user's confirmation. Reads the file system; runs on blocking threads.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::caution::{self, Caution, MANY_FILES};
use super::error::LibraryError;
use super::inventory::ScannedFile;
use super::report::SkippedEntry;
use super::share_target::ShareTarget;
use super::shares::ShareSet;
use super::walk::{Walk, WalkSink};

/// Returns an error if sharing one of the places needs confirmation. Stops scanning as soon as that is known.
pub(super) fn require_confirmation(
    shares: &ShareSet,
    places: &[ShareTarget],
    patterns: &[(PathBuf, Vec<String>)],
    cancel: &CancellationToken,
) -> Result<(), LibraryError> {
    let unconfirmed = |path: &Path, caution| LibraryError::Unconfirmed { path: path.to_owned(), caution };
    let home = std::env::home_dir().map(|home| home.canonicalize().unwrap_or(home));
    let mut proposed = shares.clone();
    for ShareTarget { location, kind } in places {
        proposed
            .share(location, *kind, |_| false)
            .map_err(|reason| LibraryError::CannotShare { path: location.clone(), reason })?;
        if let Some(caution) =
            caution::for_path(location, home.as_deref()).filter(|_| !shares.is_shared(location))
        {
            return Err(unconfirmed(location, caution));
        }
    }
    for (folder, patterns) in patterns {
        proposed.set_patterns(folder, patterns.clone());
    }
    let mut counter = NewFileCounter { shares, cancel, count: 0 };
    for ShareTarget { location, .. } in places {
        if Walk::new(&proposed, &mut counter).walk_place(location).is_break() && !cancel.is_cancelled() {
            return Err(unconfirmed(location, Caution::ManyFiles));
        }
    }
    Ok(())
}

/// Counts files that are not shared yet, up to the number that needs confirmation.
struct NewFileCounter<'a> {
    shares: &'a ShareSet,
    cancel: &'a CancellationToken,
    count: usize,
}

impl WalkSink for NewFileCounter<'_> {
    fn enter(&mut self, _: &Path) -> ControlFlow<()> {
        if self.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn file(&mut self, found: ScannedFile) -> ControlFlow<()> {
        self.count += usize::from(!self.shares.is_shared(&found.location));
        if self.count > MANY_FILES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn skip(&mut self, _: SkippedEntry) {}
}
