//! The halves of a connection, for a task that reads and one that writes.

use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::platform::send_more;
use crate::transport::send_file::send_some;
use crate::transport::tuning::SocketTuner;

/// The reading half of a [`PeerStream`](super::PeerStream).
#[derive(Debug)]
pub(crate) enum PeerReadHalf {
    Plain(OwnedReadHalf),
}

/// The writing half of a [`PeerStream`](super::PeerStream). Dropping it ends the stream toward the peer.
#[derive(Debug)]
pub(crate) struct PeerWriteHalf {
    sink: WriteSink,
    tuner: SocketTuner,
}

#[derive(Debug)]
enum WriteSink {
    Plain(OwnedWriteHalf),
}

impl PeerWriteHalf {
    pub(super) const fn plain(write_half: OwnedWriteHalf, tuner: SocketTuner) -> Self {
        Self { sink: WriteSink::Plain(write_half), tuner }
    }

    /// Sends up to `length` bytes at `offset` of `file`, at most [`MAX_SEND`](crate::transport::MAX_SEND) per call. Returns
    /// the number sent, which is at least 1. On a plain stream the bytes go from the page cache to the socket. Cancel safe:
    /// bytes that were not counted were not sent.
    ///
    /// # Errors
    ///
    /// Returns the system's error, or [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub(crate) async fn send_file(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
        let WriteSink::Plain(write_half) = &self.sink;
        let count = send_some(write_half.as_ref(), file, offset, length).await?;
        self.tuner.sent(write_half.as_ref(), count);
        Ok(count)
    }

    /// Writes all of `bytes`, which more bytes follow at once, so that they do not leave in a packet of their own. If the
    /// future is dropped, an unknown part has been sent.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub(crate) async fn write_all_corked(&mut self, bytes: &[u8]) -> io::Result<()> {
        let WriteSink::Plain(write_half) = &self.sink;
        let stream: &TcpStream = write_half.as_ref();
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = stream.async_io(Interest::WRITABLE, || send_more(stream, rest)).await?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}

impl AsyncRead for PeerReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self::Plain(read_half) = self.get_mut();
        Pin::new(read_half).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerWriteHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { sink: WriteSink::Plain(write_half), tuner } = self.get_mut();
        let count = ready!(Pin::new(&mut *write_half).poll_write(context, bytes))?;
        tuner.sent(write_half.as_ref(), count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { sink: WriteSink::Plain(write_half), tuner } = self.get_mut();
        let count = ready!(Pin::new(&mut *write_half).poll_write_vectored(context, parts))?;
        tuner.sent(write_half.as_ref(), count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        let WriteSink::Plain(write_half) = &self.sink;
        write_half.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let WriteSink::Plain(write_half) = &mut self.get_mut().sink;
        Pin::new(write_half).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let WriteSink::Plain(write_half) = &mut self.get_mut().sink;
        Pin::new(write_half).poll_shutdown(context)
    }
}
