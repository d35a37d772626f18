use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{ChunkName, RequestError, RequestReader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::upload_log::{UploadLog, UploadPlace};
use super::{ChunkFolder, News};
use crate::library::FileIdentity;
use crate::transport::{Admission, STRIDE, Ticket, Tuner, accept_all, send_some};

/// The most connections.
const MAX_CONNECTIONS: usize = 64;

/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// How long somebody may take nothing off our hands.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for the other side's end, so that what is on its way to it is not lost.
const LINGER: Duration = Duration::from_secs(2);

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the request took too long")]
    Late,
    #[error("the other side reads nothing")]
    Stuck,
    #[error("the chunk was changed while it was sent")]
    Changed,
}

/// Gives the chunks of a folder to whoever asks, until the future is dropped.
pub(crate) async fn upload(listener: TcpListener, folder: Arc<ChunkFolder>, news: mpsc::Sender<News>) {
    let (tracker, cancel, admission) =
        (TaskTracker::new(), CancellationToken::new(), Admission::new(MAX_CONNECTIONS));
    // Connections end with whoever accepts them.
    let _open = cancel.clone().drop_guard();
    let log = UploadLog::new(Arc::clone(&folder), news);
    let visit = |stream, from, ticket| serve(stream, from, ticket, (Arc::clone(&folder), Arc::clone(&log)));
    accept_all(listener, &admission, (&tracker, &cancel), visit).await;
}

async fn serve(
    mut stream: TcpStream,
    from: SocketAddr,
    ticket: Ticket,
    (folder, log): (Arc<ChunkFolder>, Arc<UploadLog>),
) {
    let tuner = Tuner::begin(&stream, from.ip(), Arc::default());
    match answer(&mut stream, (from, tuner), &folder, &log).await {
        Ok(Some(place)) => {
            let mut rest = [0; 256];
            let _ = tokio::time::timeout(LINGER, stream.read(&mut rest)).await;
            // What waits now is a line of the log and no connection.
            drop((stream, ticket));
            place.patience().await;
        }
        // No bytes at all: that is how it is said.
        Ok(None) => tracing::debug!(%from, "chunk asked for is not here"),
        Err(error) => tracing::info!(%from, %error, "request not answered"),
    }
}

/// Answers one request; returns its place in the log if a chunk was sent.
async fn answer(
    stream: &mut TcpStream,
    (from, tuner): (SocketAddr, Tuner),
    folder: &Arc<ChunkFolder>,
    log: &Arc<UploadLog>,
) -> Result<Option<UploadPlace>, UploadError> {
    let asked = tokio::time::timeout(REQUEST, request(stream)).await;
    let Some(chunk) = asked.map_err(|_| UploadError::Late)?? else { return Ok(None) };
    let mut place = log.place();
    let (folder, wanted) = (Arc::clone(folder), chunk.clone());
    let opened = tokio::task::spawn_blocking(move || folder.open_chunk(&wanted)).await;
    let Some((file, identity)) = opened.map_err(io::Error::other)?? else { return Ok(None) };
    send(stream, tuner, &file, identity).await?;
    // Who waits for the end of the stream asks for the next chunk only then: the lines of one peer cannot change places.
    place.sent(chunk, from.ip());
    stream.shutdown().await?;
    Ok(Some(place))
}

async fn request(stream: &mut TcpStream) -> Result<Option<ChunkName>, UploadError> {
    let (mut reader, mut bytes) = (RequestReader::default(), [0; 1024]);
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(None);
        }
        if let Some(chunk) = reader.push(bytes.get(..count).unwrap_or_default())? {
            return Ok(Some(chunk));
        }
    }
}

async fn send(
    stream: &TcpStream,
    mut tuner: Tuner,
    file: &File,
    identity: FileIdentity,
) -> Result<(), UploadError> {
    let mut sent = 0;
    while sent < identity.size {
        let length = usize::try_from(identity.size - sent).unwrap_or(STRIDE);
        let sending = tokio::time::timeout(PATIENCE, send_some(stream, file, sent, length));
        let count = sending.await.map_err(|_| UploadError::Stuck)??;
        tuner.sent(stream, count);
        sent += count as u64;
    }
    match FileIdentity::of_file(file)? {
        Some(found) if found == identity => Ok(()),
        _ => Err(UploadError::Changed),
    }
}
