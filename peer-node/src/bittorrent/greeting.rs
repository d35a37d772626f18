//! How a connection begins: both sides say which torrent it is about, and who they are.

use std::io;
use std::time::Duration;

use protocol::bittorrent::{HEAD_LEN, Handshake, HandshakeError, PeerId, Reserved};
use protocol::infohash::Infohash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the other side may take for its part.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// Other software.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It answered for another torrent.
    #[error("it answers for another torrent")]
    OtherTorrent,
    /// Nobody here has what it wants.
    #[error("it wants a torrent that is not here: {0}")]
    Unknown(Infohash),
    /// Nothing came in time.
    #[error("no greeting within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Greeted {
    pub(super) peer_id: PeerId,
    pub(super) has_fast: bool,
    pub(super) has_extended: bool,
}

impl Greeted {
    fn new(peer_id: PeerId, reserved: Reserved) -> Self {
        Self { peer_id, has_fast: reserved.has_fast(), has_extended: reserved.has_extended() }
    }
}

/// Greets the peer that we connected to.
pub(super) async fn greet(
    stream: &mut TcpStream,
    infohash: Infohash,
    us: PeerId,
) -> Result<Greeted, GreetingError> {
    within_deadline(async {
        stream.write_all(&ours(infohash, us)).await?;
        let (reserved, theirs) = read_head(stream).await?;
        if theirs != infohash {
            return Err(GreetingError::OtherTorrent);
        }
        let peer_id = read_peer_id(stream).await?;
        Ok(Greeted::new(peer_id, reserved))
    })
    .await
}

/// Hears out somebody who connected to us: `find` looks for the torrent. Strangers get no answer at all.
pub(super) async fn hear<T>(
    stream: &mut TcpStream,
    us: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<T>,
) -> Result<(Greeted, T), GreetingError> {
    within_deadline(async {
        let (reserved, infohash) = read_head(stream).await?;
        let found = find(infohash).await.ok_or(GreetingError::Unknown(infohash))?;
        // Some say who they are only now.
        stream.write_all(&ours(infohash, us)).await?;
        let peer_id = read_peer_id(stream).await?;
        Ok((Greeted::new(peer_id, reserved), found))
    })
    .await
}

fn ours(infohash: Infohash, us: PeerId) -> [u8; 68] {
    Handshake { reserved: Reserved::ours(), infohash, peer_id: us }.encode()
}

async fn read_head(stream: &mut TcpStream) -> Result<(Reserved, Infohash), GreetingError> {
    let mut head = [0; HEAD_LEN];
    stream.read_exact(&mut head).await?;
    Ok(Handshake::decode_head(&head)?)
}

async fn read_peer_id(stream: &mut TcpStream) -> io::Result<PeerId> {
    let mut bytes = [0; 20];
    stream.read_exact(&mut bytes).await?;
    Ok(PeerId::from_bytes(bytes))
}

async fn within_deadline<T>(
    work: impl Future<Output = Result<T, GreetingError>>,
) -> Result<T, GreetingError> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or(Err(GreetingError::TimedOut))
}
