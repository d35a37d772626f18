//! Bytes from a file to a socket.

use std::fs::File;
use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

/// The most bytes handed to the socket at a time, so that one upload does not keep a runtime thread from the others.
pub(crate) const MAX_SEND: usize = 256 << 10;

/// Sends some of the `length` bytes (a [`MAX_SEND`] at most) at `offset` of `file`, at least one, and returns how many.
///
/// Where the platform has `sendfile`, they go from the page cache to the socket without passing through this program.
/// Cancel safe: what was not counted was not sent.
pub(crate) async fn send_some(
    stream: &TcpStream,
    file: &File,
    offset: u64,
    length: usize,
) -> io::Result<usize> {
    let sent = stream.async_io(Interest::WRITABLE, || transfer(stream, file, offset, length)).await?;
    if sent == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
    }
    Ok(sent)
}

/// Tells the kernel which bytes of the file will be sent soon, so that they are in memory by then.
pub(crate) fn prefetch(file: &File, offset: u64, length: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Advice, fadvise};
        // Advice only: if it is not taken, the bytes are read when they are sent.
        let _ = fadvise(file, offset, std::num::NonZero::new(length), Advice::WillNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, length);
}

#[cfg(target_os = "linux")]
fn transfer(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    use rustix::io::Errno;
    let mut at = offset;
    match rustix::fs::sendfile(stream, file, Some(&mut at), count) {
        // Not every file system has a way to a socket.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => copy(stream, file, offset, count),
        sent => Ok(sent?),
    }
}

#[cfg(not(target_os = "linux"))]
fn transfer(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    copy(stream, file, offset, count)
}

/// Sends bytes by way of this program.
fn copy(stream: &TcpStream, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; count.min(64 << 10)];
    let read = file.read_at(&mut bytes, offset)?;
    let bytes = bytes.get(..read).unwrap_or_default();
    if bytes.is_empty() { Ok(0) } else { stream.try_write(bytes) }
}
