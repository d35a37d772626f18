use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::lan::{ChunkName, ChunkRequest, ReplyFormat, RequestError, RequestReader, json_reply_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::upload_log::{UploadLog, UploadLogSlot};
use super::{ChunkFolder, LanEvent};
use crate::platform::{FileAt, FileIdentity};
use crate::transport::{
    AddressLimits, AdmissionPermit, MAX_SEND, PeerAdmission, PeerReadHalf, PeerStream, PeerWriteHalf,
    accept_all,
};

/// Maximum number of connections.
const MAX_CONNECTIONS: usize = 64;

/// Maximum time to receive a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time without the peer reading anything.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time to wait for the peer to close the connection, so that data in flight is not lost.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Reply in JSON format to a request for an unknown chunk.
const NOT_FOUND: &[u8] = br#"{"error": "File not found"}"#;

/// Bytes of a chunk that are encoded at once; a multiple of three.
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
    #[error("the peer reads nothing")]
    WriteTimedOut,
    #[error("the chunk was changed while it was sent")]
    ChunkChanged,
}

/// Serves the chunks of a folder until the future is dropped.
pub(crate) async fn upload(listener: TcpListener, folder: Arc<ChunkFolder>, events: mpsc::Sender<LanEvent>) {
    let (tracker, cancel, admission) = (
        TaskTracker::new(),
        CancellationToken::new(),
        PeerAdmission::new(MAX_CONNECTIONS, AddressLimits::default()),
    );
    // Dropping the future ends all connections.
    let _open = cancel.clone().drop_guard();
    let log = UploadLog::new(Arc::clone(&folder), events);
    let handle = |stream, from, permit| serve(stream, from, permit, (Arc::clone(&folder), Arc::clone(&log)));
    accept_all(listener, &admission, (&tracker, &cancel), handle).await;
}

async fn serve(
    stream: PeerStream,
    from: SocketAddr,
    permit: AdmissionPermit,
    (folder, log): (Arc<ChunkFolder>, Arc<UploadLog>),
) {
    let (mut reader, mut writer) = stream.split(from.ip(), Arc::default());
    match answer_request((&mut reader, &mut writer), from, &folder, &log).await {
        Ok(Some(slot)) => {
            let mut rest = [0; 256];
            let _ = tokio::time::timeout(LINGER_TIMEOUT, reader.read(&mut rest)).await;
            // Waiting for the log needs no connection.
            drop((reader, writer, permit));
            slot.wait_for_earlier().await;
        }
        // The raw format has no message for this; the connection is closed without data.
        Ok(None) => tracing::debug!(%from, "requested chunk is not in the folder"),
        Err(error) => tracing::info!(%from, %error, "request not answered"),
    }
}

/// Answers one request. Returns its position in the log if a chunk was sent.
async fn answer_request(
    (reader, writer): (&mut PeerReadHalf, &mut PeerWriteHalf),
    from: SocketAddr,
    folder: &Arc<ChunkFolder>,
    log: &Arc<UploadLog>,
) -> Result<Option<UploadLogSlot>, ChunkUploadError> {
    let request = tokio::time::timeout(REQUEST_TIMEOUT, read_request(reader)).await;
    let Some(ChunkRequest { chunk, format }) = request.map_err(|_| ChunkUploadError::RequestTimedOut)??
    else {
        return Ok(None);
    };
    let mut slot = log.reserve();
    let (folder, wanted) = (Arc::clone(folder), chunk.clone());
    let opened = tokio::task::spawn_blocking(move || folder.open_chunk(&wanted)).await;
    let Some((file, identity)) = opened.map_err(io::Error::other)?? else {
        if format == ReplyFormat::Json {
            write_all(writer, NOT_FOUND).await?;
        }
        return Ok(None);
    };
    match format {
        ReplyFormat::Raw => send(writer, &file, identity).await?,
        ReplyFormat::Json => send_in_json(writer, &chunk, &file, identity).await?,
    }
    // Recorded before the end of the stream, so that a peer's next request cannot get an earlier line.
    slot.record_sent(chunk, from.ip());
    writer.shutdown().await?;
    Ok(Some(slot))
}

async fn read_request(stream: &mut PeerReadHalf) -> Result<Option<ChunkRequest>, ChunkUploadError> {
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
    stream: &mut PeerWriteHalf,
    file: &File,
    identity: FileIdentity,
) -> Result<(), ChunkUploadError> {
    let mut sent = 0;
    while sent < identity.size {
        let length = usize::try_from(identity.size - sent).unwrap_or(MAX_SEND);
        let sending = tokio::time::timeout(WRITE_TIMEOUT, stream.send_file(file, sent, length));
        let count = sending.await.map_err(|_| ChunkUploadError::WriteTimedOut)??;
        sent += count as u64;
    }
    check_unchanged(file, identity)
}

/// Sends a chunk as base64 in a JSON object.
async fn send_in_json(
    stream: &mut PeerWriteHalf,
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

async fn write_all(stream: &mut PeerWriteHalf, mut bytes: &[u8]) -> Result<(), ChunkUploadError> {
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
