use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::metainfo::FileSpan;

use super::TorrentFiles;
use super::layout;
use super::place::with_suffix;
use crate::library::FileIdentity;
use crate::storage::{DIRECT_FROM, DirectFile, Open, take_room};

/// How many files are kept open at once; one that is written past the page cache counts for two.
const MOST: usize = 64;

/// How a file of the torrent lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lying {
    /// Not at all.
    Absent,
    /// As a part, which may still have to get its length.
    Part { is_sized: bool },
    /// Under its name, and since then never written to.
    Named(FileIdentity),
}

/// A file that is open.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    /// The way past the page cache, for files that are large enough to be worth it.
    pub(super) direct: Option<Arc<DirectFile>>,
    is_writable: bool,
}

/// How all files of a torrent lie there, and those that are open: the ones used last.
#[derive(Debug)]
pub(super) struct Handles(Mutex<State>);

#[derive(Debug)]
struct State {
    lying: Vec<Lying>,
    /// Files that lie elsewhere than where they would be looked for.
    paths: BTreeMap<usize, PathBuf>,
    open: HashMap<usize, (Opened, u64)>,
    /// Counts uses, so that the longest unused is known.
    uses: u64,
}

impl Handles {
    pub(super) fn new(lying: Vec<Lying>, paths: BTreeMap<usize, PathBuf>) -> Self {
        Self(Mutex::new(State { lying, paths, open: HashMap::new(), uses: 0 }))
    }

    pub(super) fn lying(&self, file: usize) -> Lying {
        self.0.lock().lying(file)
    }

    /// Notes that a file lies there otherwise than before, perhaps elsewhere.
    pub(super) fn moved(&self, file: usize, lying: Lying, path: Option<PathBuf>) {
        self.0.lock().moved(file, lying, path);
    }

    /// Moves a file while nobody opens it, so that whoever looks for it finds it at its old place or at its new one.
    pub(super) fn move_file(
        &self,
        file: usize,
        path: Option<PathBuf>,
        work: impl FnOnce() -> io::Result<Lying>,
    ) -> io::Result<()> {
        let mut state = self.0.lock();
        let lying = work()?;
        state.moved(file, lying, path);
        Ok(())
    }
}

impl State {
    fn moved(&mut self, file: usize, lying: Lying, path: Option<PathBuf>) {
        self.open.remove(&file);
        self.set(file, lying);
        self.paths.extend(path.map(|path| (file, path)));
    }

    fn lying(&self, file: usize) -> Lying {
        self.lying.get(file).copied().unwrap_or(Lying::Absent)
    }

    fn set(&mut self, file: usize, lying: Lying) {
        if let Some(known) = self.lying.get_mut(file) {
            *known = lying;
        }
    }

    fn opened(&mut self, file: usize) -> Option<Opened> {
        self.uses += 1;
        let (opened, used) = self.open.get_mut(&file)?;
        *used = self.uses;
        Some(opened.clone())
    }

    fn keep(&mut self, file: usize, opened: &Opened) {
        if self.open.len() >= MOST {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(file, _)| *file);
            oldest.and_then(|oldest| self.open.remove(&oldest));
        }
        self.open.insert(file, (opened.clone(), self.uses));
    }
}

impl TorrentFiles {
    /// Returns where a file has its name, below the torrent's folder.
    pub(super) fn path_of(&self, number: usize, file: &FileSpan) -> PathBuf {
        self.path_in(&self.handles.0.lock(), number, file)
    }

    fn path_in(&self, state: &State, number: usize, file: &FileSpan) -> PathBuf {
        if let Some(path) = state.paths.get(&number) {
            return path.clone();
        }
        self.place.only_file.clone().unwrap_or_else(|| layout::stored_path(file))
    }

    /// Returns where a file lies until it is whole.
    pub(super) fn part_of(&self, file: &FileSpan) -> PathBuf {
        let path = self.place.only_file.clone().unwrap_or_else(|| layout::stored_path(file));
        with_suffix(&path, ".part")
    }

    /// Returns a file to read from, and how it lies there; nothing if it is absent.
    pub(super) fn reader(&self, number: usize) -> io::Result<Option<(Arc<File>, Lying)>> {
        let Some(file) = self.metainfo.files().get(number) else { return Ok(None) };
        let mut state = self.handles.0.lock();
        let (lying, path) = match state.lying(number) {
            Lying::Absent => return Ok(None),
            named @ Lying::Named(_) => (named, self.path_in(&state, number, file)),
            part_lies @ Lying::Part { .. } => (part_lies, self.part_of(file)),
        };
        if let Some(opened) = state.opened(number) {
            return Ok(Some((opened.file, lying)));
        }
        let opened = Arc::new(self.place.folder.open_file(&path, Open::Read)?);
        let opened = Opened { file: opened, direct: None, is_writable: false };
        state.keep(number, &opened);
        Ok(Some((opened.file, lying)))
    }

    /// Returns the part of a file to write to, in its full length; makes it if it is not there.
    pub(super) fn writer(&self, number: usize, file: &FileSpan) -> io::Result<Opened> {
        let path = self.part_of(file);
        let mut state = self.handles.0.lock();
        let lying = state.lying(number);
        if let Some(opened) = state.opened(number).filter(|opened| opened.is_writable) {
            return Ok(opened);
        }
        // The only file's part was made before, and others kept away from it.
        let is_new = lying == Lying::Absent && self.place.only_file.is_none();
        let opened = self.place.folder.open_file(&path, if is_new { Open::New } else { Open::Write })?;
        if lying != (Lying::Part { is_sized: true })
            && let Err(error) = self.size(&opened, number, file)
        {
            if is_new {
                // An empty part would claim nothing, but stand in the way of the next attempt.
                let _ = self.place.folder.remove_file(&path);
            }
            return Err(error);
        }
        state.set(number, Lying::Part { is_sized: true });
        let direct = if file.length >= DIRECT_FROM { DirectFile::of(&opened).map(Arc::new) } else { None };
        let opened = Opened { file: Arc::new(opened), direct, is_writable: true };
        state.keep(number, &opened);
        Ok(opened)
    }

    /// Gives a part its length, and takes the room on disk at once if the whole of it is wanted.
    fn size(&self, part: &File, number: usize, file: &FileSpan) -> io::Result<()> {
        let before = part.metadata()?.len();
        if before != file.length {
            part.set_len(file.length)?;
        }
        if !self.selection.has(number) || file.length <= u64::from(self.metainfo.geometry().piece_length()) {
            return Ok(());
        }
        take_room(part, file.length).inspect_err(|_| {
            // What was had of the room goes back: a download that waits for more keeps it from nobody.
            let _ = part.set_len(before.min(file.length));
        })
    }
}
