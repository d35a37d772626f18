//! The database: opening, reading everything, and durable commits.
//!
//! The database's own flush leaves data in the device's cache and the file's length unsynced, so a second descriptor of the
//! same file is synced after every flush. The database panics when it finds damage, so every call into it catches panics and
//! turns them into errors.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::StoreError;
use super::attendance_tree::{self, AttendanceTable};
use super::mark::CommitMark;
use super::offer_tree;
use super::rows::{self, FORMAT, NodeRow, RowKey};
use super::side_tree::TreeError;
use crate::catalog::{BlockNo, ListHeader, ListWrites, StoredFileList};
use crate::ids::NodeNo;
use crate::offers::{OfferWrite, StoredOffer};
use crate::platform::{disk_error_kind, sync_folder};
use crate::regular_file::check_folder;
use protocol::index::FileRecord;

/// The database's cache in bytes: small, since everything is read once and then kept in the catalog.
const CACHE: u64 = 32 << 20;

/// Lists or offers per commit when a database is created.
const CREATE_BATCH_LISTS: usize = 16;
const CREATE_BATCH_OFFERS: usize = 4096;

/// How long a database closed earlier by this process may take to release its file.
const LOCK_WAIT_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct Engine {
    db: sled::Db,
    offers: sled::Tree,
    attendance: sled::Tree,
    file: File,
    /// The database's folder; kept open, so that syncing it does not fail for lack of descriptors.
    folder: File,
    /// The data folder and the database's folder, for messages.
    dir: PathBuf,
    path: PathBuf,
    commits: u64,
    mark: Option<CommitMark>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.dir)
            .field("commits", &self.commits)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens an existing, complete database, and passes its lists to `take` one by one: all of them together would take as much
    /// memory again as the catalog.
    pub(super) fn open(dir: &Path, take: &mut ListSink<'_>) -> Result<Self, StoreError> {
        let file = store_dir(dir).join("db");
        // The database would treat a missing or empty file as a new database.
        if fs::metadata(&file).map_or(0, |data| data.len()) == 0 {
            return Err(StoreError::damaged(dir, &format!("{} is missing or empty", file.display())));
        }
        Self::start(dir, store_dir(dir))?.read_all(take)
    }

    /// Creates a database with some lists and offers. It is renamed to its final name when complete, since a partially created
    /// one cannot be distinguished from a damaged one.
    pub(super) fn create(dir: &Path, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        let (new, path) = (dir.join("store.new"), store_dir(dir));
        let unwritable = |source| StoreError::Unwritable { path: new.clone(), source };
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(error)),
            _ => fs::create_dir(&new).map_err(unwritable)?,
        }
        let mut engine = Self::start(dir, new.clone())?;
        let mut batch = sled::Batch::default();
        batch.insert(&RowKey::Format.to_bytes(), &FORMAT.to_be_bytes());
        batch.insert(&RowKey::Commits.to_bytes(), &0_u64.to_be_bytes());
        engine.apply(batch, [None, None])?;
        for group in lists.chunks(CREATE_BATCH_LISTS) {
            engine.commit(group, &[])?;
        }
        for group in offers.chunks(CREATE_BATCH_OFFERS) {
            engine.commit(&[], group)?;
        }
        engine.close();
        let rename = || fs::rename(&new, &path).and_then(|()| sync_folder(dir));
        rename().map_err(unwritable)
    }

    pub(super) const fn commits(&self) -> u64 {
        self.commits
    }

    /// Sets the mark that follows this database.
    pub(super) fn set_mark(&mut self, mark: CommitMark) {
        self.mark = Some(mark);
    }

    pub(super) fn read_offers(&self) -> Result<Vec<StoredOffer>, StoreError> {
        self.read_tree("offers of torrents", offer_tree::FORMAT, || offer_tree::read(&self.offers))
    }

    fn read_attendance(&self) -> Result<AttendanceTable, StoreError> {
        self.read_tree("attendance records", attendance_tree::FORMAT, || {
            attendance_tree::read(&self.attendance)
        })
    }

    /// Reads one of the trees beside the lists.
    fn read_tree<T>(
        &self,
        what: &str,
        known: u32,
        read: impl FnOnce() -> Result<T, TreeError>,
    ) -> Result<T, StoreError> {
        let read = catch_panic(read).map_err(|error| StoreError::damaged(&self.dir, &error))?;
        read.map_err(|unreadable| match unreadable {
            TreeError::Format(found) => StoreError::UnknownFormat {
                path: self.dir.clone(),
                found: format!("{found} for {what}"),
                known,
            },
            other => self.store_error(other),
        })
    }

    fn store_error(&self, unreadable: TreeError) -> StoreError {
        match unreadable {
            TreeError::Database(error) => classify_error(&self.dir, &self.path, error),
            TreeError::Damaged(what) => StoreError::damaged(&self.dir, &what),
            TreeError::Format(found) => {
                let (path, found) = (self.dir.clone(), found.to_string());
                StoreError::UnknownFormat { path, found, known: FORMAT }
            }
        }
    }

    /// Writes all changes of lists and offers to disk, or none.
    pub(super) fn commit(&mut self, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        let commits = self.commits.saturating_add(1);
        let mut batch = sled::Batch::default();
        batch.insert(&RowKey::Commits.to_bytes(), &commits.to_be_bytes());
        for write in lists {
            add(&mut batch, write)?;
        }
        let offers = if offers.is_empty() { None } else { Some(offer_tree::batch(offers)?) };
        self.apply(batch, [offers, attendance_tree::batch(lists)?])?;
        debug_assert!(
            self.mark.as_ref().is_none_or(|mark| mark.commits() <= self.commits),
            "the mark is ahead"
        );
        self.commits = commits;
        if let Some(Err(error)) = self.mark.as_mut().map(|mark| mark.advance(commits)) {
            // The change itself is durable; the mark is merely older than it could be.
            warn!(%error, dir = ?self.dir, "cannot write the mark of the store");
        }
        Ok(())
    }

    /// Closes the database in any state.
    pub(super) fn close(self) {
        let Self { db, offers, attendance, dir, .. } = self;
        if let Err(error) = catch_panic(move || drop((offers, attendance, db))) {
            warn!(%error, ?dir, "the store did not close cleanly");
        }
    }

    /// Opens the database in `path` without checking its contents.
    fn start(dir: &Path, path: PathBuf) -> Result<Self, StoreError> {
        check_folder(&path).map_err(|source| match source.kind() {
            ErrorKind::Other => StoreError::damaged(dir, &source),
            _ => StoreError::Unwritable { path: path.clone(), source },
        })?;
        remove_unfinished_snapshots(&path);
        let db = open_with_retry(dir, &path)?;
        let open_tree = |name| {
            let tree =
                catch_panic(|| db.open_tree(name)).map_err(|error| StoreError::damaged(dir, &error))?;
            tree.map_err(|error| classify_error(dir, &path, error))
        };
        let (offers, attendance) = (open_tree(offer_tree::TREE)?, open_tree(attendance_tree::TREE)?);
        let files = File::open(path.join("db")).and_then(|file| Ok((file, File::open(&path)?)));
        let (file, folder) = files.map_err(|source| StoreError::Unwritable { path: path.clone(), source })?;
        Ok(Self { db, offers, attendance, file, folder, dir: dir.to_owned(), path, commits: 0, mark: None })
    }

    /// Applies the changes of lists, offers and attendance, and makes them durable. The lists come last, so that the commit
    /// number is never ahead of the others.
    fn apply(
        &self,
        lists: sled::Batch,
        [offers, attendance]: [Option<sled::Batch>; 2],
    ) -> Result<(), StoreError> {
        let others = || {
            offers.map_or(Ok(()), |offers| self.offers.apply_batch(offers))?;
            attendance.map_or(Ok(()), |attendance| self.attendance.apply_batch(attendance))
        };
        let apply = || others().and_then(|()| self.db.apply_batch(lists)).and_then(|()| self.db.flush());
        let failed = |error: &dyn Display| StoreError::failed(&self.path, error);
        catch_panic(apply).map_err(|panic| failed(&panic))?.map_err(|error| failed(&error))?;
        let sync = || self.file.sync_all().and_then(|()| self.folder.sync_all());
        sync().map_err(|error| failed(&error))
    }

    fn read_all(mut self, take: &mut ListSink<'_>) -> Result<Self, StoreError> {
        let attendance = self.read_attendance()?;
        let found = catch_panic(|| read_rows(&self.db, &attendance, take))
            .map_err(|error| StoreError::damaged(&self.dir, &error))?;
        let found = found.map_err(|unreadable| self.store_error(unreadable))?;
        let format = found.format.ok_or_else(|| StoreError::damaged(&self.dir, &"format version missing"))?;
        if format != FORMAT {
            return Err(self.store_error(TreeError::Format(format)));
        }
        self.commits =
            found.commits.ok_or_else(|| StoreError::damaged(&self.dir, &"change counter missing"))?;
        Ok(self)
    }
}

