use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::{
    ChunkLengthRule, ChunkName, ChunkReplyError, ReplyContent, ReplyScanner, encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::chunk_folder::READ_SIZE;
use super::hashing_writer::{HashingWriter, decode_base64};
use super::temp_file::TempFile;
use super::{ChunkFolder, LanSettings};
use crate::source_address::SourceAddress;
use crate::transport::PeerStream;

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time without data.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Time to wait for more data after a complete JSON object; some programs keep the connection open.
const AFTER_OBJECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Minimum number of bytes per period; slower peers are disconnected.
const MIN_RATE: (u64, Duration) = (30 << 10, Duration::from_secs(30));

/// Maximum size of a JSON reply without the chunk, in bytes.
const MAX_ENVELOPE: u64 = 4 << 10;

/// Why a chunk was not received.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkFetchError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("connection lost: {0}")]
    Broken(io::Error),
    #[error("it does not have the chunk")]
    NotFound,
    #[error("no data for {} s", READ_TIMEOUT.as_secs())]
    Silent,
    #[error("it is too slow")]
    TooSlow,
    #[error("it sent more than the maximum of {0} bytes")]
    TooLarge(u64),
    #[error("the chunk does not match the announced digest")]
    WrongDigest,
    #[error(transparent)]
    Reply(#[from] ChunkReplyError),
    /// A local error, which no other source can fix.
    #[error("cannot write {}: {source}", path.display())]
    LocalIo { path: PathBuf, source: io::Error },
}

impl ChunkFetchError {
    fn local_io(at: &TempFile) -> impl Fn(io::Error) -> Self + use<> {
        let path = at.path().to_owned();
        move |source| Self::LocalIo { path: path.clone(), source }
    }
}

/// A chunk to fetch from one source.
pub(super) struct FetchRequest<'a> {
    pub(super) chunk: &'a ChunkName,
    pub(super) from: IpAddr,
    /// Digest that the source has announced.
    pub(super) digest: Option<Digest>,
    pub(super) length: ChunkLengthRule,
    /// Maximum size of the chunk in bytes.
    pub(super) max_bytes: u64,
}

/// A fetched chunk.
pub(super) struct FetchedChunk {
    pub(super) file: TempFile,
    pub(super) bytes: u64,
    pub(super) is_verified: bool,
    /// Set if the reply is JSON without a chunk; then only the length can show that the JSON itself is the chunk.
    pub(super) reply_error: Option<ChunkReplyError>,
}

/// A reply as received.
struct ReceivedReply {
    file: TempFile,
    bytes: u64,
    digest: Digest,
    content: ReplyContent,
}

/// Fetches a chunk. With a digest, the chunk must match it; without one, form and length distinguish a JSON reply from a raw
/// chunk.
pub(super) async fn fetch(
    settings: &LanSettings,
    folder: &ChunkFolder,
    request: &FetchRequest<'_>,
) -> Result<FetchedChunk, ChunkFetchError> {
    let address = SocketAddr::new(request.from, settings.chunk_port);
    let source = SourceAddress::from_listener(settings.host.into());
    let connected = PeerStream::connect(source, address, CONNECT_TIMEOUT).await;
    let mut stream = connected.map_err(ChunkFetchError::Connect)?;
    stream
        .write_all(&encode_request(request.chunk, settings.reply_format))
        .await
        .map_err(ChunkFetchError::Broken)?;
    let file = folder.temp_file(request.chunk.as_str().as_ref());
    let reply = receive(&mut stream, file, request).await?;
    // The next request uses its own connection.
    drop(stream);
    if reply.bytes == 0 {
        return Err(ChunkFetchError::NotFound);
    }
    extract_chunk(reply, folder, request).await
}

