//! The persistent store of the index: all lists of all nodes, and the torrents that nodes offer.
//!
//! The data folder contains `lock`, which is held while an index runs; `store/`, a sled database with all data; and the
//! [`mark`], a lower bound of the database's progress. A change is on disk when [`StoreBackend::commit`] returns.

mod attendance_tree;
mod data_folder;
mod engine;
mod error;
mod export;
mod import;
mod lock;
mod mark;
mod offer_tree;
mod rows;
mod side_tree;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::SystemTime;

pub use error::StoreError;
pub(crate) use export::export;
pub(crate) use import::{Import, read_lines};

use crate::catalog::{Catalog, ListWrites, StoredFileList};
use crate::offers::{OfferWrite, StoredOffer, TorrentOffers};
use engine::{Engine, ListSink, store_dir};
use lock::DataFolderLock;
use mark::CommitMark;

/// Maximum number of lists read ahead of the catalog: a few MiB.
const READ_AHEAD_LISTS: usize = 32;

/// The persistence used by the registrar; a trait, so that tests can inject failures.
pub(crate) trait StoreBackend: Send + 'static {
    /// Writes all changes of lists and offers to disk, or none. After an error the state on disk is unknown until
    /// [`StoreBackend::reopen`].
    fn commit(&mut self, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError>;

    /// Reopens everything after an error, and returns the contents.
    fn reopen(&mut self) -> Result<StoredData, StoreError>;
}

/// The contents of a store.
#[derive(Debug, Default)]
pub(crate) struct StoredData {
    pub(crate) lists: Vec<StoredFileList>,
    pub(crate) offers: Vec<StoredOffer>,
}

/// The opened and locked data folder of an index, with its contents.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    // Declared before the lock, so that it is closed before the folder is unlocked.
    engine: Option<Engine>,
    catalog: Catalog,
    offers: TorrentOffers,
    _lock: DataFolderLock,
}

impl Store {
    /// Opens a data folder, creating it if missing. Blocks while everything is read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unwritable = |source| StoreError::Unwritable { path: dir.to_owned(), source };
        data_folder::make_private(dir).map_err(unwritable)?;
        let dir = fs::canonicalize(dir).map_err(unwritable)?;
        let lock = DataFolderLock::acquire(&dir)?;
        let (catalog, engine) = thread::scope(|scope| {
            // One thread reads while others build the catalog.
            let (sender, lists) = sync_channel(READ_AHEAD_LISTS);
            let dir = dir.as_path();
            let reading = scope.spawn(move || {
                open_engine(dir, &mut |list, remaining| {
                    let list = list.verify().map_err(|error| error.to_string())?;
                    sender.send((list, remaining)).map_err(|_| "its lists contradict each other".to_owned())
                })
            });
            let catalog = Catalog::from_lists(lists);
            let engine = reading
                .join()
                .map_err(|_| StoreError::Failed { what: "internal error while reading".into() })?;
            Ok((catalog.map_err(|error| StoreError::damaged(dir, &error))?, engine?))
        })?;
        let offers = match engine.read_offers() {
            Ok(offers) => TorrentOffers::restore(offers),
            Err(error) => {
                engine.close();
                return Err(error);
            }
        };
        Ok(Self { dir, engine: Some(engine), catalog, offers, _lock: lock })
    }

    /// Opens an existing store; returns its contents and the number of its last change.
    pub(crate) fn read_data(dir: &Path) -> Result<(StoredData, u64), StoreError> {
        if !store_dir(dir).exists() {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let _lock = DataFolderLock::acquire(dir)?;
        let mut lists = Vec::new();
        let engine = open_engine(dir, &mut |list, _| {
            lists.push(list);
            Ok(())
        })?;
        let (commits, offers) = (engine.commits(), engine.read_offers());
        engine.close();
        Ok((StoredData { lists, offers: offers? }, commits))
    }

    /// Creates a store with some lists and offers in a data folder without one; all or nothing.
    pub(crate) fn create(dir: &Path, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        data_folder::make_private(dir)
            .map_err(|source| StoreError::Unwritable { path: dir.to_owned(), source })?;
        let _lock = DataFolderLock::acquire(dir)?;
        if store_dir(dir).exists() || CommitMark::open(dir)?.is_some() {
            return Err(StoreError::NotEmpty { path: dir.to_owned() });
        }
        check_clock()?;
        Engine::create(dir, lists, offers)?;
        let engine = open_engine(dir, &mut |_, _| Ok(()))?;
        engine.close();
        Ok(())
    }

    /// Takes the catalog loaded when the store was opened.
    pub(crate) fn take_catalog(&mut self) -> Catalog {
        std::mem::take(&mut self.catalog)
    }

    /// Takes the torrent offers loaded when the store was opened.
    pub(crate) fn take_offers(&mut self) -> TorrentOffers {
        std::mem::take(&mut self.offers)
    }
}

impl StoreBackend for Store {
    fn commit(&mut self, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        match &mut self.engine {
            Some(engine) => engine.commit(lists, offers),
            None => Err(StoreError::Closed),
        }
    }

    fn reopen(&mut self) -> Result<StoredData, StoreError> {
        if let Some(engine) = self.engine.take() {
            engine.close();
        }
        let mut lists = Vec::new();
        let engine = open_engine(&self.dir, &mut |list, _| {
            lists.push(list);
            Ok(())
        })?;
        let offers = engine.read_offers();
        self.engine = Some(engine);
        Ok(StoredData { lists, offers: offers? })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.close();
        }
    }
}

/// Fails if the clock is set to a time that the database cannot represent: it stamps its files.
fn check_clock() -> Result<(), StoreError> {
    if SystemTime::now() < SystemTime::UNIX_EPOCH { Err(StoreError::ClockBefore1970) } else { Ok(()) }
}

/// Opens the database, or creates it if there has never been one. A database that is behind its mark is refused rather than
/// replaced.
fn open_engine(dir: &Path, take: &mut ListSink<'_>) -> Result<Engine, StoreError> {
    check_clock()?;
    let Some(mark) = CommitMark::open(dir)? else {
        if !store_dir(dir).exists() {
            Engine::create(dir, &[], &[])?;
        }
        let mut engine = Engine::open(dir, take)?;
        engine.set_mark(CommitMark::create(dir, engine.commits())?);
        return Ok(engine);
    };
    let mut engine = Engine::open(dir, take)?;
    if engine.commits() < mark.commits() {
        let what =
            format!("it ends with change {}, but change {} was written", engine.commits(), mark.commits());
        return Err(StoreError::damaged(dir, &what));
    }
    engine.set_mark(mark);
    Ok(engine)
}
