//! A client that sends arbitrary bytes to a port.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection without any protocol.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
}

/// The bytes received before the connection ended or the time limit passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawResponse {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// True if the other side closed or reset the connection.
    pub closed: bool,
}

impl RawClient {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).expect("a port that accepts") }
    }

    /// Sends bytes; returns false if that fails.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Closes the sending direction.
    pub fn shut_down_writing(&mut self) {
        // A broken connection is shut down as well.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads until the other side closes the connection or `limit` has passed.
    pub fn receive(&mut self, limit: Duration) -> RawResponse {
        let (end, mut bytes, mut buffer) = (Instant::now() + limit, Vec::new(), [0; 4096]);
        loop {
            let remaining = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(remaining)).expect("a timeout");
            match self.stream.read(&mut buffer) {
                Ok(0) => return RawResponse { bytes, closed: true },
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return RawResponse { bytes, closed: false };
                }
                Err(_) => return RawResponse { bytes, closed: true },
            }
            if Instant::now() >= end {
                return RawResponse { bytes, closed: false };
            }
        }
    }
}
