//! A peer of a configured swarm that says what a story wants, byte for byte; it shares no code with the program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::eventually::{DEFAULT_TIMEOUT, poll_within};

/// The numbers of the messages.
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

/// A message: its number and what follows.
pub type NeighbourMessage = (u8, Vec<u8>);

/// A connection of that peer.
#[derive(Debug)]
pub struct RawNeighbour {
    stream: TcpStream,
    /// What the length counts besides what follows the number: 1 if it counts that as well.
    length_excess: u32,
}

impl RawNeighbour {
    /// Connects to a port, as soon as anybody listens there.
    pub fn connect(port: u16, exclusive: bool) -> Self {
        let connected = poll_within(DEFAULT_TIMEOUT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self::from_stream(connected.expect("a port that accepts"), exclusive)
    }

    /// Waits for a connection.
    pub fn accept(listener: &TcpListener, exclusive: bool) -> Self {
        listener.set_nonblocking(true).expect("a listener");
        let accepted =
            poll_within(DEFAULT_TIMEOUT, || listener.accept().ok()).expect("somebody who connects").0;
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

    /// Reads 32 bytes, which must be a handshake; returns whose.
    pub fn read_handshake(&mut self) -> u32 {
        let mut bytes = [0; 32];
        self.stream.read_exact(&mut bytes).expect("a handshake");
        assert_eq!(&bytes[..28], b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\0");
        u32::from_be_bytes(bytes[28..].try_into().expect("four bytes"))
    }

    /// Sends bytes as they are. That the other side does not take them may be what a story waits for.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a message.
    pub fn send(&mut self, kind: u8, body: &[u8]) {
        let length = u32::try_from(body.len()).expect("a short message") + self.length_excess;
        self.send_raw(&[&length.to_be_bytes(), [kind].as_slice(), body].concat());
    }

    /// Waits for the next message; none if the connection is over.
    pub fn receive(&mut self) -> Option<NeighbourMessage> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) - self.length_excess;
        assert!(length < 1 << 20, "a message of {length} bytes");
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[4], body))
    }

    /// Waits for the next message, which must be that one.
    pub fn expect(&mut self, kind: u8, body: &[u8]) {
        assert_eq!(self.receive(), Some((kind, body.to_vec())));
    }

    /// Says whether nothing at all comes for a moment.
    pub fn is_silent(&mut self, moment: Duration) -> bool {
        self.stream.set_read_timeout(Some(moment)).expect("a timeout");
        let silent = self.stream.peek(&mut [0]).is_err();
        self.stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
        silent
    }

    /// Waits until the other side ends the connection, whatever it says before.
    pub fn wait_for_close(mut self) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        let is_timeout = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!read.is_err_and(is_timeout), "the connection goes on");
    }

    /// Waits until the other side ends the connection while this one does not.
    pub fn wait_for_disconnect(mut self) {
        while let Some((kind, _)) = self.receive() {
            assert!(kind <= kind::DONE, "a message that is none");
        }
        let is_open =
            self.stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_open, "the connection goes on");
    }
}

/// Returns the 32 bytes of a handshake.
pub fn handshake(id: u32) -> Vec<u8> {
    [b"P2PFILESHARINGPROJ\0\0\0\0\0\0\0\0\0\0".as_slice(), &id.to_be_bytes()].concat()
}
