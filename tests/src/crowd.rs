//! Many simultaneous clients of an index: some send a preamble and nothing more, some not even that.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use protocol::preamble::{self, Service, Version};

/// A connection that sends slowly or not at all.
#[derive(Debug)]
pub struct SlowClient {
    stream: TcpStream,
    /// The bytes still to send, one at a time; empty for a silent connection.
    unsent: Vec<u8>,
}

impl SlowClient {
    /// Connects; every second client is silent.
    pub fn connect(index: SocketAddr, number: usize) -> Self {
        let stream = TcpStream::connect(index).expect("a port that accepts");
        stream.set_nonblocking(true).expect("a socket");
        let mut rest = preamble::encode(Service::Index, Version::One).to_vec();
        rest.extend([0, 0, 3, 0xff]);
        rest.reverse();
        if number.is_multiple_of(2) {
            rest.clear();
        }
        Self { stream, unsent: rest }
    }

    /// Sends the next byte, if any. Returns false if the index has closed the connection.
    pub fn send_next_byte(&mut self) -> bool {
        if let Some(byte) = self.unsent.pop()
            && self.stream.write(&[byte]).is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
        {
            return false;
        }
        let mut bytes = [0; 64];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Durations of a repeated operation.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Runs `work` and records its duration.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0.push(start.elapsed());
        done
    }

    /// Returns the number of samples.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns a percentile of the durations.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        self.0
            .get((self.0.len() * percent / 100).min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}
