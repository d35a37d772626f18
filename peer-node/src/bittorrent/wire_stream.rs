use std::io;

use protocol::bittorrent::mse::{Ciphers, Established};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::transport::PeerStream;

/// A connection before it is split into halves: optionally encrypted, with bytes received but not read yet.
#[derive(Debug)]
pub(super) struct WireStream {
    pub(super) stream: PeerStream,
    pub(super) ciphers: Option<Box<Ciphers>>,
    /// Received bytes, decrypted.
    pub(super) received: Vec<u8>,
    had_key_exchange: bool,
}

impl WireStream {
    /// Wraps a connection without a key exchange; `received` was read already.
    pub(super) fn without_key_exchange(stream: PeerStream, received: &[u8]) -> Self {
        Self { stream, ciphers: None, received: received.to_vec(), had_key_exchange: false }
    }

    /// Wraps a connection after a key exchange.
    pub(super) fn from_key_exchange(stream: PeerStream, established: Established) -> Self {
        let Established { ciphers, received } = established;
        Self { stream, ciphers, received, had_key_exchange: true }
    }

    /// Returns the encryption of the connection, for logs.
    pub(super) const fn encryption(&self) -> &'static str {
        match (&self.ciphers, self.had_key_exchange) {
            (Some(_), _) => "rc4",
            (None, true) => "handshake",
            (None, false) => "none",
        }
    }

    /// Fills `bytes`. After an error or if the future is dropped, the connection is unusable.
    pub(super) async fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let count = self.received.len().min(bytes.len());
        let (buffered, missing) = bytes.split_at_mut(count);
        for (target, byte) in buffered.iter_mut().zip(self.received.drain(..count)) {
            *target = byte;
        }
        self.stream.read_exact(missing).await?;
        if let Some(ciphers) = &mut self.ciphers {
            ciphers.incoming.apply(missing);
        }
        Ok(())
    }

    /// Writes `bytes`. After an error or if the future is dropped, the connection is unusable.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(ciphers) = &mut self.ciphers else { return self.stream.write_all(bytes).await };
        let mut encrypted = bytes.to_vec();
        ciphers.outgoing.apply(&mut encrypted);
        self.stream.write_all(&encrypted).await
    }
}
