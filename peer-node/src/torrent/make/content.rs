use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::error::MakeError;
use super::plan::{Plan, PlannedFile};
use crate::storage::{Links, open_regular_file};

/// The bytes of all files, one behind the other. A file that is not as long as planned, or that somebody writes to
/// meanwhile, ends the reading.
#[derive(Debug)]
pub(super) struct Content<'a> {
    files: std::slice::Iter<'a, PlannedFile>,
    open: Option<Open<'a>>,
}

#[derive(Debug)]
struct Open<'a> {
    planned: &'a PlannedFile,
    file: File,
    metadata: Metadata,
    left: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { files: plan.files.iter(), open: None }
    }

    /// Reads on until `buffer` is full or nothing is left; returns how many bytes were read.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, MakeError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let Some(open) = self.current()? else { break };
            let most = usize::try_from(open.left).unwrap_or(usize::MAX).min(rest.len());
            let count = read(&mut open.file, rest.get_mut(..most).unwrap_or_default())
                .map_err(|error| open.failed(error))?;
            if count == 0 {
                return Err(MakeError::Changed { path: open.planned.path.clone() });
            }
            open.left -= count as u64;
            filled += count;
        }
        Ok(filled)
    }

    /// Returns the file that is being read, having gone on to the next if there is nothing left of it.
    fn current(&mut self) -> Result<Option<&mut Open<'a>>, MakeError> {
        loop {
            if let Some(done) = self.open.take_if(|open| open.left == 0) {
                done.check()?;
            }
            if self.open.is_some() {
                return Ok(self.open.as_mut());
            }
            let Some(planned) = self.files.next() else { return Ok(None) };
            self.open = Some(Open::new(planned)?);
        }
    }
}

impl<'a> Open<'a> {
    fn new(planned: &'a PlannedFile) -> Result<Self, MakeError> {
        let opened = open_regular_file(&planned.path, OpenOptions::new().read(true), Links::Followed);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) =
            opened.map_err(|error| MakeError::Unreadable { path: planned.path.clone(), error })?;
        if metadata.len() != planned.length {
            return Err(MakeError::Changed { path: planned.path.clone() });
        }
        Ok(Self { planned, file, metadata, left: planned.length })
    }

    /// Makes sure at the end that it is still the file that was opened.
    fn check(&self) -> Result<(), MakeError> {
        let now = self.file.metadata().map_err(|error| self.failed(error))?;
        let state = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if state(&now) == state(&self.metadata) {
            Ok(())
        } else {
            Err(MakeError::Changed { path: self.path() })
        }
    }

    fn failed(&self, error: io::Error) -> MakeError {
        MakeError::Unreadable { path: self.path(), error }
    }

    fn path(&self) -> PathBuf {
        self.planned.path.clone()
    }
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
