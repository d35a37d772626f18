//! Reads blocks with their message heads into one buffer, so that many small blocks cost one read and one write.

use std::fs::File;
use std::io;
use std::sync::Arc;

use protocol::bittorrent::block_head;
use protocol::geometry::Block;

use super::offering::{BlockSegment, TorrentOffering};
use crate::platform::{FileAt, read_slices_at};

/// Appends blocks with their heads to `out`. On an error `out` is unchanged; a changed file is an error.
pub(super) fn read_blocks(offering: &TorrentOffering, blocks: &[Block], out: &mut Vec<u8>) -> io::Result<()> {
    let before = out.len();
    let result = try_read_blocks(offering, blocks, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn try_read_blocks(offering: &TorrentOffering, blocks: &[Block], out: &mut Vec<u8>) -> io::Result<()> {
    let begin = out.len();
    let length: usize = blocks.iter().map(|block| 13 + block.length as usize).sum();
    out.resize(begin + length, 0);
    let mut output = RemainingOutput { rest: out.get_mut(begin..).unwrap_or_default() };
    let mut run = ContiguousRead::default();
    for block in blocks {
        output.take(13).copy_from_slice(&block_head((*block).into()));
        let mut missing = block.length as usize;
        for segment in offering.segments(*block)?.ok_or_else(content_changed)? {
            match segment {
                BlockSegment::File { file, offset, length } => {
                    missing = missing.checked_sub(length).ok_or_else(content_changed)?;
                    let buffer = output.take(length);
                    // Segments that follow each other in one file are read together.
                    if !run.is_continued_by(&file, offset) {
                        std::mem::take(&mut run).read()?;
                    }
                    run.push(file, offset, buffer);
                }
                BlockSegment::Zeros { length } => {
                    missing = missing.checked_sub(length).ok_or_else(content_changed)?;
                    output.take(length).fill(0);
                }
            }
        }
        if missing > 0 {
            return Err(content_changed());
        }
    }
    run.read()
}

/// The unfilled rest of the output buffer.
struct RemainingOutput<'a> {
    rest: &'a mut [u8],
}

impl<'a> RemainingOutput<'a> {
    /// Splits off the first `length` bytes, or all if there are fewer.
    fn take(&mut self, length: usize) -> &'a mut [u8] {
        let length = length.min(self.rest.len());
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(length);
        self.rest = rest;
        taken
    }
}

fn content_changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file has changed since it was verified")
}

/// A contiguous range of a file, and the buffers it is read into.
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

    fn push(&mut self, file: Arc<File>, offset: u64, buffer: &'a mut [u8]) {
        if self.file.is_none() {
            (self.file, self.offset) = (Some(file), offset);
        }
        self.length += buffer.len() as u64;
        self.buffers.push(buffer);
    }

    fn read(self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        read_at(file, self.offset, self.buffers)
    }
}

/// Fills all buffers, in order, from a file.
fn read_at(file: &File, mut offset: u64, mut buffers: Vec<&mut [u8]>) -> io::Result<()> {
    let mut read = read_some(file, offset, &mut buffers)?;
    for buffer in buffers {
        let filled = read.min(buffer.len());
        read -= filled;
        // Read what the vectored call did not return: it was interrupted, or the file is shorter.
        let rest = buffer.get_mut(filled..).unwrap_or_default();
        read_exact_at(file, rest, offset + filled as u64)?;
        offset += buffer.len() as u64;
    }
    Ok(())
}

fn read_some(file: &File, offset: u64, buffers: &mut [&mut [u8]]) -> io::Result<usize> {
    let mut slices: Vec<io::IoSliceMut<'_>> =
        buffers.iter_mut().map(|buffer| io::IoSliceMut::new(buffer)).collect();
    read_slices_at(file, &mut slices, offset)
}

fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    if bytes.is_empty() { Ok(()) } else { file.read_exact_at(bytes, offset) }
}
