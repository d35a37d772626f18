use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::{
    ChunkLengthRule, ChunkName, ChunkReplyError, ReplyContent, ReplyScanner, encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::chunk_folder::READ_SIZE;
use super::hashing_writer::{HashingWriter, decode_base64};
use super::temp_file::TempFile;
use super::{ChunkFolder, LanSettings};

/// How long somebody may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long may nothing come.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait for more after a whole JSON object: some programs leave the connection open behind it.
const AFTER_OBJECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Who sends less than so many bytes in so long is left.
const MIN_RATE: (u64, Duration) = (30 << 10, Duration::from_secs(30));

/// What stands in a JSON reply besides the chunk, in bytes.
const MAX_ENVELOPE: u64 = 4 << 10;

/// Why somebody did not give a chunk.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkFetchError {
    #[error("it does not answer: {0}")]
    Connect(io::Error),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it has not got it")]
    NotFound,
    #[error("nothing came for {} s", READ_TIMEOUT.as_secs())]
    Silent,
    #[error("it sends too slowly")]
    TooSlow,
    #[error("it sends more than {0} bytes (--max-size)")]
    TooLarge(u64),
    #[error("what it sent is not what it announced")]
    WrongDigest,
    #[error(transparent)]
    Reply(#[from] ChunkReplyError),
    /// Nobody else could do better.
    #[error("cannot write {}: {source}", path.display())]
    LocalIo { path: PathBuf, source: io::Error },
}

impl ChunkFetchError {
    fn local_io(at: &TempFile) -> impl Fn(io::Error) -> Self + use<> {
        let path = at.path().to_owned();
        move |source| Self::LocalIo { path: path.clone(), source }
    }
}

/// A chunk to be fetched from somebody, and what is known of it.
pub(super) struct FetchRequest<'a> {
    pub(super) chunk: &'a ChunkName,
    pub(super) from: IpAddr,
    /// What the source has announced.
    pub(super) digest: Option<Digest>,
    pub(super) length: ChunkLengthRule,
    /// The most bytes that the chunk may have.
    pub(super) max_bytes: u64,
}

/// What was fetched.
pub(super) struct FetchedChunk {
    pub(super) file: TempFile,
    pub(super) bytes: u64,
    pub(super) is_verified: bool,
    /// Why the bytes are not the chunk, unless their length shows that they are: they are JSON, and the chunk is not in it.
    pub(super) doubt: Option<ChunkReplyError>,
}

/// What somebody sent.
struct ReceivedReply {
    file: TempFile,
    bytes: u64,
    digest: Digest,
    content: ReplyContent,
}

/// Fetches a chunk. With a digest it must match; without one, JSON is told from the chunk by its form and its length.
pub(super) async fn fetch(
    settings: &LanSettings,
    folder: &ChunkFolder,
    request: &FetchRequest<'_>,
) -> Result<FetchedChunk, ChunkFetchError> {
    let address = SocketAddr::new(request.from, settings.chunk_port);
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, connect(settings, address)).await;
    let mut stream = connecting
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(ChunkFetchError::Connect)?;
    stream
        .write_all(&encode_request(request.chunk, settings.variant))
        .await
        .map_err(ChunkFetchError::Broken)?;
    let file = folder.temp_file(request.chunk.as_str().as_ref());
    let reply = receive(&mut stream, file, request).await?;
    // The next request goes over a connection of its own.
    drop(stream);
    if reply.bytes == 0 {
        return Err(ChunkFetchError::NotFound);
    }
    extract_chunk(reply, folder, request).await
}

