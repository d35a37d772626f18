//! A scripted peer of a configured swarm that sends exact bytes. It shares no code with the program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};

/// Message numbers.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of the dialect")]
    pub const CHOKE: u8 = 0;
    pub const UNCHOKE: u8 = 1;
    pub const INTERESTED: u8 = 2;
    pub const NOT_INTERESTED: u8 = 3;
    pub const HAVE: u8 = 4;
    pub const BITFIELD: u8 = 5;
    pub const REQUEST: u8 = 6;
    pub const PIECE: u8 = 7;
    pub const DONE: u8 = 8;
}

/// A message: its number and its body.
pub type NeighbourMessage = (u8, Vec<u8>);

/// A connection of the scripted peer.
#[derive(Debug)]
pub struct RawNeighbour {
    stream: TcpStream,
    /// Bytes that the length counts in addition to the body: 1 if it includes the message number.
    length_excess: u32,
}

impl RawNeighbour {
    /// Connects to a port as soon as a program listens on it.
    pub fn connect(port: u16, exclusive: bool) -> Self {
        let connected = poll_within(DEFAULT_TIMEOUT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self::from_stream(connected.expect("a port that accepts"), exclusive)
    }

    /// Accepts a connection.
    pub fn accept(listener: &TcpListener, exclusive: bool) -> Self {
        listener.set_nonblocking(true).expect("a listener");
        let accepted =
            poll_within(DEFAULT_TIMEOUT, || listener.accept().ok()).expect("an incoming connection").0;
        accepted.set_nonblocking(false).expect("a connection");
        Self::from_stream(accepted, exclusive)
    }

    fn from_stream(stream: TcpStream, exclusive: bool) -> Self {
        stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("a connection");
        Self { stream, length_excess: u32::from(!exclusive) }
    }

    /// Sends a handshake.
    pub fn send_handshake(&mut self, id: u32) {
        self.send_raw(&handshake(id));
    }

    /// Reads 32 bytes, which must be a handshake. Returns the peer's id.
    pub fn read_handshake(&mut self) -> u32 {
        let mut bytes = [0; 32];
        self.stream.read_exact(&mut bytes).expect("a handshake");
        assert_eq!(&bytes[..28], b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\0");
        u32::from_be_bytes(bytes[28..].try_into().expect("four bytes"))
    }

    /// Sends raw bytes. Errors are ignored, since a story may expect the other side to disconnect.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a message.
    pub fn send(&mut self, kind: u8, body: &[u8]) {
        let length = u32::try_from(body.len()).expect("a short message") + self.length_excess;
        self.send_raw(&[&length.to_be_bytes(), [kind].as_slice(), body].concat());
    }

    /// Receives the next message, or `None` if the connection has ended.
    pub fn receive(&mut self) -> Option<NeighbourMessage> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) - self.length_excess;
        assert!(length < 1 << 20, "a message of {length} bytes");
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[4], body))
    }

    /// Receives the next message, which must be the given one.
    pub fn expect(&mut self, kind: u8, body: &[u8]) {
        assert_eq!(self.receive(), Some((kind, body.to_vec())));
    }

    /// Returns true if nothing arrives within `moment`.
    pub fn is_silent(&mut self, moment: Duration) -> bool {
        self.stream.set_read_timeout(Some(moment)).expect("a timeout");
        let silent = self.stream.peek(&mut [0]).is_err();
        self.stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
        silent
    }

    /// Waits until the other side closes the connection, and ignores what it sends before.
    pub fn wait_for_close(mut self) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        let is_timeout = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!read.is_err_and(is_timeout), "the connection is still open");
    }

    /// Waits until the other side closes the connection while this side keeps it open.
    pub fn wait_for_disconnect(mut self) {
        while let Some((kind, _)) = self.receive() {
            assert!(kind <= kind::DONE, "unexpected message number {kind}");
        }
        let is_open =
            self.stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_open, "the connection is still open");
    }
}

/// Returns the 32 bytes of a handshake.
pub fn handshake(id: u32) -> Vec<u8> {
    [b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\0".as_slice(), &id.to_be_bytes()].concat()
}
