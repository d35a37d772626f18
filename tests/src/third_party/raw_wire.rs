use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use protocol::infohash::Infohash;

/// Time limit of one read or write.
const IO_TIMEOUT: Duration = Duration::from_mins(2);

/// Longer than any expected message.
const MAX_MESSAGE_LENGTH: usize = 1 << 20;

/// A raw BitTorrent connection.
#[derive(Debug)]
pub struct RawWire {
    stream: TcpStream,
}

/// A message with its number. A keep-alive has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// The number.
    pub id: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl RawMessage {
    /// Returns the payload as 32-bit numbers.
    pub fn numbers(&self) -> Vec<u32> {
        let words = self.payload.as_chunks().0;
        words.iter().map(|word: &[u8; 4]| u32::from_be_bytes(*word)).collect()
    }
}

impl RawWire {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Self::from_stream(TcpStream::connect_timeout(&address, IO_TIMEOUT)?)
    }

    /// Wraps an open connection.
    pub fn from_stream(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Returns the handshake of a peer that supports only BEP 3.
    pub fn handshake(infohash: Infohash, peer_id: [u8; 20]) -> Vec<u8> {
        [b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".as_slice(), infohash.as_bytes(), &peer_id].concat()
    }

    /// Reads a handshake and returns its infohash and peer id.
    pub fn read_handshake(&mut self) -> Result<(Infohash, [u8; 20])> {
        let mut bytes = [0; 68];
        self.stream.read_exact(&mut bytes)?;
        ensure!(bytes.starts_with(b"\x13BitTorrent protocol"), "another protocol");
        let infohash = Infohash::from_bytes(bytes[28..48].try_into()?);
        Ok((infohash, bytes[48..].try_into()?))
    }

    /// Sends raw bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a message.
    pub fn send(&mut self, id: u8, payload: &[u8]) -> Result<()> {
        self.send_raw(&message(id, payload))
    }

    /// Returns true if only keep-alives arrive within `time`.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut head = [0; 4];
        let is_quiet = loop {
            let remaining = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(remaining)).expect("a positive duration");
            match self.stream.peek(&mut head) {
                Err(_) => break true,
                Ok(4) if head == [0; 4] => {
                    self.stream.read_exact(&mut head).expect("the bytes that were peeked");
                }
                Ok(_) => break false,
            }
        };
        self.stream.set_read_timeout(Some(IO_TIMEOUT)).expect("as above");
        is_quiet
    }

    /// Receives the next message, skipping keep-alives. Returns an error when the connection ends.
    pub fn receive(&mut self) -> Result<RawMessage> {
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes(head) as usize;
            ensure!(length <= MAX_MESSAGE_LENGTH, "the message has {length} bytes");
            if length > 0 {
                let mut bytes = vec![0; length];
                self.stream.read_exact(&mut bytes)?;
                return Ok(RawMessage { id: bytes[0], payload: bytes.split_off(1) });
            }
        }
    }
}

/// Encodes a message.
pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).expect("a short message");
    [&length.to_be_bytes(), [id].as_slice(), payload].concat()
}