/// Receives a reply: to the end of the stream, or of an object that is the whole answer.
async fn receive(
    stream: &mut TcpStream,
    file: TempFile,
    request: &FetchRequest<'_>,
) -> Result<ReceivedReply, ChunkFetchError> {
    let own = ChunkFetchError::local_io(&file);
    let (mut sink, mut scanner) = (HashingWriter::new(&file).map_err(&own)?, ReplyScanner::default());
    let (mut bytes, mut begun) = (0_u64, (Instant::now(), 0_u64));
    while !scanner.complete().is_some_and(|reply| reply.is_reply_to(request.chunk)) {
        sink.buffer.reserve(READ_SIZE.saturating_sub(sink.buffer.len()));
        let (before, is_whole) = (sink.buffer.len(), scanner.complete().is_some());
        let patience = if is_whole { AFTER_OBJECT_TIMEOUT } else { READ_TIMEOUT };
        let count = match tokio::time::timeout(patience, stream.read_buf(&mut sink.buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => count,
            Err(_) | Ok(Err(_)) if is_whole => break,
            Ok(Err(error)) => return Err(ChunkFetchError::Broken(error)),
            Err(_) => return Err(ChunkFetchError::Silent),
        };
        scanner.push(sink.buffer.get(before..).unwrap_or_default());
        bytes += count as u64;
        // Base64 takes four bytes for three.
        let around = if scanner.is_raw() { 0 } else { request.max_bytes / 3 + MAX_ENVELOPE };
        if bytes > request.max_bytes.saturating_add(around) {
            return Err(ChunkFetchError::TooLarge(request.max_bytes));
        }
        if begun.0.elapsed() >= MIN_RATE.1 {
            if bytes - begun.1 < MIN_RATE.0 {
                return Err(ChunkFetchError::TooSlow);
            }
            begun = (Instant::now(), bytes);
        }
        if sink.buffer.len() >= READ_SIZE {
            sink = sink.write_buffered().await.map_err(&own)?;
        }
    }
    let digest = sink.finish().await.map_err(&own)?;
    let content = scanner.finish().map_or(ReplyContent::Raw, |reply| reply.content(request.chunk));
    Ok(ReceivedReply { file, bytes, digest, content })
}

/// Finds the chunk in a reply.
async fn extract_chunk(
    reply: ReceivedReply,
    folder: &ChunkFolder,
    request: &FetchRequest<'_>,
) -> Result<FetchedChunk, ChunkFetchError> {
    let ReceivedReply { file: fresh, bytes, digest, content } = reply;
    let is_verified = request.digest == Some(digest);
    let doubt = match content {
        _ if is_verified => None,
        ReplyContent::Raw => match request.digest {
            Some(_) => return Err(ChunkFetchError::WrongDigest),
            None => None,
        },
        ReplyContent::Error(error) => Some(error),
        ReplyContent::Base64(place) => {
            let target = folder.temp_file(request.chunk.as_str().as_ref());
            let own = ChunkFetchError::local_io(&target);
            match decode_base64(&fresh, place, target).await.map_err(own)? {
                // A file may hold a reply of its own: then the reply as a whole is the chunk, as its length shows.
                Some(decoded) if has_length_of_reply(request, bytes, decoded.bytes) => None,
                Some(decoded) if request.digest.is_some_and(|digest| digest != decoded.digest) => {
                    return Err(ChunkFetchError::WrongDigest);
                }
                Some(decoded) if decoded.bytes > request.max_bytes => {
                    return Err(ChunkFetchError::TooLarge(request.max_bytes));
                }
                Some(decoded) => {
                    let (fresh, bytes, is_verified) = (decoded.file, decoded.bytes, request.digest.is_some());
                    return Ok(FetchedChunk { file: fresh, bytes, is_verified, doubt: None });
                }
                None => Some(ChunkReplyError::NotBase64),
            }
        }
    };
    match doubt {
        // With a digest there is no doubt.
        Some(error) if request.digest.is_some() || bytes > request.max_bytes => Err(error.into()),
        None if bytes > request.max_bytes => Err(ChunkFetchError::TooLarge(request.max_bytes)),
        doubt => Ok(FetchedChunk { file: fresh, bytes, is_verified, doubt }),
    }
}

/// Returns true if a chunk can have the length of the whole reply, and not that of what the reply carries.
fn has_length_of_reply(request: &FetchRequest<'_>, reply: u64, carried: u64) -> bool {
    request.digest.is_none()
        && request.length.allows(reply) == Some(true)
        && request.length.allows(carried) == Some(false)
}

async fn connect(settings: &LanSettings, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv4() && !settings.host.is_unspecified() {
        socket.bind(SocketAddr::new(settings.host.into(), 0))?;
    }
    socket.connect(address).await
}
