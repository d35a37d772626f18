use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::{Mutex, RwLock};

use super::change_tracker::ChangeTracker;
use super::exclusions::IGNORE_FILE;
use super::report::display_path;
use super::shares::{ShareSet, is_hidden, is_unfinished};
use crate::platform::is_watch_limit;

/// Maximum number of unwatched folders that are counted.
const MAX_UNWATCHED: usize = 10_000;

/// Receives the system's notifications of changes in shared folders.
///
/// Folders are watched one by one as the walk reaches them, so hidden and excluded folders are never watched. Where watching
/// fails, only the periodic rescan notices changes.
#[derive(Debug)]
pub(super) struct FolderWatcher {
    system: Mutex<Option<RecommendedWatcher>>,
    event_filter: Arc<EventFilter>,
    /// Why no folder can be watched.
    failure: Option<WatchFailure>,
    unwatched: Mutex<UnwatchedFolders>,
}

/// Whether the system reports changes of shared folders. Other changes are noticed at the next rescan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WatchStatus {
    /// All folders are watched.
    All,
    /// No folder is watched.
    None {
        /// The error of the operating system.
        error: String,
        /// True if a system limit was reached, which can be raised.
        is_over_limit: bool,
    },
    /// Some folders are not watched.
    Partly {
        /// Number of unwatched folders, up to a maximum.
        folders: usize,
        /// The last error of the operating system.
        error: String,
        /// True if a system limit was reached, which can be raised.
        is_over_limit: bool,
    },
}

#[derive(Debug, Clone)]
struct WatchFailure {
    error: String,
    is_over_limit: bool,
}

/// The folders that could not be watched.
#[derive(Debug, Default)]
struct UnwatchedFolders {
    folders: HashSet<PathBuf>,
    last_failure: Option<WatchFailure>,
}

impl From<&notify::Error> for WatchFailure {
    fn from(error: &notify::Error) -> Self {
        let is_over_limit = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => true,
            notify::ErrorKind::Io(error) => is_watch_limit(error),
            _ => false,
        };
        let error = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => "the limit of inotify watches is reached".to_owned(),
            notify::ErrorKind::Io(error) => error.to_string(),
            _ => error.to_string(),
        };
        Self { error, is_over_limit }
    }
}

/// Selects the events that matter and adds their places to the change tracker.
#[derive(Debug)]
struct EventFilter {
    shares: RwLock<Arc<ShareSet>>,
    changes: Arc<ChangeTracker>,
}

impl FolderWatcher {
    /// Starts watching. Events of watched folders are added to `changes`.
    pub(super) fn new(shares: Arc<ShareSet>, changes: Arc<ChangeTracker>) -> Self {
        let filter = Arc::new(EventFilter { shares: RwLock::new(shares), changes });
        let listener = Arc::clone(&filter);
        let config = Config::default().with_follow_symlinks(false);
        let system = RecommendedWatcher::new(move |event| listener.handle_event(event), config);
        let system = system.inspect_err(|error| {
            tracing::warn!(%error, "cannot watch folders; changes are noticed at the next rescan");
        });
        let failure = system.as_ref().err().map(WatchFailure::from);
        Self { system: Mutex::new(system.ok()), event_filter: filter, failure, unwatched: Mutex::default() }
    }

    /// Returns whether changes are reported for all folders.
    pub(super) fn watch_status(&self) -> WatchStatus {
        if let Some(WatchFailure { error, is_over_limit }) = self.failure.clone() {
            return WatchStatus::None { error, is_over_limit };
        }
        let unwatched = self.unwatched.lock();
        match (&unwatched.last_failure, unwatched.folders.len()) {
            (None, _) | (_, 0) => WatchStatus::All,
            (Some(WatchFailure { error, is_over_limit }), folders) => {
                WatchStatus::Partly { folders, error: error.clone(), is_over_limit: *is_over_limit }
            }
        }
    }

    /// Watches one folder without its subfolders; it may be watched already. Blocks on system calls, so it must not be called
    /// from async code.
    pub(super) fn watch(&self, folder: &Path) {
        let watched = match &mut *self.system.lock() {
            Some(system) => system.watch(folder, RecursiveMode::NonRecursive),
            None => return,
        };
        let mut unwatched = self.unwatched.lock();
        let Err(error) = watched else {
            unwatched.folders.remove(folder);
            return;
        };
        let is_missing = match &error.kind {
            notify::ErrorKind::PathNotFound => true,
            notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        if is_missing {
            unwatched.folders.remove(folder);
            return;
        }
        if unwatched.last_failure.is_none() {
            let path = display_path(folder);
            tracing::warn!(%error, path, "cannot watch a folder; changes are noticed at the next rescan");
        }
        unwatched.last_failure = Some(WatchFailure::from(&error));
        if unwatched.folders.len() < MAX_UNWATCHED {
            unwatched.folders.insert(folder.to_owned());
        }
    }

    /// Replaces the share set that filters events.
    pub(super) fn set_shares(&self, shares: Arc<ShareSet>) {
        *self.event_filter.shares.write() = shares;
    }
}

impl EventFilter {
    /// Handles an event on the system watcher's own thread.
    fn handle_event(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!(%error, "watching failed temporarily; rescanning everything");
                self.changes.mark_all_changed();
                return;
            }
        };
        if event.need_rescan() {
            tracing::debug!("too many changes at once; rescanning everything");
            self.changes.mark_all_changed();
            return;
        }
        // Reading a file is no change; hashing does it all the time.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let shares = Arc::clone(&self.shares.read());
        for path in event.paths {
            if path.file_name().is_some_and(|name| name == IGNORE_FILE) {
                // The patterns apply to the whole folder.
                if let Some(folder) = path.parent().filter(|folder| is_shared(&shares, folder)) {
                    self.changes.mark_changed(folder.to_owned());
                }
            } else if is_shared(&shares, &path) {
                self.changes.mark_changed(path);
            } else {
                // The event may concern a folder that contains a registered place.
                let within = shares.bases().filter(|base| base.starts_with(&path));
                within.for_each(|base| self.changes.mark_changed(base.to_owned()));
            }
        }
    }
}

