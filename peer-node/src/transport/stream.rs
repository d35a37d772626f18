//! The connection to a peer, whatever carries its bytes. Dialects read, write and send files through it and name no socket.

mod halves;
mod relay;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, ToSocketAddrs};

use super::tuning::{PathGauge, SocketTuner, shrink_receive_buffer};
use crate::source_address::SourceAddress;
pub(crate) use halves::{PeerReadHalf, PeerWriteHalf};

/// A connection to a peer. It is an enum rather than a trait object, so that the data path has no indirect call; another kind
/// of stream, such as an encrypted one, is another variant here and of the halves.
#[derive(Debug)]
pub(crate) enum PeerStream {
    /// TCP, or uTP that is relayed through TCP within the process (see `relay.rs`).
    Plain(TcpStream),
}

impl PeerStream {
    /// Connects to `address` within `limit`.
    ///
    /// # Errors
    ///
    /// Returns the system's error, or [`io::ErrorKind::TimedOut`].
    pub(crate) async fn connect(
        source: SourceAddress,
        address: SocketAddr,
        limit: Duration,
    ) -> io::Result<Self> {
        within(limit, source.connect(address)).await
    }

    /// Connects to the first address of a host that accepts, within `limit`, which includes the resolution of the name.
    ///
    /// # Errors
    ///
    /// Returns the system's error, or [`io::ErrorKind::TimedOut`].
    pub(crate) async fn connect_host(host: impl ToSocketAddrs, limit: Duration) -> io::Result<Self> {
        within(limit, TcpStream::connect(host)).await
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// Fails if the connection is closed already.
    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        let Self::Plain(stream) = self;
        stream.peer_addr()
    }

    /// Makes small writes leave at once. [`Self::split`] does this too; a handshake needs it earlier.
    ///
    /// # Errors
    ///
    /// Returns the system's error, which callers may ignore: the setting is an optimization.
    pub(crate) fn send_at_once(&self) -> io::Result<()> {
        let Self::Plain(stream) = self;
        stream.set_nodelay(true)
    }

    /// Shrinks the receive buffer if the peer is on this machine.
    pub(crate) fn shrink_receive_buffer(&self, peer: IpAddr) {
        let Self::Plain(stream) = self;
        shrink_receive_buffer(stream, peer);
    }

    /// Configures the connection to `peer` and splits it, so that two tasks can use it. The writing half adapts the socket to
    /// the measurements of its path, and publishes these in `gauge`.
    pub(crate) fn split(self, peer: IpAddr, gauge: Arc<PathGauge>) -> (PeerReadHalf, PeerWriteHalf) {
        let Self::Plain(stream) = self;
        let tuner = SocketTuner::begin(&stream, peer, gauge);
        let (read_half, write_half) = stream.into_split();
        (PeerReadHalf::Plain(read_half), PeerWriteHalf::plain(write_half, tuner))
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self.get_mut();
        Pin::new(stream).poll_shutdown(context)
    }
}

async fn within(
    limit: Duration,
    connecting: impl Future<Output = io::Result<TcpStream>>,
) -> io::Result<PeerStream> {
    let connected = tokio::time::timeout(limit, connecting).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(PeerStream::Plain)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{IoSlice, Write};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (PeerStream, PeerStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dialling = PeerStream::connect(SourceAddress::default(), address, Duration::from_secs(10));
        let (dialled, accepted) = tokio::join!(dialling, listener.accept());
        (dialled.unwrap(), PeerStream::Plain(accepted.unwrap().0))
    }

    #[tokio::test]
    async fn bytes_and_files_arrive_in_the_order_written() {
        let (near, mut far) = pair().await;
        let peer = near.peer_address().unwrap().ip();
        let content: Vec<u8> = (0..400_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let sending = async move {
            let (_read_half, mut write_half) = near.split(peer, Arc::default());
            write_half.write_all_corked(b"head").await.unwrap();
            let mut sent = 0;
            while sent < content.len() {
                sent += send(&mut write_half, &file, sent, content.len() - sent).await;
            }
            let parts = [IoSlice::new(b"ta"), IoSlice::new(b"il")];
            assert!(write_half.is_write_vectored());
            assert_eq!(write_half.write_vectored(&parts).await.unwrap(), 4);
            write_half.shutdown().await.unwrap();
            content
        };
        let mut received = Vec::new();
        let (content, read) = tokio::join!(sending, far.read_to_end(&mut received));
        read.unwrap();
        assert!(received == [b"head", &content[..], b"tail"].concat());
    }

    async fn send(write_half: &mut PeerWriteHalf, file: &File, offset: usize, length: usize) -> usize {
        write_half.send_file(file, offset as u64, length).await.unwrap()
    }

    #[tokio::test]
    async fn truncated_file_is_an_error() {
        let (near, _far) = pair().await;
        let (_read_half, mut write_half) = near.split([127, 0, 0, 1].into(), Arc::default());
        let error = write_half.send_file(&tempfile::tempfile().unwrap(), 0, 10).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
