use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::super::{FileId, FileIdentity, LinkPolicy};
use super::unsupported;

/// Opens a link itself and not what it leads to (`FILE_FLAG_OPEN_REPARSE_POINT`).
const OPEN_LINK: u32 = 0x0020_0000;

/// Reads and writes at an offset. Here this moves the file's position.
pub(crate) trait FileAt {
    /// Reads some bytes at an offset; returns how many.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills a buffer from an offset.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes at an offset.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl FileAt for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.seek_read(bytes, offset)
    }

    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.seek_read(bytes, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += count as u64;
            bytes = bytes.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.seek_write(bytes, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += count as u64;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Returns what identifies a file: the standard library does not report it here.
pub(crate) fn file_id(_file: &Metadata) -> io::Result<FileId> {
    Err(unsupported())
}

/// Returns the identity of an open file: the standard library does not report it here.
pub(in crate::platform) fn file_identity(_file: &File) -> io::Result<Option<FileIdentity>> {
    Err(unsupported())
}

/// Opens a path with `options`. A link that is not to be followed is opened itself, and so is no regular file.
pub(crate) fn open_nonblocking(
    path: &Path,
    options: &mut OpenOptions,
    links: LinkPolicy,
) -> io::Result<File> {
    options.custom_flags(if links == LinkPolicy::Refuse { OPEN_LINK } else { 0 }).open(path)
}

/// Sets the permissions of a file that `options` creates. On this system a file inherits those of its folder.
pub(crate) const fn with_mode(options: &mut OpenOptions, _mode: u32) -> &mut OpenOptions {
    options
}

/// Returns the permissions of a file that other users can read or change. Files have no such permissions here.
pub(crate) const fn exposed_mode(_file: &Metadata) -> Option<u32> {
    None
}

/// Returns true if the owner may execute a file. Here its name decides.
pub(crate) const fn is_executable(_file: &Metadata) -> bool {
    false
}

/// Makes a file executable: not supported here.
pub(crate) fn make_executable(_file: &File) -> io::Result<()> {
    Err(unsupported())
}

/// Returns when a file was last modified, in seconds since 1970 and nanoseconds.
pub(crate) fn modified_time(file: &Metadata) -> (i64, i64) {
    let since = file.modified().ok().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let since = since.unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()))
}

/// Returns true if an open file without a name can be given one.
pub(crate) const fn has_descriptor_path(_file: &File) -> bool {
    false
}

/// Opens an open file once more, for writing past the page cache: not supported here.
pub(crate) fn open_direct(_file: &File) -> io::Result<File> {
    Err(unsupported())
}

/// Writes aligned slices past the page cache: not supported here.
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(crate) const fn write_direct(
    _file: &File,
    _slices: &[IoSlice<'_>],
    _offset: u64,
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Writes the first slice that is not empty at an offset; returns the number of bytes written.
pub(crate) fn write_slices_at(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let slice = slices.iter().find(|slice| !slice.is_empty());
    slice.map_or(Ok(0), |slice| file.seek_write(slice, offset))
}

/// Reads into the first slice, from an offset; returns the number of bytes read.
pub(crate) fn read_slices_at(file: &File, slices: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    slices.first_mut().map_or(Ok(0), |slice| file.seek_read(slice, offset))
}

/// Returns true unless a range of a file is known to be a hole. Holes are not reported here.
pub(crate) const fn has_data(_file: &File, _range: Range<u64>) -> bool {
    true
}

/// Returns the ranges of a file that are not known to be holes: all of it.
pub(crate) fn data_ranges(file: &File) -> Vec<Range<u64>> {
    let length = file.metadata().map_or(u64::MAX, |file| file.len());
    std::iter::once(0..length).collect()
}

/// Makes a file share the data of another one: not supported here.
pub(crate) fn reflink(_from: &File, _to: &File) -> io::Result<()> {
    Err(unsupported())
}

/// Announces that a file will be read from start to end. Without an equivalent here, this does nothing.
pub(crate) const fn advise_sequential(_file: &File) {}

/// Makes the kernel read bytes ahead; here they are read when they are needed.
pub(crate) const fn prefetch(_file: &File, _offset: u64, _length: u64) {}
