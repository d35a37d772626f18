//! How a connection begins: both sides say which torrent it is about, and who they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::bittorrent::mse::{MseError, TorrentKey};
use protocol::bittorrent::{
    BitTorrentHandshake, BitTorrentHandshakeError, HANDSHAKE_HEAD_LEN, PeerId, ReservedBits,
};
use protocol::infohash::Infohash;
use tokio::net::TcpStream;

use super::joined_torrent::JoinedTorrent;
use super::key_exchange;
use super::outbound::ConnectMode;
use super::peer_stream::PeerStream;

/// How long the other side may take for its part, with the key exchange if there is one.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum PeerHandshakeError {
    /// Other software.
    #[error(transparent)]
    Handshake(#[from] BitTorrentHandshakeError),
    /// Other software, or another torrent.
    #[error(transparent)]
    KeyExchange(#[from] MseError),
    /// It answered for another torrent.
    #[error("it answers for another torrent")]
    OtherTorrent,
    /// Nobody here has what it wants.
    #[error("it wants a torrent that is not here: {0}")]
    UnknownTorrent(Infohash),
    /// Nobody here has what it wants; in a key exchange the infohash is not named.
    #[error("key exchange failed: it wants a torrent that is not here")]
    UnknownKey,
    /// It does not speak with us, or not in this way.
    #[error("it closed the connection before its handshake")]
    ClosedBeforeHandshake,
    /// Nothing came in time.
    #[error("no greeting within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl PeerHandshakeError {
    /// Judges an error that came before any byte of the other side.
    pub(super) fn before_first_byte(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::ClosedBeforeHandshake,
            _ => Self::Io(error),
        }
    }

    /// Returns true if a peer that we connected to may want the connection to begin otherwise.
    pub(super) const fn suggests_other_mode(&self, approach: ConnectMode) -> bool {
        match approach {
            ConnectMode::Plain => matches!(self, Self::ClosedBeforeHandshake),
            // It may have been started again with other settings.
            ConnectMode::Encrypted => !matches!(self, Self::OtherTorrent),
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeerHandshake {
    pub(super) peer_id: PeerId,
    pub(super) has_fast: bool,
    pub(super) has_extended: bool,
}

impl PeerHandshake {
    fn new(peer_id: PeerId, reserved: ReservedBits) -> Self {
        Self { peer_id, has_fast: reserved.has_fast(), has_extended: reserved.has_extended() }
    }
}

/// Greets the peer that we connected to.
pub(super) async fn initiate(
    stream: TcpStream,
    approach: ConnectMode,
    infohash: Infohash,
    us: PeerId,
) -> Result<(PeerStream, PeerHandshake), PeerHandshakeError> {
    with_timeout(async {
        let ours = encode_handshake(infohash, us);
        let mut channel = match approach {
            ConnectMode::Plain => {
                let mut channel = PeerStream::without_key_exchange(stream, &[]);
                channel.write_all(&ours).await.map_err(PeerHandshakeError::before_first_byte)?;
                channel
            }
            ConnectMode::Encrypted => key_exchange::initiate(stream, infohash, &ours).await?,
        };
        let (reserved, theirs) = read_head(&mut channel).await?;
        if theirs != infohash {
            return Err(PeerHandshakeError::OtherTorrent);
        }
        let peer_id = read_peer_id(&mut channel).await?;
        Ok((channel, PeerHandshake::new(peer_id, reserved)))
    })
    .await
}

/// Receives the handshake of somebody who connected to us: `find` looks for the torrent. Strangers get no answer at all.
pub(super) async fn accept(
    channel: PeerStream,
    us: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<JoinedTorrent>>,
) -> Result<(PeerStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    with_timeout(receive_handshake(channel, us, find)).await
}

/// Receives the key exchange and the handshake of somebody who connected to us: `find` looks for the torrent.
pub(super) async fn accept_encrypted(
    stream: TcpStream,
    opening: &[u8],
    us: PeerId,
    find: impl AsyncFnOnce(TorrentKey) -> Option<Arc<JoinedTorrent>>,
) -> Result<(PeerStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    with_timeout(async {
        let (channel, torrent) = key_exchange::respond(stream, opening, find).await?;
        let expected = torrent.offering.infohash();
        let (channel, greeted, torrent) =
            receive_handshake(channel, us, async |infohash| (infohash == expected).then_some(torrent))
                .await?;
        Ok((channel, greeted, torrent))
    })
    .await
}

async fn receive_handshake(
    mut channel: PeerStream,
    us: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<JoinedTorrent>>,
) -> Result<(PeerStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    let (reserved, infohash) = read_head(&mut channel).await?;
    let found = find(infohash).await.ok_or(PeerHandshakeError::UnknownTorrent(infohash))?;
    // Some say who they are only now.
    channel.write_all(&encode_handshake(infohash, us)).await?;
    let peer_id = read_peer_id(&mut channel).await?;
    Ok((channel, PeerHandshake::new(peer_id, reserved), found))
}

fn encode_handshake(infohash: Infohash, us: PeerId) -> [u8; 68] {
    BitTorrentHandshake { reserved: ReservedBits::ours(), infohash, peer_id: us }.encode()
}

async fn read_head(channel: &mut PeerStream) -> Result<(ReservedBits, Infohash), PeerHandshakeError> {
    let mut head = [0; HANDSHAKE_HEAD_LEN];
    let (first, rest) = head.split_at_mut(1);
    channel.read_exact(first).await.map_err(PeerHandshakeError::before_first_byte)?;
    channel.read_exact(rest).await?;
    Ok(BitTorrentHandshake::decode_head(&head)?)
}

async fn read_peer_id(channel: &mut PeerStream) -> io::Result<PeerId> {
    let mut bytes = [0; 20];
    channel.read_exact(&mut bytes).await?;
    Ok(PeerId::from_bytes(bytes))
}

async fn with_timeout<T>(
    work: impl Future<Output = Result<T, PeerHandshakeError>>,
) -> Result<T, PeerHandshakeError> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, work).await.unwrap_or(Err(PeerHandshakeError::TimedOut))
}