fn is_shared(shares: &ShareSet, path: &Path) -> bool {
    let Some(share) = shares.containing_share(path) else { return false };
    let below = path.strip_prefix(share.base).unwrap_or(path);
    let is_left_out = |part| {
        matches!(part, Component::Normal(name) if is_hidden(name)) || !matches!(part, Component::Normal(_))
    };
    !below.components().any(is_left_out)
        && !path.file_name().is_some_and(is_unfinished)
        && !shares.is_fully_excluded(path)
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, Flag, ModifyKind, RemoveKind};

    use super::super::shares::ShareSet;
    use super::*;
    use crate::library::free_name::EntryKind;

    fn touched(events: Vec<notify::Result<Event>>) -> (Vec<String>, bool) {
        let mut shares = ShareSet::with_root("/s".into());
        shares.share(Path::new("/data/x.iso"), EntryKind::File, |_| false).unwrap();
        shares.unshare(Path::new("/s/out"));
        let filter = EventFilter { shares: RwLock::new(Arc::new(shares)), changes: Arc::default() };
        for event in events {
            filter.handle_event(event);
        }
        let touched = filter.changes.take();
        (touched.places.iter().map(|place| place.to_str().unwrap().to_owned()).collect(), touched.all)
    }

    #[test]
    fn unwatched_folder_counts_until_watched() {
        let home = tempfile::tempdir().unwrap();
        let shares = Arc::new(ShareSet::with_root(home.path().into()));
        let watcher = FolderWatcher::new(shares, Arc::default());
        assert_eq!(watcher.watch_status(), WatchStatus::All);
        let mut unwatched = watcher.unwatched.lock();
        unwatched.folders.insert(home.path().into());
        unwatched.last_failure =
            Some(WatchFailure::from(&notify::Error::new(notify::ErrorKind::MaxFilesWatch)));
        drop(unwatched);
        assert!(matches!(
            watcher.watch_status(),
            WatchStatus::Partly { folders: 1, is_over_limit: true, .. }
        ));
        watcher.watch(home.path());
        assert_eq!(watcher.watch_status(), WatchStatus::All);
    }

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn events_of_shared_places_are_passed_on() {
        let create = EventKind::Create(CreateKind::Any);
        let events = ["/s/a", "/s/b/c", "/data/x.iso", "/s/.peerdex/log/node.log", "/s/.x", "/s/d/.y/z"]
            .into_iter()
            .chain(["/s/a.iso.part", "/s/a.iso.part.json", "/s/out/x", "/data/y.iso", "/elsewhere"]);
        let events = events.map(|path| Ok(event(create, path))).collect();
        assert_eq!(touched(events), (vec!["/data/x.iso".into(), "/s/a".into(), "/s/b/c".into()], false));
    }

    #[test]
    fn pattern_change_touches_its_folder() {
        let create = EventKind::Create(CreateKind::Any);
        let paths =
            ["/s/.peerdexignore", "/s/d/.peerdexignore", "/s/out/.peerdexignore", "/data/.peerdexignore"];
        let events = paths.map(|path| Ok(event(create, path))).into();
        assert_eq!(touched(events), (vec!["/s".into()], false));
    }

    #[test]
    fn read_access_is_not_a_change() {
        assert_eq!(touched(vec![Ok(event(EventKind::Access(AccessKind::Any), "/s/a"))]), (vec![], false));
        assert_eq!(
            touched(vec![Ok(event(EventKind::Modify(ModifyKind::Any), "/s/a"))]),
            (vec!["/s/a".into()], false)
        );
    }

    #[test]
    fn change_above_a_registered_place_touches_it() {
        let events = vec![Ok(event(EventKind::Remove(RemoveKind::Any), "/data"))];
        assert_eq!(touched(events), (vec!["/data/x.iso".into()], false));
    }

    #[test]
    fn overflow_or_error_touches_everything() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(touched(vec![Ok(overflow)]), (vec![], true));
        assert_eq!(touched(vec![Err(notify::Error::generic("lost"))]), (vec![], true));
    }
}
