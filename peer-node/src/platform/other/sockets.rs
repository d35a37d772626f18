use std::fs::File;
use std::io;
use std::time::Duration;

use socket2::Socket;
use tokio::net::TcpStream;

use super::super::TcpInfo;
use super::unsupported;

/// Returns the kernel's measurements, which are unknown here.
pub(crate) const fn tcp_info(_stream: &TcpStream) -> Option<TcpInfo> {
    None
}

/// Makes the kernel pace the connection: not supported here.
pub(crate) fn pace(_stream: &TcpStream) -> io::Result<()> {
    Err(unsupported())
}

/// Returns the name of a connection's congestion control: not supported here.
pub(crate) fn congestion_control(_stream: &TcpStream) -> io::Result<Vec<u8>> {
    Err(unsupported())
}

/// Selects the congestion control of a connection: not supported here.
pub(crate) fn set_congestion_control(_stream: &TcpStream, _name: &[u8]) -> io::Result<()> {
    Err(unsupported())
}

/// Limits the unsent data in the socket: not supported here.
pub(crate) fn limit_unsent(_stream: &TcpStream, _bytes: u32) -> io::Result<()> {
    Err(unsupported())
}

/// Ends the connection once the peer's system has not acknowledged data for some time: unsupported.
pub(crate) fn limit_unacknowledged(_stream: &TcpStream, _time: Duration) -> io::Result<()> {
    Err(unsupported())
}

/// Lets other programs receive datagrams on the same port, which `SO_REUSEADDR` allows here.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Sends bytes of a file without copying them: not supported here, so the caller copies them.
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(crate) const fn send_file(
    _stream: &TcpStream,
    _file: &File,
    _offset: u64,
    _count: usize,
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Sends bytes to which more will be added at once.
pub(crate) fn send_more(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.try_write(bytes)
}
