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

/// How many files are kept open at once; one that is written past the page cache counts for two.
const MAX_OPEN: usize = 64;

/// How a file of the torrent lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    /// Not at all.
    Absent,
    /// As a part, which may still have to get its length.
    Part { is_sized: bool },
    /// Under its name, and since then never written to.
    Named(FileIdentity),
}

/// A file that is open.
#[derive(Debug, Clone)]
pub(super) struct OpenHandle {
    pub(super) file: Arc<File>,
    /// The way past the page cache, for files that are large enough to be worth it.
    pub(super) direct: Option<Arc<DirectFile>>,
    is_writable: bool,
}

/// How all files of a torrent lie there, and those that are open: the ones used last.
#[derive(Debug)]
pub(super) struct FileHandles(Mutex<HandleTable>);

#[derive(Debug)]
struct HandleTable {
    states: Vec<FileState>,
    /// Files that lie elsewhere than where they would be looked for.
    paths: BTreeMap<usize, PathBuf>,
    open: HashMap<usize, (OpenHandle, u64)>,
    /// Counts uses, so that the longest unused is known.
    uses: u64,
}

impl FileHandles {
    pub(super) fn new(lying: Vec<FileState>, paths: BTreeMap<usize, PathBuf>) -> Self {
        Self(Mutex::new(HandleTable { states: lying, paths, open: HashMap::new(), uses: 0 }))
    }

    pub(super) fn state(&self, file: usize) -> FileState {
        self.0.lock().state(file)
    }

    /// Notes that a file lies there otherwise than before, perhaps elsewhere.
    pub(super) fn update_state(&self, file: usize, lying: FileState, path: Option<PathBuf>) {
        self.0.lock().update_state(file, lying, path);
    }

    /// Moves a file while nobody opens it, so that whoever looks for it finds it at its old place or at its new one.
    pub(super) fn move_file(
        &self,
        file: usize,
        path: Option<PathBuf>,
        work: impl FnOnce() -> io::Result<FileState>,
    ) -> io::Result<()> {
        let mut state = self.0.lock();
        let lying = work()?;
        state.update_state(file, lying, path);
        Ok(())
    }
}

impl HandleTable {
    fn update_state(&mut self, file: usize, lying: FileState, path: Option<PathBuf>) {
        self.open.remove(&file);
        self.set_state(file, lying);
        self.paths.extend(path.map(|path| (file, path)));
    }

    fn state(&self, file: usize) -> FileState {
        self.states.get(file).copied().unwrap_or(FileState::Absent)
    }

    fn set_state(&mut self, file: usize, lying: FileState) {
        if let Some(known) = self.states.get_mut(file) {
            *known = lying;
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
    /// Returns where a file has its name, below the torrent's folder.
    pub(super) fn named_path(&self, number: usize, file: &FileSpan) -> PathBuf {
        self.named_path_in(&self.handles.0.lock(), number, file)
    }

    fn named_path_in(&self, state: &HandleTable, number: usize, file: &FileSpan) -> PathBuf {
        if let Some(path) = state.paths.get(&number) {
            return path.clone();
        }
        self.root.only_file.clone().unwrap_or_else(|| layout::stored_path(file))
    }

    /// Returns where a file lies until it is whole.
    pub(super) fn part_path(&self, file: &FileSpan) -> PathBuf {
        let path = self.root.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
        with_suffix(&path, ".part")
    }

    /// Returns a file to read from, and how it lies there; nothing if it is absent.
    pub(super) fn reader(&self, number: usize) -> io::Result<Option<(Arc<File>, FileState)>> {
        let Some(file) = self.metainfo.files().get(number) else { return Ok(None) };
        let mut state = self.handles.0.lock();
        let (lying, path) = match state.state(number) {
            FileState::Absent => return Ok(None),
            named @ FileState::Named(_) => (named, self.named_path_in(&state, number, file)),
            part_lies @ FileState::Part { .. } => (part_lies, self.part_path(file)),
        };
        if let Some(opened) = state.get(number) {
            return Ok(Some((opened.file, lying)));
        }
        let opened = Arc::new(self.root.folder.open_file(&path, OpenMode::Read)?);
        let opened = OpenHandle { file: opened, direct: None, is_writable: false };
        state.insert(number, &opened);
        Ok(Some((opened.file, lying)))
    }

    /// Returns the part of a file to write to, in its full length; makes it if it is not there.
    pub(super) fn writer(&self, number: usize, file: &FileSpan) -> io::Result<OpenHandle> {
        let path = self.part_path(file);
        let mut state = self.handles.0.lock();
        let lying = state.state(number);
        if let Some(opened) = state.get(number).filter(|opened| opened.is_writable) {
            return Ok(opened);
        }
        // The only file's part was made before, and others kept away from it.
        let is_new = lying == FileState::Absent && self.root.only_file.is_none();
        let opened =
            self.root.folder.open_file(&path, if is_new { OpenMode::New } else { OpenMode::Write })?;
        if lying != (FileState::Part { is_sized: true })
            && let Err(error) = self.allocate(&opened, number, file)
        {
            if is_new {
                // An empty part would claim nothing, but stand in the way of the next attempt.
                let _ = self.root.folder.remove_file(&path);
            }
            return Err(error);
        }
        state.set_state(number, FileState::Part { is_sized: true });
        let direct =
            if file.length >= MIN_DIRECT_SIZE { DirectFile::open(&opened).map(Arc::new) } else { None };
        let opened = OpenHandle { file: Arc::new(opened), direct, is_writable: true };
        state.insert(number, &opened);
        Ok(opened)
    }

    /// Gives a part its length, and takes the room on disk at once if the whole of it is wanted.
    fn allocate(&self, part: &File, number: usize, file: &FileSpan) -> io::Result<()> {
        let before = part.metadata()?.len();
        if before != file.length {
            part.set_len(file.length)?;
        }
        if !self.selection.has(number) || file.length <= u64::from(self.metainfo.geometry().piece_length()) {
            return Ok(());
        }
        reserve_space(part, file.length).inspect_err(|_| {
            // What was had of the room goes back: a download that waits for more keeps it from nobody.
            let _ = part.set_len(before.min(file.length));
        })
    }
}