/// Receives a reply until the end of the stream, or until a JSON object that is a complete answer.
async fn receive(
    stream: &mut PeerStream,
    file: TempFile,
    request: &FetchRequest<'_>,
) -> Result<ReceivedReply, ChunkFetchError> {
    let disk_error = ChunkFetchError::local_io(&file);
    let (mut sink, mut scanner) = (HashingWriter::new(&file).map_err(&disk_error)?, ReplyScanner::default());
    let (mut bytes, mut begun) = (0_u64, (Instant::now(), 0_u64));
    // An object that answers this request needs no more bytes, even if the connection stays open.
    while !scanner.complete().is_some_and(|reply| reply.is_reply_to(request.chunk)) {
        sink.buffer.reserve(READ_SIZE.saturating_sub(sink.buffer.len()));
        let (before, is_complete) = (sink.buffer.len(), scanner.complete().is_some());
        let timeout = if is_complete { AFTER_OBJECT_TIMEOUT } else { READ_TIMEOUT };
        let count = match tokio::time::timeout(timeout, stream.read_buf(&mut sink.buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => count,
            // The complete object is used, whatever happens to the connection afterwards.
            Err(_) | Ok(Err(_)) if is_complete => break,
            Ok(Err(error)) => return Err(ChunkFetchError::Broken(error)),
            Err(_) => return Err(ChunkFetchError::Silent),
        };
        scanner.push(sink.buffer.get(before..).unwrap_or_default());
        bytes += count as u64;
        // Base64 needs four bytes for three.
        let overhead = if scanner.is_raw() { 0 } else { request.max_bytes / 3 + MAX_ENVELOPE };
        if bytes > request.max_bytes.saturating_add(overhead) {
            return Err(ChunkFetchError::TooLarge(request.max_bytes));
        }
        if begun.0.elapsed() >= MIN_RATE.1 {
            if bytes - begun.1 < MIN_RATE.0 {
                return Err(ChunkFetchError::TooSlow);
            }
            begun = (Instant::now(), bytes);
        }
        if sink.buffer.len() >= READ_SIZE {
            sink = sink.write_buffered().await.map_err(&disk_error)?;
        }
    }
    let digest = sink.finish().await.map_err(&disk_error)?;
    let content = scanner.finish().map_or(ReplyContent::Raw, |reply| reply.content(request.chunk));
    Ok(ReceivedReply { file, bytes, digest, content })
}

/// Extracts the chunk from a reply.
async fn extract_chunk(
    reply: ReceivedReply,
    folder: &ChunkFolder,
    request: &FetchRequest<'_>,
) -> Result<FetchedChunk, ChunkFetchError> {
    let ReceivedReply { file, bytes, digest, content } = reply;
    let is_verified = request.digest == Some(digest);
    let doubt = match content {
        _ if is_verified => None,
        ReplyContent::Raw => match request.digest {
            Some(_) => return Err(ChunkFetchError::WrongDigest),
            None => None,
        },
        ReplyContent::Error(error) => Some(error),
        ReplyContent::Base64(range) => {
            let target = folder.temp_file(request.chunk.as_str().as_ref());
            let disk_error = ChunkFetchError::local_io(&target);
            match decode_base64(&file, range, target).await.map_err(disk_error)? {
                // The chunk itself may look like a reply; if the length shows that, the reply as a whole is the chunk.
                Some(decoded) if has_length_of_reply(request, bytes, decoded.bytes) => None,
                Some(decoded) if request.digest.is_some_and(|digest| digest != decoded.digest) => {
                    return Err(ChunkFetchError::WrongDigest);
                }
                Some(decoded) if decoded.bytes > request.max_bytes => {
                    return Err(ChunkFetchError::TooLarge(request.max_bytes));
                }
                Some(decoded) => {
                    let (file, bytes, is_verified) = (decoded.file, decoded.bytes, request.digest.is_some());
                    return Ok(FetchedChunk { file, bytes, is_verified, reply_error: None });
                }
                None => Some(ChunkReplyError::NotBase64),
            }
        }
    };
    match doubt {
        // A digest mismatch settles the question.
        Some(error) if request.digest.is_some() || bytes > request.max_bytes => Err(error.into()),
        None if bytes > request.max_bytes => Err(ChunkFetchError::TooLarge(request.max_bytes)),
        doubt => Ok(FetchedChunk { file, bytes, is_verified, reply_error: doubt }),
    }
}

/// Returns true if a chunk can have the length of the whole reply, but not that of the data in it.
fn has_length_of_reply(request: &FetchRequest<'_>, reply: u64, carried: u64) -> bool {
    request.digest.is_none()
        && request.length.allows(reply) == Some(true)
        && request.length.allows(carried) == Some(false)
}