/// Takes the lists of a database, each with the number of files in it and in all lists behind it; returns an error for an
/// invalid list.
pub(super) type ListSink<'a> = dyn FnMut(StoredFileList, u64) -> Result<(), String> + 'a;

/// The state of reading the rows of a database.
#[derive(Default)]
struct RowReader {
    format: Option<u32>,
    commits: Option<u64>,
    nodes: BTreeMap<NodeNo, ListHeader>,
    /// The number of files in lists not passed on yet.
    files_remaining: u64,
    /// The list whose blocks are being read.
    list: Option<StoredFileList>,
}

impl RowReader {
    fn add_block(
        &mut self,
        node: NodeNo,
        block: (BlockNo, Vec<FileRecord>),
        take: &mut ListSink<'_>,
    ) -> Result<(), String> {
        if self.list.as_ref().is_none_or(|list| list.node != node) {
            self.finish_list(take)?;
            let no_node = || format!("there are files of unknown node number {}", node.0);
            let header = self.nodes.remove(&node).ok_or_else(no_node)?;
            self.list = Some(StoredFileList { node, header, blocks: Vec::new() });
        }
        if let Some(list) = &mut self.list {
            list.blocks.push(block);
        }
        Ok(())
    }

    fn finish_list(&mut self, take: &mut ListSink<'_>) -> Result<(), String> {
        let Some(list) = self.list.take() else { return Ok(()) };
        let remaining = self.files_remaining;
        self.files_remaining = remaining.saturating_sub(list.header.summary.files.into());
        take(list, remaining)
    }

