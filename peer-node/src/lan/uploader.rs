use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::lan::{ChunkName, ChunkRequest, ReplyFormat, RequestError, RequestReader, json_reply_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::upload_log::{UploadLog, UploadLogSlot};
use super::{ChunkFolder, LanEvent};
use crate::storage::FileIdentity;
use crate::transport::{
    AddressLimits, AdmissionPermit, MAX_SEND, PeerAdmission, SocketTuner, accept_all, send_some,
};

/// The most connections.
const MAX_CONNECTIONS: usize = 64;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long somebody may take nothing off our hands.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for the other side's end, so that what is on its way to it is not lost.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The answer to a request in the JSON variant for a chunk that is not here.
const NOT_FOUND: &[u8] = br#"{"error": "File not found"}"#;

/// How much of a chunk is encoded at a time, in bytes: whole groups of three.
const ENCODE_BLOCK: usize = 3 << 16;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
enum ChunkUploadError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the request took too long")]
    RequestTimedOut,
    #[error("the other side reads nothing")]
    WriteTimedOut,
    #[error("the chunk was changed while it was sent")]
    ChunkChanged,
}

/// Gives the chunks of a folder to whoever asks, until the future is dropped.
pub(crate) async fn upload(listener: TcpListener, folder: Arc<ChunkFolder>, news: mpsc::Sender<LanEvent>) {
    let (tracker, cancel, admission) = (
        TaskTracker::new(),
        CancellationToken::new(),
        PeerAdmission::new(MAX_CONNECTIONS, AddressLimits::default()),
    );
    // Connections end with whoever accepts them.
    let _open = cancel.clone().drop_guard();
    let log = UploadLog::new(Arc::clone(&folder), news);
    let visit = |stream, from, ticket| serve(stream, from, ticket, (Arc::clone(&folder), Arc::clone(&log)));
    accept_all(listener, &admission, (&tracker, &cancel), visit).await;
}

async fn serve(
    mut stream: TcpStream,
    from: SocketAddr,
    ticket: AdmissionPermit,
    (folder, log): (Arc<ChunkFolder>, Arc<UploadLog>),
) {
    let tuner = SocketTuner::begin(&stream, from.ip(), Arc::default());
    match answer_request(&mut stream, (from, tuner), &folder, &log).await {
        Ok(Some(slot)) => {
            let mut rest = [0; 256];
            let _ = tokio::time::timeout(LINGER_TIMEOUT, stream.read(&mut rest)).await;
            // What waits now is a line of the log and no connection.
            drop((stream, ticket));
            slot.wait_for_earlier().await;
        }
        // No bytes at all: that is how it is said.
        Ok(None) => tracing::debug!(%from, "chunk asked for is not here"),
        Err(error) => tracing::info!(%from, %error, "request not answered"),
    }
}

/// Answers one request; returns its place in the log if a chunk was sent.
async fn answer_request(
    stream: &mut TcpStream,
    (from, tuner): (SocketAddr, SocketTuner),
    folder: &Arc<ChunkFolder>,
    log: &Arc<UploadLog>,
) -> Result<Option<UploadLogSlot>, ChunkUploadError> {
    let asked = tokio::time::timeout(REQUEST_TIMEOUT, read_request(stream)).await;
    let Some(ChunkRequest { chunk, format: variant }) =
        asked.map_err(|_| ChunkUploadError::RequestTimedOut)??
    else {
        return Ok(None);
    };
    let mut slot = log.reserve();
    let (folder, wanted) = (Arc::clone(folder), chunk.clone());
    let opened = tokio::task::spawn_blocking(move || folder.open_chunk(&wanted)).await;
    let Some((file, identity)) = opened.map_err(io::Error::other)?? else {
        if variant == ReplyFormat::Json {
            write_all(stream, NOT_FOUND).await?;
        }
        return Ok(None);
    };
    match variant {
        ReplyFormat::Raw => send(stream, tuner, &file, identity).await?,
        ReplyFormat::Json => send_in_json(stream, &chunk, &file, identity).await?,
    }
    // Who waits for the end of the stream asks for the next chunk only then: the lines of one peer cannot change places.
    slot.record_sent(chunk, from.ip());
    stream.shutdown().await?;
    Ok(Some(slot))
}

async fn read_request(stream: &mut TcpStream) -> Result<Option<ChunkRequest>, ChunkUploadError> {
    let (mut reader, mut bytes) = (RequestReader::default(), [0; 1024]);
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(None);
        }
        if let Some(request) = reader.push(bytes.get(..count).unwrap_or_default())? {
            return Ok(Some(request));
        }
    }
}

async fn send(
    stream: &TcpStream,
    mut tuner: SocketTuner,
    file: &File,
    identity: FileIdentity,
) -> Result<(), ChunkUploadError> {
    let mut sent = 0;
    while sent < identity.size {
        let length = usize::try_from(identity.size - sent).unwrap_or(MAX_SEND);
        let sending = tokio::time::timeout(WRITE_TIMEOUT, send_some(stream, file, sent, length));
        let count = sending.await.map_err(|_| ChunkUploadError::WriteTimedOut)??;
        tuner.sent(stream, count);
        sent += count as u64;
    }
    check_unchanged(file, identity)
}

/// Sends a chunk as base64 in a JSON object.
async fn send_in_json(
    stream: &mut TcpStream,
    chunk: &ChunkName,
    file: &File,
    identity: FileIdentity,
) -> Result<(), ChunkUploadError> {
    let [head, tail] = json_reply_frame(chunk);
    write_all(stream, &head).await?;
    let mut sent = 0;
    while sent < identity.size {
        let length = usize::try_from(identity.size - sent).unwrap_or(ENCODE_BLOCK).min(ENCODE_BLOCK);
        let source = file.try_clone()?;
        let encoding = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            source.read_exact_at(&mut bytes, sent)?;
            Ok::<_, io::Error>(STANDARD.encode(bytes))
        });
        write_all(stream, encoding.await.map_err(io::Error::other)??.as_bytes()).await?;
        sent += length as u64;
    }
    write_all(stream, &tail).await?;
    check_unchanged(file, identity)
}

async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<(), ChunkUploadError> {
    while !bytes.is_empty() {
        let writing = tokio::time::timeout(WRITE_TIMEOUT, stream.write(bytes)).await;
        let count = writing.map_err(|_| ChunkUploadError::WriteTimedOut)??;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

fn check_unchanged(file: &File, identity: FileIdentity) -> Result<(), ChunkUploadError> {
    match FileIdentity::from_file(file)? {
        Some(found) if found == identity => Ok(()),
        _ => Err(ChunkUploadError::ChunkChanged),
    }
}
