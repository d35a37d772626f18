use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::{ChunkName, encode_request};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::Settings;
use super::folder::STRIDE;
use super::fresh::Fresh;

/// How long somebody may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long may nothing come.
const SILENCE: Duration = Duration::from_secs(20);

/// Who sends less than so many bytes in so long is left.
const SLOWEST: (u64, Duration) = (30 << 10, Duration::from_secs(30));

/// Why somebody did not give a chunk.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it does not answer: {0}")]
    Connect(io::Error),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it has not got it")]
    HasNot,
    #[error("nothing came for {} s", SILENCE.as_secs())]
    Silent,
    #[error("it sends too slowly")]
    TooSlow,
    #[error("it sends more than {0} bytes (--max-size)")]
    TooMuch(u64),
    #[error("what it sent is not what it announced")]
    WrongDigest,
    /// Nobody else could do better.
    #[error("cannot write {}: {source}", path.display())]
    Own { path: PathBuf, source: io::Error },
}

/// What was fetched.
pub(super) struct Fetched {
    pub(super) bytes: u64,
    pub(super) is_verified: bool,
}

/// Fetches a chunk into a fresh file, reading to the end of the stream. With a digest it must match.
pub(super) async fn fetch(
    settings: &Settings,
    (chunk, from): (&ChunkName, IpAddr),
    announced: Option<Digest>,
    most: u64,
    to: &Fresh,
) -> Result<Fetched, FetchError> {
    let address = SocketAddr::new(from, settings.chunk_port);
    let connecting = tokio::time::timeout(CONNECT, connect(settings, address)).await;
    let mut stream =
        connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(FetchError::Connect)?;
    let own = |source| FetchError::Own { path: to.path().to_owned(), source };
    stream.write_all(&encode_request(chunk)).await.map_err(FetchError::Broken)?;
    let mut sink = Sink::new(to).map_err(own)?;
    let (mut bytes, mut begun) = (0_u64, (Instant::now(), 0_u64));
    loop {
        sink.buffer.reserve(STRIDE.saturating_sub(sink.buffer.len()));
        let read = tokio::time::timeout(SILENCE, stream.read_buf(&mut sink.buffer)).await;
        let count = read.map_err(|_| FetchError::Silent)?.map_err(FetchError::Broken)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        if bytes > most {
            return Err(FetchError::TooMuch(most));
        }
        if begun.0.elapsed() >= SLOWEST.1 {
            if bytes - begun.1 < SLOWEST.0 {
                return Err(FetchError::TooSlow);
            }
            begun = (Instant::now(), bytes);
        }
        if sink.buffer.len() >= STRIDE {
            sink = sink.drained().await.map_err(own)?;
        }
    }
    if bytes == 0 {
        return Err(FetchError::HasNot);
    }
    let digest = sink.finish().await.map_err(own)?;
    if announced.is_some_and(|announced| announced != digest) {
        return Err(FetchError::WrongDigest);
    }
    Ok(Fetched { bytes, is_verified: announced.is_some() })
}

async fn connect(settings: &Settings, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv4() && !settings.host.is_unspecified() {
        socket.bind(SocketAddr::new(settings.host.into(), 0))?;
    }
    socket.connect(address).await
}

/// Where a chunk is written and hashed, on blocking threads.
struct Sink {
    file: File,
    hasher: Sha256,
    buffer: Vec<u8>,
}

impl Sink {
    fn new(fresh: &Fresh) -> io::Result<Self> {
        Ok(Self { file: fresh.create()?, hasher: Sha256::new(), buffer: Vec::new() })
    }

    fn drain(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    async fn drained(mut self) -> io::Result<Self> {
        let drained = tokio::task::spawn_blocking(move || self.drain().map(|()| self)).await;
        drained.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn finish(mut self) -> io::Result<Digest> {
        let finished = tokio::task::spawn_blocking(move || {
            self.drain()?;
            self.file.sync_all()?;
            Ok(Digest::from_bytes(self.hasher.finalize().into()))
        });
        finished.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