    fn end(&mut self, take: &mut ListSink<'_>) -> Result<(), String> {
        self.finish_list(take)?;
        let empty = std::mem::take(&mut self.nodes).into_iter();
        empty
            .map(|(node, header)| StoredFileList { node, header, blocks: Vec::new() })
            .try_for_each(|list| take(list, 0))
    }
}

/// Reads rows in key order: the format, the nodes, then the blocks of each node.
fn read_rows(
    db: &sled::Db,
    attendance: &AttendanceTable,
    take: &mut ListSink<'_>,
) -> Result<RowReader, TreeError> {
    let mut rows = RowReader::default();
    for row in db.iter() {
        let (key, value) = row.map_err(TreeError::Database)?;
        // A scan touches each page once, but the database only evicts pages after further accesses. This lookup triggers
        // eviction; without it the scan would keep the whole database in memory.
        db.contains_key(&key).map_err(TreeError::Database)?;
        let unreadable = || TreeError::Damaged(format!("the row {:02x?} cannot be read", key.as_ref()));
        match RowKey::from_bytes(&key).ok_or_else(unreadable)? {
            RowKey::Format => {
                rows.format = Some(rows::decode(&value).ok_or_else(unreadable)?);
                if rows.format != Some(FORMAT) {
                    return Ok(rows);
                }
            }
            RowKey::Commits => rows.commits = Some(rows::decode(&value).ok_or_else(unreadable)?),
            RowKey::Node(node) => {
                let row: NodeRow = rows::decode(&value).ok_or_else(unreadable)?;
                let header = row.header(|id| attendance.of(node, id));
                rows.files_remaining = rows.files_remaining.saturating_add(header.summary.files.into());
                rows.nodes.insert(node, header);
            }
            RowKey::Block(node, block) => {
                let files = rows::decode_block(&value).ok_or_else(unreadable)?;
                rows.add_block(node, (block, files), take).map_err(TreeError::Damaged)?;
            }
        }
    }
    rows.end(take).map_err(TreeError::Damaged)?;
    Ok(rows)
}

fn add(batch: &mut sled::Batch, writes: &ListWrites) -> Result<(), StoreError> {
    let too_long = || StoreError::Failed { what: "a record exceeds the maximum row size".into() };
    let node = RowKey::Node(writes.node).to_bytes();
    match &writes.header {
        Some(header) => batch.insert(&node, rows::encode(&NodeRow::from(header)).ok_or_else(too_long)?),
        None => batch.remove(&node),
    }
    debug_assert!(writes.blocks.is_sorted_by(|(one, _), (next, _)| one < next), "each block is written once");
    debug_assert!(
        writes.header.is_some() || writes.blocks.iter().all(|(_, files)| files.is_empty()),
        "an empty list has files"
    );
    for (block, files) in &writes.blocks {
        let key = RowKey::Block(writes.node, *block).to_bytes();
        if files.is_empty() {
            batch.remove(&key);
        } else {
            batch.insert(&key, rows::encode_block(files).ok_or_else(too_long)?);
        }
    }
    Ok(())
}

pub(super) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// Removes snapshots that a crash left incomplete, which the database cannot handle.
fn remove_unfinished_snapshots(store: &Path) {
    let files = fs::read_dir(store).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        if path.extension().is_some_and(|end| end == "generating") && fs::remove_file(&path).is_err() {
            warn!(?path, "cannot remove an incomplete snapshot");
        }
    }
}

/// Opens the database; retries while an earlier instance in this process is still closing. No other process can hold the folder.
fn open_with_retry(dir: &Path, path: &Path) -> Result<sled::Db, StoreError> {
    let deadline = Instant::now() + LOCK_WAIT_TIMEOUT;
    loop {
        let open = || sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None).open();
        match catch_panic(open).map_err(|error| StoreError::damaged(dir, &error))? {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error))
                if error.to_string().contains("lock") && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(classify_error(dir, path, error)),
        }
    }
}

/// Converts an error of the database in `path`.
pub(super) fn classify_error(dir: &Path, path: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) if is_io_trouble(source.kind()) => {
            StoreError::Unwritable { path: path.to_owned(), source }
        }
        error => StoreError::damaged(dir, &error),
    }
}

/// Returns true for an error of the folder or the disk, as opposed to damaged contents.
fn is_io_trouble(kind: ErrorKind) -> bool {
    use ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    // `ErrorKind` has no stable name for an I/O error of the disk. The database creates no errors of that kind itself.
    let of_disk = disk_error_kind();
    kind == of_disk
        || matches!(kind, NotFound | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// Calls into the database; converts a panic into an error.
fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "unknown reason".into());
        StoreError::Failed { what: format!("the database failed: {}", protocol::escape::excerpt(&text)) }
    })
}
