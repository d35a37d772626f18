use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

pub(crate) use super::tcp_options::{pace, tcp_info};

/// Returns the name of a connection's congestion control.
pub(crate) fn congestion_control(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut name = SockRef::from(stream).tcp_congestion()?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

/// Selects the congestion control of a connection.
///
/// # Errors
///
/// Fails if the system has none of this name, or does not allow it.
pub(crate) fn set_congestion_control(stream: &TcpStream, name: &[u8]) -> io::Result<()> {
    SockRef::from(stream).set_tcp_congestion(name)
}

/// Limits the unsent data in the socket, in bytes.
pub(crate) fn limit_unsent(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    SockRef::from(stream).set_tcp_notsent_lowat(bytes)
}

/// Ends the connection with an error once the peer's system has not acknowledged data for this long.
pub(crate) fn limit_unacknowledged(stream: &TcpStream, time: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(time))
}

/// Lets other programs receive datagrams on the same port.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Sends bytes of a file from the page cache, without copying them to user space. Returns the number of bytes sent, or `None` if
/// the file system does not support that.
pub(crate) fn send_file(
    stream: &TcpStream,
    file: &File,
    offset: u64,
    count: usize,
) -> io::Result<Option<usize>> {
    let mut at = offset;
    match rustix::fs::sendfile(stream, file, Some(&mut at), count) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(None),
        sent => Ok(Some(sent?)),
    }
}

/// Sends bytes to which more will be added at once, so that they do not go out in a packet of their own.
pub(crate) fn send_more(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}
