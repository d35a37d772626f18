use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::metainfo::FileSpan;

use super::TorrentFiles;
use super::content_root::with_suffix;
use super::layout;
use crate::storage::FileIdentity;
use crate::storage::{DirectFile, MIN_DIRECT_SIZE, OpenMode, reserve_space};

/// Maximum number of open files; one opened for direct writes uses two descriptors.
const MAX_OPEN: usize = 64;

/// State of a file on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    /// The file does not exist.
    Absent,
    /// A part exists; `is_sized`: it has its final length.
    Part { is_sized: bool },
    /// The file has its final name and is not written any more.
    Named(FileIdentity),
}

/// An open file.
#[derive(Debug, Clone)]
pub(super) struct OpenHandle {
    pub(super) file: Arc<File>,
    /// Handle for direct writes past the page cache, for large files.
    pub(super) direct: Option<Arc<DirectFile>>,
    is_writable: bool,
}

/// The state of every file, and the most recently used open files.
#[derive(Debug)]
pub(super) struct FileHandles(Mutex<HandleTable>);

#[derive(Debug)]
struct HandleTable {
    states: Vec<FileState>,
    /// Actual paths of files that differ from the expected ones.
    paths: BTreeMap<usize, PathBuf>,
    open: HashMap<usize, (OpenHandle, u64)>,
    /// Use counter, to find the least recently used handle.
    uses: u64,
}

impl FileHandles {
    pub(super) fn new(states: Vec<FileState>, paths: BTreeMap<usize, PathBuf>) -> Self {
        Self(Mutex::new(HandleTable { states, paths, open: HashMap::new(), uses: 0 }))
    }

    pub(super) fn state(&self, file: usize) -> FileState {
        self.0.lock().state(file)
    }

    /// Records a new state of a file and, if given, its new path.
    pub(super) fn update_state(&self, file: usize, state: FileState, path: Option<PathBuf>) {
        self.0.lock().update_state(file, state, path);
    }

    /// Moves a file with the table locked, so that readers find it at the old or the new path.
    pub(super) fn move_file(
        &self,
        file: usize,
        path: Option<PathBuf>,
        work: impl FnOnce() -> io::Result<FileState>,
    ) -> io::Result<()> {
        let mut table = self.0.lock();
        let state = work()?;
        table.update_state(file, state, path);
        Ok(())
    }
}

impl HandleTable {
    fn update_state(&mut self, file: usize, state: FileState, path: Option<PathBuf>) {
        self.open.remove(&file);
        self.set_state(file, state);
        self.paths.extend(path.map(|path| (file, path)));
    }

    fn state(&self, file: usize) -> FileState {
        self.states.get(file).copied().unwrap_or(FileState::Absent)
    }

    fn set_state(&mut self, file: usize, state: FileState) {
        if let Some(slot) = self.states.get_mut(file) {
            *slot = state;
        }
    }

    fn get(&mut self, file: usize) -> Option<OpenHandle> {
        self.uses += 1;
        let (opened, used) = self.open.get_mut(&file)?;
        *used = self.uses;
        Some(opened.clone())
    }

    fn insert(&mut self, file: usize, opened: &OpenHandle) {
        if self.open.len() >= MAX_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(file, _)| *file);
            oldest.and_then(|oldest| self.open.remove(&oldest));
        }
        self.open.insert(file, (opened.clone(), self.uses));
    }
}

impl TorrentFiles {
    /// Returns the final path of a file below the torrent's folder.
    pub(super) fn final_path(&self, number: usize, file: &FileSpan) -> PathBuf {
        self.named_path_in(&self.handles.0.lock(), number, file)
    }

    fn named_path_in(&self, table: &HandleTable, number: usize, file: &FileSpan) -> PathBuf {
        if let Some(path) = table.paths.get(&number) {
            return path.clone();
        }
        self.root.only_file.clone().unwrap_or_else(|| layout::stored_path(file))
    }

    /// Returns the path of a file's part.
    pub(super) fn part_path(&self, file: &FileSpan) -> PathBuf {
        let path = self.root.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
        with_suffix(&path, ".part")
    }

    /// Returns a file to read, with its state; none if it is absent.
    pub(super) fn reader(&self, number: usize) -> io::Result<Option<(Arc<File>, FileState)>> {
        let Some(file) = self.metainfo.files().get(number) else { return Ok(None) };
        let mut table = self.handles.0.lock();
        let (state, path) = match table.state(number) {
            FileState::Absent => return Ok(None),
            named @ FileState::Named(_) => (named, self.named_path_in(&table, number, file)),
            part @ FileState::Part { .. } => (part, self.part_path(file)),
        };
        if let Some(opened) = table.get(number) {
            return Ok(Some((opened.file, state)));
        }
        let opened = Arc::new(self.root.folder.open_file(&path, OpenMode::Read)?);
        let opened = OpenHandle { file: opened, direct: None, is_writable: false };
        table.insert(number, &opened);
        Ok(Some((opened.file, state)))
    }

    /// Returns the writable part of a file, in its full length; creates it if it does not exist.
    pub(super) fn writer(&self, number: usize, file: &FileSpan) -> io::Result<OpenHandle> {
        let path = self.part_path(file);
        let mut table = self.handles.0.lock();
        let state = table.state(number);
        if let Some(opened) = table.get(number).filter(|opened| opened.is_writable) {
            return Ok(opened);
        }
        // The part of an only file exists already, and is locked.
        let is_new = state == FileState::Absent && self.root.only_file.is_none();
        let opened =
            self.root.folder.open_file(&path, if is_new { OpenMode::New } else { OpenMode::Write })?;
        if state != (FileState::Part { is_sized: true })
            && let Err(error) = self.allocate(&opened, number, file)
        {
            if is_new {
                // An empty part would only block the next attempt.
                let _ = self.root.folder.remove_file(&path);
            }
            return Err(error);
        }
        table.set_state(number, FileState::Part { is_sized: true });
        let direct =
            if file.length >= MIN_DIRECT_SIZE { DirectFile::open(&opened).map(Arc::new) } else { None };
        let opened = OpenHandle { file: Arc::new(opened), direct, is_writable: true };
        table.insert(number, &opened);
        Ok(opened)
    }

    /// Sets a part's length, and reserves its disk space if the whole file is selected.
    fn allocate(&self, part: &File, number: usize, file: &FileSpan) -> io::Result<()> {
        let before = part.metadata()?.len();
        if before != file.length {
            part.set_len(file.length)?;
        }
        if !self.selection.has(number) || file.length <= u64::from(self.metainfo.geometry().piece_length()) {
            return Ok(());
        }
        reserve_space(part, file.length).inspect_err(|_| {
            // Release partly reserved space: a download waiting for more must not hold any.
            let _ = part.set_len(before.min(file.length));
        })
    }
}
