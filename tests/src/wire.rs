//! Native frames on a blocking socket.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use protocol::features::PeerFeatures;
use protocol::frame::{FrameBuffer, encode_frame};
use protocol::limits::MAX_FRAME;
use protocol::node_id::NodeId;
use protocol::peer::PeerMessage;
use protocol::preamble::{self, PREAMBLE_LEN, Service, Version};
use socket2::{Domain, Socket, Type};

/// Time limit of one read or write.
const IO_TIMEOUT: Duration = Duration::from_mins(1);

/// Connects from an address of this machine without sending anything.
pub fn connect_stream_from(from: IpAddr, address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&address.into(), IO_TIMEOUT).context("cannot connect")?;
    Ok(socket.into())
}

/// A connection after the exchange of preambles.
#[derive(Debug)]
pub struct FrameConnection {
    version: Version,
    stream: TcpStream,
    frames: FrameBuffer,
}

impl FrameConnection {
    /// Connects to a service and exchanges preambles of version 1.
    pub fn connect(address: SocketAddr, service: Service) -> Result<Self> {
        Self::connect_version(address, service, Version::One)
    }

    /// Connects to a service and exchanges preambles.
    pub fn connect_version(address: SocketAddr, service: Service, version: Version) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, IO_TIMEOUT).context("cannot connect")?;
        Self::exchange_preambles(stream, service, version)
    }

    /// Connects to a peer from an address of this machine and exchanges preambles of version 1.
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> Result<Self> {
        Self::connect_service_from(from, address, (Service::Peer, Version::One))
    }

    /// Connects to a service from an address of this machine and exchanges preambles.
    pub fn connect_service_from(
        from: IpAddr,
        address: SocketAddr,
        (service, version): (Service, Version),
    ) -> Result<Self> {
        Self::exchange_preambles(connect_stream_from(from, address)?, service, version)
    }

    fn exchange_preambles(stream: TcpStream, service: Service, version: Version) -> Result<Self> {
        let mut wire = Self::from_stream(stream, version)?;
        wire.send_raw(&preamble::encode(service, version))?;
        let answered = wire.expect_preamble(service)?;
        ensure!(answered == version, "sent {version:?}, received {answered:?}");
        Ok(wire)
    }

    /// Returns the socket.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Accepts a connection to a peer and exchanges preambles, in the client's version.
    pub fn accept(stream: TcpStream) -> Result<Self> {
        Self::accept_as(Service::Peer, stream)
    }

    /// Accepts a connection to a service and exchanges preambles, in the client's version.
    pub fn accept_as(service: Service, stream: TcpStream) -> Result<Self> {
        let mut wire = Self::from_stream(stream, Version::LATEST)?;
        wire.version = wire.expect_preamble(service)?;
        wire.send_raw(&preamble::encode(service, wire.version))?;
        Ok(wire)
    }

    fn from_stream(stream: TcpStream, version: Version) -> Result<Self> {
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { version, stream, frames: FrameBuffer::with_limit(MAX_FRAME) })
    }

    fn expect_preamble(&mut self, service: Service) -> Result<Version> {
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

    /// Sends raw bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Receives the next message.
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

    /// Receives the raw bytes that a message announced.
    pub fn receive_raw(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = self.frames.take_raw(length).to_vec();
        let read = bytes.len();
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[read..])?;
        Ok(bytes)
    }

    /// Exchanges greetings with the peer and returns its greeting.
    pub fn greet(&mut self, node: NodeId, port: u16) -> Result<PeerMessage> {
        self.send_greeting(node, port)?;
        self.receive()
    }

    /// Sends a greeting in the connection's version, without any features.
    pub fn send_greeting(&mut self, node: NodeId, port: u16) -> Result<()> {
        self.send(&match self.version {
            Version::One => PeerMessage::Hello { node, port },
            Version::Two => PeerMessage::Greet { node, port, features: PeerFeatures::NONE },
        })
    }
}
