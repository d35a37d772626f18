//! Renames complete files to their final names.

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

/// From this many files on, the whole file system is synced instead of each file.
const SYNC_FILE_SYSTEM_FROM: usize = 8;

/// Maximum number of names to try if the final name is taken.
const MAX_NAME_ATTEMPTS: u32 = 500;

/// Tracks which files need their final names.
#[derive(Debug)]
pub(super) struct Finalization {
    /// The pieces counted so far.
    counted: Bitfield,
    /// Number of missing pieces per file.
    missing: Vec<u32>,
    due: FinalizationBatch,
    is_finished: bool,
}

/// Outstanding work, in this order.
#[derive(Debug, Default)]
struct FinalizationBatch {
    /// Complete files to rename; some may have their final names already.
    files: Vec<usize>,
    /// Folders whose entries are not synced yet.
    folders: BTreeSet<PathBuf>,
    /// Files renamed since the last report.
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

    /// Returns true if nothing is left to record or rename.
    pub(super) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Counts new pieces, and takes the outstanding work.
    fn take_due(&mut self, metainfo: &Metainfo, have: &Bitfield) -> FinalizationBatch {
        let bytes = have.as_bytes().iter().zip(self.counted.as_bytes());
        // Compare the bitfields by bytes first, so that only changed bytes are examined piece by piece.
        let changed: Vec<u32> =
            (0u32..).zip(bytes).filter(|(_, (new, old))| **new & !**old != 0).map(|(at, _)| at * 8).collect();
        let numbers = changed.into_iter().flat_map(|first| first..first + 8);
        for piece in numbers.filter_map(|number| metainfo.geometry().piece(number)) {
            if !have.has(piece) || !self.counted.insert(piece) {
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
    /// Syncs each complete file, renames it to its final name, and syncs the folder. Removes the record once all pieces
    /// are there. Returns the paths of files renamed since the last success.
    ///
    /// Failed work is retried by the next call. A call without work is cheap.
    pub(crate) fn finalize(&self, have: &Bitfield) -> Result<Vec<PathBuf>, TorrentFilesError> {
        let mut batch = self.finalization.lock().take_due(&self.metainfo, have);
        batch.files.retain(|number| self.needs_final_name(*number));
        let result = self.finalize_batch(&mut batch);
        let named = if result.is_ok() { std::mem::take(&mut batch.renamed) } else { Vec::new() };
        {
            let mut finalization = self.finalization.lock();
            finalization.is_finished = result.is_ok() && have.is_full();
            finalization.due.files.append(&mut batch.files);
            finalization.due.folders.append(&mut batch.folders);
            finalization.due.renamed.append(&mut batch.renamed);
        }
        result?;
        if have.is_full() {
            remove_record(&self.root.record);
            self.root.unlock();
        }
        Ok(named)
    }

    /// Finalizes complete files, and records the pieces even if that fails.
    pub(crate) fn finalize_and_record(&self, have: &Bitfield) -> io::Result<()> {
        let result = self.finalize(have).map(drop).map_err(io::Error::other);
        result.and(self.record_pieces(have))
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

    /// Syncs a folder, and the parent of the torrent's own folder with it.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.root.folder.open_child(folder)?.sync()?;
        let is_own = folder.as_os_str().is_empty() && self.root.only_file.is_none();
        match self.location().parent().filter(|_| is_own) {
            Some(parent) => Folder::open(parent)?.sync(),
            None => Ok(()),
        }
    }

    /// Renames a file to its final name, or the next free one; returns that path.
    fn rename_to_final(&self, number: usize, file: &FileSpan, should_sync: bool) -> io::Result<PathBuf> {
        let (wanted, part) = (self.final_path(number, file), self.part_path(file));
        let folder = &self.root.folder;
        let is_empty = self.handles.state(number) == FileState::Absent;
        if is_empty {
            // An empty part left by a failed attempt is fine, too.
            drop(folder.open_file(&part, OpenMode::New));
        }
        let opened = folder.open_file(&part, OpenMode::Write)?;
        match opened.metadata()?.len() {
            longer if longer > file.length => opened.set_len(file.length)?,
            shorter if shorter < file.length => {
                return Err(io::Error::other("the file was truncated by another program"));
            }
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
                identity.map(FileState::Named).ok_or_else(|| io::Error::other("not a regular file"))
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
