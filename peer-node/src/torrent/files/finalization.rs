//! Giving files their names when they are whole.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::metainfo::{FileSpan, Metainfo};

use super::content_root::numbered;
use super::handles::FileState;
use super::{TorrentFiles, TorrentFilesError, layout};
use crate::storage::FileIdentity;
use crate::storage::{Folder, OpenMode, remove_record};

/// From so many files on their bytes are made durable all at once, with everything else on the file system.
const SYNC_FILE_SYSTEM_FROM: usize = 8;

/// How many names are tried for a file whose own one is taken.
const MAX_NAME_ATTEMPTS: u32 = 500;

/// Which files are still to get their names.
#[derive(Debug)]
pub(super) struct Finalization {
    /// The pieces that were counted.
    counted: Bitfield,
    /// How many pieces of each file were not.
    missing: Vec<u32>,
    due: FinalizationBatch,
    is_finished: bool,
}

/// What is to be done, in this order.
#[derive(Debug, Default)]
struct FinalizationBatch {
    /// Files that are whole and have no name yet, some of which may be as they should be already.
    files: Vec<usize>,
    /// Folders whose names are not durable yet.
    folders: BTreeSet<PathBuf>,
    /// Files that have got their names since that was told.
    renamed: Vec<PathBuf>,
}

impl Finalization {
    pub(super) fn new(metainfo: &Metainfo) -> Self {
        let pieces =
            |file: &FileSpan| u32::try_from(layout::pieces_of(metainfo, file).len()).unwrap_or(u32::MAX);
        let missing: Vec<u32> = metainfo.files().iter().map(pieces).collect();
        let is_empty = |number: &usize| missing.get(*number) == Some(&0);
        let due = FinalizationBatch {
            files: (0..missing.len()).filter(is_empty).collect(),
            ..FinalizationBatch::default()
        };
        Self { counted: Bitfield::empty(metainfo.geometry()), missing, due, is_finished: false }
    }

    /// Says whether nothing is left to be noted or named.
    pub(super) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Counts the pieces that are new, and takes what is to be done.
    fn take_due(&mut self, metainfo: &Metainfo, here: &Bitfield) -> FinalizationBatch {
        let bytes = here.as_bytes().iter().zip(self.counted.as_bytes());
        let changed: Vec<u32> = (0u32..)
            .zip(bytes)
            .filter(|(_, (now, then))| **now & !**then != 0)
            .map(|(at, _)| at * 8)
            .collect();
        let numbers = changed.into_iter().flat_map(|first| first..first + 8);
        for piece in numbers.filter_map(|number| metainfo.geometry().piece(number)) {
            if !here.has(piece) || !self.counted.insert(piece) {
                continue;
            }
            for span in layout::spans_of_piece(metainfo, piece) {
                if let Some(missing) = self.missing.get_mut(span.file) {
                    *missing = missing.saturating_sub(1);
                    if *missing == 0 {
                        self.due.files.push(span.file);
                    }
                }
            }
        }
        std::mem::take(&mut self.due)
    }
}

impl TorrentFiles {
    /// Gives each file that is whole its name, after its bytes were made durable, and makes the name durable too. Once all
    /// pieces are here the record goes. Returns the files that are new under their names, with where they lie.
    ///
    /// What fails is tried again next time. It costs next to nothing when there is nothing to do.
    pub fn finalize(&self, here: &Bitfield) -> Result<Vec<PathBuf>, TorrentFilesError> {
        let mut batch = self.finalization.lock().take_due(&self.metainfo, here);
        batch.files.retain(|number| self.needs_final_name(*number));
        let settled = self.finalize_batch(&mut batch);
        let named = if settled.is_ok() { std::mem::take(&mut batch.renamed) } else { Vec::new() };
        {
            let mut settling = self.finalization.lock();
            settling.is_finished = settled.is_ok() && here.is_full();
            settling.due.files.append(&mut batch.files);
            settling.due.folders.append(&mut batch.folders);
            settling.due.renamed.append(&mut batch.renamed);
        }
        settled?;
        if here.is_full() {
            remove_record(&self.root.record);
            self.root.unlock();
        }
        Ok(named)
    }

    /// Renames the files that are complete to their final names, and records which pieces are here even if a rename fails.
    pub fn finalize_and_record(&self, here: &Bitfield) -> io::Result<()> {
        let settled = self.finalize(here).map(drop).map_err(io::Error::other);
        settled.and(self.record_pieces(here))
    }

    fn needs_final_name(&self, number: usize) -> bool {
        let Some(file) = self.metainfo.files().get(number).filter(|file| !file.is_padding) else {
            return false;
        };
        match self.handles.state(number) {
            FileState::Named(_) => false,
            FileState::Part { .. } => true,
            FileState::Absent => file.length == 0 && self.selection.has(number),
        }
    }

    fn finalize_batch(&self, batch: &mut FinalizationBatch) -> Result<(), TorrentFilesError> {
        let is_many = batch.files.len() >= SYNC_FILE_SYSTEM_FROM;
        if is_many {
            self.root.folder.sync_file_system().map_err(TorrentFilesError::at(self.location()))?;
        }
        let mut failure = None;
        for number in std::mem::take(&mut batch.files) {
            let Some(file) = self.metainfo.files().get(number) else { continue };
            match self.rename_to_final(number, file, !is_many) {
                Ok(path) => {
                    batch.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
                    batch.renamed.push(self.external_path(&path));
                }
                Err(error) => {
                    batch.files.push(number);
                    failure.get_or_insert(TorrentFilesError::at(&self.external_path(&self.part_path(file)))(
                        error,
                    ));
                }
            }
        }
        while let Some(folder) = batch.folders.last() {
            self.sync_folder(folder).map_err(TorrentFilesError::at(&self.external_path(folder)))?;
            batch.folders.pop_last();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Makes the names in a folder durable; with those in the torrent's own folder also that folder's name.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.root.folder.open_child(folder)?.sync()?;
        let is_own = folder.as_os_str().is_empty() && self.root.only_file.is_none();
        match self.location().parent().filter(|_| is_own) {
            Some(above) => Folder::open(above)?.sync(),
            None => Ok(()),
        }
    }

    /// Gives a file its name, or the next free one, and returns it.
    fn rename_to_final(&self, number: usize, file: &FileSpan, should_sync: bool) -> io::Result<PathBuf> {
        let (wanted, part) = (self.named_path(number, file), self.part_path(file));
        let folder = &self.root.folder;
        let is_empty = self.handles.state(number) == FileState::Absent;
        if is_empty {
            // One that an attempt that failed has left does as well.
            drop(folder.open_file(&part, OpenMode::New));
        }
        let opened = folder.open_file(&part, OpenMode::Write)?;
        match opened.metadata()?.len() {
            longer if longer > file.length => opened.set_len(file.length)?,
            shorter if shorter < file.length => return Err(io::Error::other("something has cut it short")),
            _ => {}
        }
        if should_sync {
            opened.sync_all()?;
        }
        let stem = wanted.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        for try_number in 0..MAX_NAME_ATTEMPTS {
            let path = wanted.with_file_name(numbered(stem, try_number, true));
            let renamed = self.handles.move_file(number, (path != wanted).then(|| path.clone()), || {
                folder.rename_no_replace(&part, &path)?;
                let identity = FileIdentity::from_file(&opened)?;
                identity.map(FileState::Named).ok_or_else(|| io::Error::other("it is not a regular file"))
            });
            match renamed {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
