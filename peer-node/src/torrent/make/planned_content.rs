use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::PathBuf;

use super::error::MakeTorrentError;
use super::torrent_plan::{PlannedFile, TorrentPlan};
use crate::platform::modified_time;
use crate::storage::{LinkPolicy, open_regular_file};

/// The bytes of all files in order. Reading fails if a file's length differs from the plan or the file is modified.
#[derive(Debug)]
pub(super) struct PlannedContent<'a> {
    files: std::slice::Iter<'a, PlannedFile>,
    open: Option<OpenPlannedFile<'a>>,
}

#[derive(Debug)]
struct OpenPlannedFile<'a> {
    planned: &'a PlannedFile,
    file: File,
    metadata: Metadata,
    remaining: u64,
}

impl<'a> PlannedContent<'a> {
    pub(super) fn new(plan: &'a TorrentPlan) -> Self {
        Self { files: plan.files.iter(), open: None }
    }

    /// Reads until `buffer` is full or the content ends; returns the number of bytes read.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, MakeTorrentError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let Some(open) = self.current_file()? else { break };
            let max_len = usize::try_from(open.remaining).unwrap_or(usize::MAX).min(rest.len());
            let count = read_retrying(&mut open.file, rest.get_mut(..max_len).unwrap_or_default())
                .map_err(|error| open.unreadable(error))?;
            if count == 0 {
                return Err(MakeTorrentError::Changed { path: open.planned.path.clone() });
            }
            open.remaining -= count as u64;
            filled += count;
        }
        Ok(filled)
    }

    /// Returns the file being read; moves on to the next one at its end.
    fn current_file(&mut self) -> Result<Option<&mut OpenPlannedFile<'a>>, MakeTorrentError> {
        loop {
            if let Some(done) = self.open.take_if(|open| open.remaining == 0) {
                done.check_unchanged()?;
            }
            if self.open.is_some() {
                return Ok(self.open.as_mut());
            }
            let Some(planned) = self.files.next() else { return Ok(None) };
            self.open = Some(OpenPlannedFile::new(planned)?);
        }
    }
}

impl<'a> OpenPlannedFile<'a> {
    fn new(planned: &'a PlannedFile) -> Result<Self, MakeTorrentError> {
        let opened = open_regular_file(&planned.path, OpenOptions::new().read(true), LinkPolicy::Follow);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) =
            opened.map_err(|error| MakeTorrentError::Unreadable { path: planned.path.clone(), error })?;
        if metadata.len() != planned.length {
            return Err(MakeTorrentError::Changed { path: planned.path.clone() });
        }
        Ok(Self { planned, file, metadata, remaining: planned.length })
    }

    /// Returns an error if the file was modified since it was opened.
    fn check_unchanged(&self) -> Result<(), MakeTorrentError> {
        let now = self.file.metadata().map_err(|error| self.unreadable(error))?;
        let state = |metadata: &Metadata| (metadata.len(), modified_time(metadata));
        if state(&now) == state(&self.metadata) {
            Ok(())
        } else {
            Err(MakeTorrentError::Changed { path: self.path() })
        }
    }

    fn unreadable(&self, error: io::Error) -> MakeTorrentError {
        MakeTorrentError::Unreadable { path: self.path(), error }
    }

    fn path(&self) -> PathBuf {
        self.planned.path.clone()
    }
}

fn read_retrying(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
