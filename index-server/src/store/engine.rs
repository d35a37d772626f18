//! The database itself: opening, reading everything, and commits that are on disk when they return.
//!
//! The database's own flush leaves its data in the device's cache and its file's length unsynced, so a second
//! descriptor of the same file is synced behind every flush. It panics where it finds damage, so that every call into
//! it runs where a panic is caught and told as an error.

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
use crate::regular_file::check_folder;
use protocol::index::FileRecord;

/// What the database may keep in memory: little, since everything is read once and then lives in the catalog.
const CACHE: u64 = 32 << 20;

/// So many lists, or offers, are written at a time when a database is made of them.
const CREATE_BATCH_LISTS: usize = 16;
const CREATE_BATCH_OFFERS: usize = 4096;

/// How long a database that was just closed in this process may take to let go of its file.
const LOCK_WAIT_TIMEOUT: Duration = Duration::from_secs(3);

/// An open database.
pub(super) struct Engine {
    db: sled::Db,
    offers: sled::Tree,
    attendance: sled::Tree,
    file: File,
    /// The database's folder; open all the time, so that syncing it needs no descriptor when there is none left.
    folder: File,
    /// The data folder and the database's, for what is said about them.
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
    /// Opens a database that must be there whole, and hands over its lists one by one: all of them together would take
    /// as much memory again as the catalog.
    pub(super) fn open(dir: &Path, take: &mut ListSink<'_>) -> Result<Self, StoreError> {
        let file = store_dir(dir).join("db");
        // The database would take a missing or emptied file for a new one.
        if fs::metadata(&file).map_or(0, |data| data.len()) == 0 {
            return Err(StoreError::damaged(dir, &format!("{} is missing or empty", file.display())));
        }
        Self::start(dir, store_dir(dir))?.read_all(take)
    }

    /// Makes a database with some lists and offers in it. It gets its name when it is complete, since one whose making was cut short cannot be
    /// told from a damaged one.
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
        let rename = || fs::rename(&new, &path).and_then(|()| File::open(dir)?.sync_all());
        rename().map_err(unwritable)
    }

    pub(super) const fn commits(&self) -> u64 {
        self.commits
    }

    /// Takes charge of the mark that follows this database.
    pub(super) fn set_mark(&mut self, mark: CommitMark) {
        self.mark = Some(mark);
    }

    /// Reads all offers.
    pub(super) fn read_offers(&self) -> Result<Vec<StoredOffer>, StoreError> {
        self.read_tree("offers of torrents", offer_tree::FORMAT, || offer_tree::read(&self.offers))
    }

    fn read_attendance(&self) -> Result<AttendanceTable, StoreError> {
        self.read_tree("standings of nodes", attendance_tree::FORMAT, || {
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

    /// Brings all changes of lists to disk, or none, and those of offers with them.
    pub(super) fn commit(&mut self, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        let commits = self.commits.saturating_add(1);
        let mut batch = sled::Batch::default();
        batch.insert(&RowKey::Commits.to_bytes(), &commits.to_be_bytes());
        for write in lists {
            add(&mut batch, write)?;
        }
        let offers = if offers.is_empty() { None } else { Some(offer_tree::batch(offers)?) };
        self.apply(batch, [offers, attendance_tree::batch(lists)?])?;
        self.commits = commits;
        if let Some(Err(error)) = self.mark.as_mut().map(|mark| mark.advance(commits)) {
            // The change itself is safe, and the mark merely older than it could be.
            warn!(%error, dir = ?self.dir, "cannot write the mark of the store");
        }
        Ok(())
    }

    /// Closes the database, whatever state it is in.
    pub(super) fn close(self) {
        let Self { db, offers, attendance: standings, dir, .. } = self;
        if let Err(error) = catch_panic(move || drop((offers, standings, db))) {
            warn!(%error, ?dir, "the store did not close cleanly");
        }
    }

    /// Opens the database in `path`, whatever is in it.
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
        let (offers, standings) = (open_tree(offer_tree::TREE)?, open_tree(attendance_tree::TREE)?);
        let files = File::open(path.join("db")).and_then(|file| Ok((file, File::open(&path)?)));
        let (file, folder) = files.map_err(|source| StoreError::Unwritable { path: path.clone(), source })?;
        Ok(Self {
            db,
            offers,
            attendance: standings,
            file,
            folder,
            dir: dir.to_owned(),
            path,
            commits: 0,
            mark: None,
        })
    }

    /// Applies the changes of the lists, and those of offers and standings, and makes them durable. The lists come last, so that the
    /// number of the change is never ahead of the others.
    fn apply(
        &self,
        lists: sled::Batch,
        [offers, standings]: [Option<sled::Batch>; 2],
    ) -> Result<(), StoreError> {
        let others = || {
            offers.map_or(Ok(()), |offers| self.offers.apply_batch(offers))?;
            standings.map_or(Ok(()), |standings| self.attendance.apply_batch(standings))
        };
        let apply = || others().and_then(|()| self.db.apply_batch(lists)).and_then(|()| self.db.flush());
        let failed = |error: &dyn Display| StoreError::failed(&self.path, error);
        catch_panic(apply).map_err(|panic| failed(&panic))?.map_err(|error| failed(&error))?;
        let sync = || self.file.sync_all().and_then(|()| self.folder.sync_all());
        sync().map_err(|error| failed(&error))
    }

    fn read_all(mut self, take: &mut ListSink<'_>) -> Result<Self, StoreError> {
        let standings = self.read_attendance()?;
        let found = catch_panic(|| read_rows(&self.db, &standings, take))
            .map_err(|error| StoreError::damaged(&self.dir, &error))?;
        let found = found.map_err(|unreadable| self.store_error(unreadable))?;
        let format = found.format.ok_or_else(|| StoreError::damaged(&self.dir, &"it says no format"))?;
        if format != FORMAT {
            return Err(self.store_error(TreeError::Format(format)));
        }
        self.commits =
            found.commits.ok_or_else(|| StoreError::damaged(&self.dir, &"it counts no changes"))?;
        Ok(self)
    }
}

/// Who takes over the lists of a database, each with the number of files in it and in those behind it; says what is
/// wrong with one.
pub(super) type ListSink<'a> = dyn FnMut(StoredFileList, u64) -> Result<(), String> + 'a;

/// What is in the database beside the lists, and what is needed to put these together.
#[derive(Default)]
struct RowReader {
    format: Option<u32>,
    commits: Option<u64>,
    nodes: BTreeMap<NodeNo, ListHeader>,
    /// How many files are in the lists that were not taken over yet.
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
            let no_node = || format!("there are files of node number {}, but no such node", node.0);
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
        let left = self.files_remaining;
        self.files_remaining = left.saturating_sub(list.header.summary.files.into());
        take(list, left)
    }

    fn end(&mut self, take: &mut ListSink<'_>) -> Result<(), String> {
        self.finish_list(take)?;
        let empty = std::mem::take(&mut self.nodes).into_iter();
        empty
            .map(|(node, header)| StoredFileList { node, header, blocks: Vec::new() })
            .try_for_each(|list| take(list, 0))
    }
}

