//! Many at once at an index: some that greet and say nothing more, some that never come so far.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use protocol::preamble::{self, Service, Version};

/// A connection that takes its time.
#[derive(Debug)]
pub struct SlowClient {
    stream: TcpStream,
    /// What is still to be said, one byte at a time; nothing for one that says nothing.
    unsent: Vec<u8>,
}

impl SlowClient {
    /// Connects; every second one says nothing at all.
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

    /// Says the next byte, if there is one; says whether the index has not closed the connection.
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

/// How long each of many things took.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Does something and counts how long it takes.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.0.push(begun.elapsed());
        done
    }

    /// Returns how many were counted.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the time that so many in a hundred took no longer than.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        self.0
            .get((self.0.len() * percent / 100).min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}
