//! Streams whose bytes another task carries, for what is not a socket of its own, such as uTP.

use std::io;
use std::net::Ipv4Addr;

use socket2::SockRef;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::PeerStream;

/// The far end of a relayed stream: what is read from it was written to the stream, and the reverse.
type RelayEnd = (OwnedReadHalf, OwnedWriteHalf);

impl PeerStream {
    /// Returns a stream whose bytes the caller relays, and the end to relay from and to. Each direction buffers about `buffer`
    /// bytes.
    ///
    /// # Errors
    ///
    /// Fails on a system error, or if another process connects first.
    pub(crate) async fn relayed(buffer: usize) -> io::Result<(Self, RelayEnd)> {
        let (local, relayed) = tcp_pair(buffer).await?;
        Ok((Self::Plain(local), relayed.into_split()))
    }
}

/// Returns the two ends of a TCP connection within this process. Each direction buffers about `buffer` bytes.
///
/// # Errors
///
/// Fails on a system error, or if another process connects first.
async fn tcp_pair(buffer: usize) -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (one, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (one, (other, from)) = (one?, accepted?);
    if from != one.local_addr()? {
        return Err(io::Error::other("another process connected to the pair"));
    }
    for end in [&one, &other] {
        end.set_nodelay(true)?;
        let socket = SockRef::from(end);
        socket.set_send_buffer_size(buffer / 2)?;
        socket.set_recv_buffer_size(buffer / 2)?;
    }
    Ok((one, other))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_written_at_one_end_are_read_at_the_other() {
        let (mut one, mut other) = tcp_pair(64 << 10).await.unwrap();
        let sent: Vec<u8> = (0..1 << 20).map(|number: u32| number.to_le_bytes()[0]).collect();
        let (written, mut received) = (sent.clone(), Vec::new());
        let (wrote, read) = tokio::join!(
            async move {
                one.write_all(&written).await?;
                one.shutdown().await
            },
            other.read_to_end(&mut received),
        );
        wrote.unwrap();
        read.unwrap();
        assert!(received == sent);
    }
}