/// Reads rows in the order of their keys: the format, the nodes, the blocks of each node.
fn read_rows(
    db: &sled::Db,
    standings: &AttendanceTable,
    take: &mut ListSink<'_>,
) -> Result<RowReader, TreeError> {
    let mut rows = RowReader::default();
    for row in db.iter() {
        let (key, value) = row.map_err(TreeError::Database)?;
        // A walk touches each page once, and the database lets go of pages only when those of their kind were touched 64
        // times: without this it keeps all of itself in memory, and the start with a million files takes 60 MiB more.
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
                let header = row.header(|id| standings.of(node, id));
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
    let too_long = || StoreError::Failed { what: "a row is longer than a row may be".into() };
    let node = RowKey::Node(writes.node).to_bytes();
    match &writes.header {
        Some(header) => batch.insert(&node, rows::encode(&NodeRow::from(header)).ok_or_else(too_long)?),
        None => batch.remove(&node),
    }
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

/// Returns the folder that a data folder's database has.
pub(super) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// The database chokes on snapshots that a crash left half-written.
fn remove_unfinished_snapshots(store: &Path) {
    let files = fs::read_dir(store).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        if path.extension().is_some_and(|end| end == "generating") && fs::remove_file(&path).is_err() {
            warn!(?path, "cannot remove a half-written snapshot");
        }
    }
}

/// Opens the database; waits for one that is still being closed by this very process, since the folder is ours alone.
fn open_with_retry(dir: &Path, path: &Path) -> Result<sled::Db, StoreError> {
    let patience = Instant::now() + LOCK_WAIT_TIMEOUT;
    loop {
        let open = || sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None).open();
        match catch_panic(open).map_err(|error| StoreError::damaged(dir, &error))? {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error))
                if error.to_string().contains("lock") && Instant::now() < patience =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(classify_error(dir, path, error)),
        }
    }
}

/// Returns what an error of the database in `path` amounts to.
pub(super) fn classify_error(dir: &Path, path: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) if is_io_trouble(source.kind()) => {
            StoreError::Unwritable { path: path.to_owned(), source }
        }
        error => StoreError::damaged(dir, &error),
    }
}

/// Tells trouble with the folder or the disk from trouble with what is in the files.
fn is_io_trouble(kind: ErrorKind) -> bool {
    use ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    // The kind of an error of the disk has no name. The database makes no errors of that kind itself.
    let of_disk = std::io::Error::from(rustix::io::Errno::IO).kind();
    kind == of_disk
        || matches!(kind, NotFound | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// Calls into the database and makes an error of a panic in there.
fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "it stopped for no reason given".into());
        StoreError::Failed { what: format!("the database gave up: {}", protocol::escape::excerpt(&text)) }
    })
}
