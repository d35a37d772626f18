//! Blocks from files into one buffer, each behind its head, so that many small ones are one read and one write.

use std::fs::File;
use std::io;
use std::sync::Arc;

use protocol::bittorrent::block_head;
use protocol::geometry::Block;
use rustix::io::Errno;

use super::offering::{BlockSegment, TorrentOffering};

/// Appends blocks with their heads to `out`. Nothing of them is there if it fails; a file that has changed is an error.
pub(super) fn read_blocks(offering: &TorrentOffering, blocks: &[Block], out: &mut Vec<u8>) -> io::Result<()> {
    let before = out.len();
    let gathered = try_read_blocks(offering, blocks, out);
    if gathered.is_err() {
        out.truncate(before);
    }
    gathered
}

fn try_read_blocks(offering: &TorrentOffering, blocks: &[Block], out: &mut Vec<u8>) -> io::Result<()> {
    let begin = out.len();
    let length: usize = blocks.iter().map(|block| 13 + block.length as usize).sum();
    out.resize(begin + length, 0);
    let mut room = RemainingOutput { rest: out.get_mut(begin..).unwrap_or_default() };
    let mut run = ContiguousRead::default();
    for block in blocks {
        room.take(13).copy_from_slice(&block_head((*block).into()));
        let mut left = block.length as usize;
        for segment in offering.segments(*block)?.ok_or_else(content_changed)? {
            match segment {
                BlockSegment::File { file, offset, length } => {
                    left = left.checked_sub(length).ok_or_else(content_changed)?;
                    let place = room.take(length);
                    if !run.is_continued_by(&file, offset) {
                        std::mem::take(&mut run).read()?;
                    }
                    run.push(file, offset, place);
                }
                BlockSegment::Zeros { length } => {
                    left = left.checked_sub(length).ok_or_else(content_changed)?;
                    room.take(length).fill(0);
                }
            }
        }
        if left > 0 {
            return Err(content_changed());
        }
    }
    run.read()
}

/// Says whether an error is one of the system's, which lacks something at the moment, and not one of the file.
pub(super) fn is_transient(error: &io::Error) -> bool {
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

/// Where the rest of the blocks goes.
struct RemainingOutput<'a> {
    rest: &'a mut [u8],
}

impl<'a> RemainingOutput<'a> {
    /// Takes the first bytes off; all of them if there are fewer.
    fn take(&mut self, length: usize) -> &'a mut [u8] {
        let length = length.min(self.rest.len());
        let (place, rest) = std::mem::take(&mut self.rest).split_at_mut(length);
        self.rest = rest;
        place
    }
}

fn content_changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is not what was verified")
}

/// Bytes that follow each other in a file, and their places.
#[derive(Debug, Default)]
struct ContiguousRead<'a> {
    file: Option<Arc<File>>,
    offset: u64,
    length: u64,
    buffers: Vec<&'a mut [u8]>,
}

impl<'a> ContiguousRead<'a> {
    fn is_continued_by(&self, file: &Arc<File>, offset: u64) -> bool {
        self.file.as_ref().is_some_and(|own| Arc::ptr_eq(own, file)) && self.offset + self.length == offset
    }

    fn push(&mut self, file: Arc<File>, offset: u64, place: &'a mut [u8]) {
        if self.file.is_none() {
            (self.file, self.offset) = (Some(file), offset);
        }
        self.length += place.len() as u64;
        self.buffers.push(place);
    }

    fn read(self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        read_at(file, self.offset, self.buffers)
    }
}

/// Fills all places, one behind the other, from a file.
fn read_at(file: &File, mut offset: u64, mut places: Vec<&mut [u8]>) -> io::Result<()> {
    let mut read = read_some(file, offset, &mut places)?;
    for place in places {
        let here = read.min(place.len());
        read -= here;
        // What one call does not bring, because the kernel was disturbed or the file is shorter, is read alone.
        let rest = place.get_mut(here..).unwrap_or_default();
        read_exact_at(file, rest, offset + here as u64)?;
        offset += place.len() as u64;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn read_some(file: &File, offset: u64, places: &mut [&mut [u8]]) -> io::Result<usize> {
    let mut slices: Vec<io::IoSliceMut<'_>> =
        places.iter_mut().map(|place| io::IoSliceMut::new(place)).collect();
    Ok(rustix::io::preadv(file, &mut slices, offset)?)
}

#[cfg(not(target_os = "linux"))]
fn read_some(_file: &File, _offset: u64, _places: &mut [&mut [u8]]) -> io::Result<usize> {
    Ok(0)
}

fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    if bytes.is_empty() { Ok(()) } else { file.read_exact_at(bytes, offset) }
}
