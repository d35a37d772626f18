//! What the index has on disk: all lists of all nodes.
//!
//! In the data folder lie `lock`, held while an index runs; `store/`, a sled database with everything in it; and
//! [`mark`], which says how far the database must have come. A change is on disk when [`Backing::commit`] returns.

mod engine;
mod error;
mod export;
mod import;
mod lock;
mod mark;
mod rows;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

pub use error::StoreError;
pub(crate) use export::export;
pub(crate) use import::{Import, read_lines};

use crate::catalog::{Catalog, StoredList, Writes};
use engine::{Engine, Take, store_dir};
use lock::Lock;
use mark::Mark;

/// How many lists may have been read that the catalog does not have yet: a few MiB.
const LISTS_READ_AHEAD: usize = 32;

/// Where the registrar keeps what it must not lose; a seam, so that its failures can be tried.
pub(crate) trait Backing: Send + 'static {
    /// Brings all of `writes` to disk, or none. After an error nobody knows which, until [`Backing::reopen`].
    fn commit(&mut self, writes: &[Writes]) -> Result<(), StoreError>;

    /// Opens everything anew after an error, and returns what is there.
    fn reopen(&mut self) -> Result<Vec<StoredList>, StoreError>;
}

/// The data folder of an index, opened and locked, and what was found in it.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    // Declared before the lock, so that it is closed before the folder is free for others.
    engine: Option<Engine>,
    catalog: Catalog,
    _lock: Lock,
}

impl Store {
    /// Opens a data folder, making it if there is none. Blocks while everything is read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unwritable = |source| StoreError::Unwritable { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(unwritable)?;
        let dir = fs::canonicalize(dir).map_err(unwritable)?;
        let lock = Lock::take(&dir)?;
        let (catalog, engine) = thread::scope(|scope| {
            // One thread reads while others put the catalog together.
            let (sender, lists) = sync_channel(LISTS_READ_AHEAD);
            let dir = dir.as_path();
            let reading = scope.spawn(move || {
                open_engine(dir, &mut |list, left| {
                    let list = list.verify().map_err(|clash| clash.to_string())?;
                    sender.send((list, left)).map_err(|_| "its lists contradict each other".to_owned())
                })
            });
            let catalog = Catalog::of(lists);
            let engine =
                reading.join().map_err(|_| StoreError::Failed { what: "reading it failed".into() })?;
            Ok((catalog.map_err(|clash| StoreError::damaged(dir, &clash))?, engine?))
        })?;
        Ok(Self { dir, engine: Some(engine), catalog, _lock: lock })
    }

    /// Opens the store of a data folder that must have one, and returns what is in it and the number of its last change.
    pub(crate) fn read(dir: &Path) -> Result<(Vec<StoredList>, u64), StoreError> {
        if !store_dir(dir).exists() {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let _lock = Lock::take(dir)?;
        let mut lists = Vec::new();
        let engine = open_engine(dir, &mut |list, _| {
            lists.push(list);
            Ok(())
        })?;
        let commits = engine.commits();
        engine.close();
        Ok((lists, commits))
    }

    /// Makes a store with some lists in it, all or none, in a data folder that has none.
    pub(crate) fn create(dir: &Path, lists: &[Writes]) -> Result<(), StoreError> {
        fs::create_dir_all(dir).map_err(|source| StoreError::Unwritable { path: dir.to_owned(), source })?;
        let _lock = Lock::take(dir)?;
        if store_dir(dir).exists() || Mark::open(dir)?.is_some() {
            return Err(StoreError::NotEmpty { path: dir.to_owned() });
        }
        Engine::create(dir, lists)?;
        let engine = open_engine(dir, &mut |_, _| Ok(()))?;
        engine.close();
        Ok(())
    }

    /// Takes out what was found when the store was opened.
    pub(crate) fn take_catalog(&mut self) -> Catalog {
        std::mem::take(&mut self.catalog)
    }
}

impl Backing for Store {
    fn commit(&mut self, writes: &[Writes]) -> Result<(), StoreError> {
        match &mut self.engine {
            Some(engine) => engine.commit(writes),
            None => Err(StoreError::Closed),
        }
    }

    fn reopen(&mut self) -> Result<Vec<StoredList>, StoreError> {
        if let Some(engine) = self.engine.take() {
            engine.close();
        }
        let mut lists = Vec::new();
        let engine = open_engine(&self.dir, &mut |list, _| {
            lists.push(list);
            Ok(())
        })?;
        self.engine = Some(engine);
        Ok(lists)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.close();
        }
    }
}

/// Opens the database, or makes it where there has never been one. A database that is less than its mark says is
/// refused, not taken for a new one.
fn open_engine(dir: &Path, take: &mut Take<'_>) -> Result<Engine, StoreError> {
    let Some(mark) = Mark::open(dir)? else {
        if !store_dir(dir).exists() {
            Engine::create(dir, &[])?;
        }
        let mut engine = Engine::open(dir, take)?;
        engine.keep_mark(Mark::create(dir, engine.commits())?);
        return Ok(engine);
    };
    let mut engine = Engine::open(dir, take)?;
    if engine.commits() < mark.commits() {
        let what =
            format!("it ends with change {}, but change {} was written", engine.commits(), mark.commits());
        return Err(StoreError::damaged(dir, &what));
    }
    engine.keep_mark(mark);
    Ok(engine)
}
