//! Sends bytes of a file to a socket.

use std::fs::File;
use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::platform::{self, FileAt};

/// Maximum number of bytes per call, so that one upload does not occupy a runtime thread.
pub(crate) const MAX_SEND: usize = 256 << 10;

/// Sends up to `length` bytes (at most [`MAX_SEND`]) at `offset` of `file`. Returns the number sent, which is at least 1.
///
/// With `sendfile`, the bytes go from the page cache to the socket without being copied to user space. Cancel safe: bytes
/// that were not counted were not sent.
pub(super) async fn send_some(
    stream: &TcpStream,
    file: &File,
    offset: u64,
    length: usize,
) -> io::Result<usize> {
    let sent = stream.async_io(Interest::WRITABLE, || transfer(stream, file, offset, length)).await?;
    if sent == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was truncated"));
    }
    Ok(sent)
}

fn transfer(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    match platform::send_file(stream, file, offset, count)? {
        Some(sent) => Ok(sent),
        None => copy(stream, file, offset, count),
    }
}

/// Sends bytes through a buffer of this process.
fn copy(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    let mut bytes = vec![0; count.min(64 << 10)];
    let read = file.read_at(&mut bytes, offset)?;
    let bytes = bytes.get(..read).unwrap_or_default();
    if bytes.is_empty() { Ok(0) } else { stream.try_write(bytes) }
}
