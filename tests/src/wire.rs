//! The native frames on a blocking socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::limits::MAX_FRAME;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, PREAMBLE_LEN, Service};

/// How long one read or write may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection behind its preambles.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    frames: FrameBuffer,
}

impl Wire {
    /// Connects to a service and exchanges preambles.
    pub fn connect(address: SocketAddr, service: Service) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        let mut wire = Self::over(stream)?;
        wire.send_raw(&preamble::encode(service))?;
        wire.expect_preamble(service)?;
        Ok(wire)
    }

    /// Accepts a connection to a peer and exchanges preambles.
    pub fn accept(stream: TcpStream) -> Result<Self> {
        let mut wire = Self::over(stream)?;
        wire.expect_preamble(Service::Peer)?;
        wire.send_raw(&preamble::encode(Service::Peer))?;
        Ok(wire)
    }

    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, frames: FrameBuffer::with_limit(MAX_FRAME) })
    }

    fn expect_preamble(&mut self, service: Service) -> Result<()> {
        let mut bytes = [0; PREAMBLE_LEN];
        self.stream.read_exact(&mut bytes).context("no preamble")?;
        Ok(preamble::check(bytes, service)?)
    }

    /// Sends one message.
    pub fn send(&mut self, message: &impl bincode::Encode) -> Result<()> {
        let mut bytes = Vec::new();
        encode_frame(message, &mut bytes)?;
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for the next message.
    pub fn receive<M: bincode::Decode<()>>(&mut self) -> Result<M> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(message) = self.frames.next_message()? {
                return Ok(message);
            }
            match self.stream.read(&mut buffer)? {
                0 => bail!("the other side closed the connection"),
                read => self.frames.extend(&buffer[..read]),
            }
        }
    }

    /// Waits for the raw bytes that a message announced.
    pub fn receive_raw(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = self.frames.take_raw(length).to_vec();
        let read = bytes.len();
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[read..])?;
        Ok(bytes)
    }

    /// Greets the peer at the other end and returns its greeting.
    pub fn greet(&mut self, node: protocol::node_id::NodeId, port: u16) -> Result<PeerMessage> {
        self.send(&PeerMessage::Hello { node, port })?;
        self.receive()
    }
}
