use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::{ChunkName, LengthRule, ReplyContent, ReplyError, ReplyScanner, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::folder::STRIDE;
use super::fresh::Fresh;
use super::sink::{Sink, decode};
use super::{ChunkFolder, Settings};

/// How long somebody may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long may nothing come.
const SILENCE: Duration = Duration::from_secs(20);

/// How long to wait for more after a whole JSON object: some programs leave the connection open behind it.
const AFTER_OBJECT: Duration = Duration::from_secs(2);

/// Who sends less than so many bytes in so long is left.
const SLOWEST: (u64, Duration) = (30 << 10, Duration::from_secs(30));

/// What stands in a JSON reply besides the chunk, in bytes.
const MAX_AROUND: u64 = 4 << 10;

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
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// Nobody else could do better.
    #[error("cannot write {}: {source}", path.display())]
    Own { path: PathBuf, source: io::Error },
}

impl FetchError {
    fn own(at: &Fresh) -> impl Fn(io::Error) -> Self + use<> {
        let path = at.path().to_owned();
        move |source| Self::Own { path: path.clone(), source }
    }
}

/// A chunk to be fetched from somebody, and what is known of it.
pub(super) struct Wish<'a> {
    pub(super) chunk: &'a ChunkName,
    pub(super) from: IpAddr,
    /// What the source has announced.
    pub(super) digest: Option<Digest>,
    pub(super) length: LengthRule,
    /// The most bytes that the chunk may have.
    pub(super) most: u64,
}

/// What was fetched.
pub(super) struct Fetched {
    pub(super) fresh: Fresh,
    pub(super) bytes: u64,
    pub(super) is_verified: bool,
    /// Why the bytes are not the chunk, unless their length shows that they are: they are JSON, and the chunk is not in it.
    pub(super) doubt: Option<ReplyError>,
}

/// What somebody sent.
struct Reply {
    fresh: Fresh,
    bytes: u64,
    digest: Digest,
    content: ReplyContent,
}

/// Fetches a chunk. With a digest it must match; without one, JSON is told from the chunk by its form and its length.
pub(super) async fn fetch(
    settings: &Settings,
    folder: &ChunkFolder,
    wish: &Wish<'_>,
) -> Result<Fetched, FetchError> {
    let address = SocketAddr::new(wish.from, settings.chunk_port);
    let connecting = tokio::time::timeout(CONNECT, connect(settings, address)).await;
    let mut stream =
        connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(FetchError::Connect)?;
    stream.write_all(&encode_request(wish.chunk, settings.variant)).await.map_err(FetchError::Broken)?;
    let fresh = folder.fresh(wish.chunk.as_str().as_ref());
    let reply = receive(&mut stream, fresh, wish).await?;
    // The next request goes over a connection of its own.
    drop(stream);
    if reply.bytes == 0 {
        return Err(FetchError::HasNot);
    }
    judge(reply, folder, wish).await
}

/// Receives a reply: to the end of the stream, or of an object that is the whole answer.
async fn receive(stream: &mut TcpStream, fresh: Fresh, wish: &Wish<'_>) -> Result<Reply, FetchError> {
    let own = FetchError::own(&fresh);
    let (mut sink, mut scanner) = (Sink::new(&fresh).map_err(&own)?, ReplyScanner::default());
    let (mut bytes, mut begun) = (0_u64, (Instant::now(), 0_u64));
    while !scanner.whole().is_some_and(|reply| reply.is_answer_to(wish.chunk)) {
        sink.buffer.reserve(STRIDE.saturating_sub(sink.buffer.len()));
        let (before, is_whole) = (sink.buffer.len(), scanner.whole().is_some());
        let patience = if is_whole { AFTER_OBJECT } else { SILENCE };
        let count = match tokio::time::timeout(patience, stream.read_buf(&mut sink.buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => count,
            Err(_) | Ok(Err(_)) if is_whole => break,
            Ok(Err(error)) => return Err(FetchError::Broken(error)),
            Err(_) => return Err(FetchError::Silent),
        };
        scanner.push(sink.buffer.get(before..).unwrap_or_default());
        bytes += count as u64;
        // Base64 takes four bytes for three.
        let around = if scanner.is_raw() { 0 } else { wish.most / 3 + MAX_AROUND };
        if bytes > wish.most.saturating_add(around) {
            return Err(FetchError::TooMuch(wish.most));
        }
        if begun.0.elapsed() >= SLOWEST.1 {
            if bytes - begun.1 < SLOWEST.0 {
                return Err(FetchError::TooSlow);
            }
            begun = (Instant::now(), bytes);
        }
        if sink.buffer.len() >= STRIDE {
            sink = sink.drained().await.map_err(&own)?;
        }
    }
    let digest = sink.finish().await.map_err(&own)?;
    let content = scanner.finish().map_or(ReplyContent::Raw, |reply| reply.content(wish.chunk));
    Ok(Reply { fresh, bytes, digest, content })
}

/// Finds the chunk in a reply.
async fn judge(reply: Reply, folder: &ChunkFolder, wish: &Wish<'_>) -> Result<Fetched, FetchError> {
    let Reply { fresh, bytes, digest, content } = reply;
    let is_verified = wish.digest == Some(digest);
    let doubt = match content {
        _ if is_verified => None,
        ReplyContent::Raw => match wish.digest {
            Some(_) => return Err(FetchError::WrongDigest),
            None => None,
        },
        ReplyContent::Nothing(error) => Some(error),
        ReplyContent::Base64(place) => {
            let target = folder.fresh(wish.chunk.as_str().as_ref());
            let own = FetchError::own(&target);
            match decode(&fresh, place, target).await.map_err(own)? {
                // A file may hold a reply of its own: then the reply as a whole is the chunk, as its length shows.
                Some(decoded) if is_length_of_reply(wish, bytes, decoded.bytes) => None,
                Some(decoded) if wish.digest.is_some_and(|digest| digest != decoded.digest) => {
                    return Err(FetchError::WrongDigest);
                }
                Some(decoded) if decoded.bytes > wish.most => return Err(FetchError::TooMuch(wish.most)),
                Some(decoded) => {
                    let (fresh, bytes, is_verified) = (decoded.fresh, decoded.bytes, wish.digest.is_some());
                    return Ok(Fetched { fresh, bytes, is_verified, doubt: None });
                }
                None => Some(ReplyError::NotBase64),
            }
        }
    };
    match doubt {
        // With a digest there is no doubt.
        Some(error) if wish.digest.is_some() || bytes > wish.most => Err(error.into()),
        None if bytes > wish.most => Err(FetchError::TooMuch(wish.most)),
        doubt => Ok(Fetched { fresh, bytes, is_verified, doubt }),
    }
}

/// Returns true if a chunk can have the length of the whole reply, and not that of what the reply carries.
fn is_length_of_reply(wish: &Wish<'_>, reply: u64, carried: u64) -> bool {
    wish.digest.is_none()
        && wish.length.allows(reply) == Some(true)
        && wish.length.allows(carried) == Some(false)
}

async fn connect(settings: &Settings, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv4() && !settings.host.is_unspecified() {
        socket.bind(SocketAddr::new(settings.host.into(), 0))?;
    }
    socket.connect(address).await
}
