//! Performs the BitTorrent handshake: both sides send the torrent's infohash and their peer ids.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::bittorrent::mse::{MseError, TorrentKey};
use protocol::bittorrent::{
    BitTorrentHandshake, BitTorrentHandshakeError, HANDSHAKE_HEAD_LEN, PeerId, ReservedBits,
};
use protocol::infohash::Infohash;

use super::joined_torrent::JoinedTorrent;
use super::key_exchange;
use super::outbound::ConnectMode;
use super::wire_stream::WireStream;
use crate::transport::PeerStream;

/// Time limit for the peer's part of the handshake, including a key exchange.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection could not be established.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerHandshakeError {
    /// The peer does not speak BitTorrent.
    #[error(transparent)]
    Handshake(#[from] BitTorrentHandshakeError),
    /// The peer does not speak MSE, or exchanged keys for another torrent.
    #[error(transparent)]
    KeyExchange(#[from] MseError),
    /// The peer answered for another torrent.
    #[error("it answered for another torrent")]
    OtherTorrent,
    /// This node does not have the torrent.
    #[error("it asked for an unknown torrent: {0}")]
    UnknownTorrent(Infohash),
    /// This node does not have the torrent; a key exchange does not reveal the infohash.
    #[error("key exchange failed: unknown torrent")]
    UnknownKey,
    /// The peer refuses us, or does not accept this connect mode.
    #[error("the peer closed the connection before its handshake")]
    ClosedBeforeHandshake,
    /// The handshake took too long.
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

impl PeerHandshakeError {
    /// Classifies an I/O error that occurred before the peer's first byte.
    pub(super) fn before_first_byte(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::ClosedBeforeHandshake,
            _ => Self::Io(error),
        }
    }

    /// Returns true if a peer that we dialled may accept the other connect mode.
    pub(super) const fn suggests_other_mode(&self, mode: ConnectMode) -> bool {
        match mode {
            ConnectMode::Plain => matches!(self, Self::ClosedBeforeHandshake),
            // The peer may have restarted with other settings.
            ConnectMode::Encrypted => !matches!(self, Self::OtherTorrent),
        }
    }
}

/// The peer's part of the handshake.
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

/// Performs the handshake with a peer that we dialled.
pub(super) async fn initiate(
    stream: PeerStream,
    mode: ConnectMode,
    infohash: Infohash,
    own_id: PeerId,
) -> Result<(WireStream, PeerHandshake), PeerHandshakeError> {
    with_timeout(async {
        let ours = encode_handshake(infohash, own_id);
        let mut channel = match mode {
            ConnectMode::Plain => {
                let mut channel = WireStream::without_key_exchange(stream, &[]);
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

/// Accepts the handshake of an inbound connection; `find` looks up the torrent. A peer that asks for an unknown torrent
/// gets no answer.
pub(super) async fn accept(
    channel: WireStream,
    own_id: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<JoinedTorrent>>,
) -> Result<(WireStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    with_timeout(receive_handshake(channel, own_id, find)).await
}

/// Accepts the key exchange and the handshake of an inbound connection; `find` looks up the torrent.
pub(super) async fn accept_encrypted(
    stream: PeerStream,
    opening: &[u8],
    own_id: PeerId,
    find: impl AsyncFnOnce(TorrentKey) -> Option<Arc<JoinedTorrent>>,
) -> Result<(WireStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    with_timeout(async {
        let (channel, torrent) = key_exchange::respond(stream, opening, find).await?;
        let expected = torrent.offering.infohash();
        let (channel, peer_handshake, torrent) =
            receive_handshake(channel, own_id, async |infohash| (infohash == expected).then_some(torrent))
                .await?;
        Ok((channel, peer_handshake, torrent))
    })
    .await
}

async fn receive_handshake(
    mut channel: WireStream,
    own_id: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<JoinedTorrent>>,
) -> Result<(WireStream, PeerHandshake, Arc<JoinedTorrent>), PeerHandshakeError> {
    let (reserved, infohash) = read_head(&mut channel).await?;
    let found = find(infohash).await.ok_or(PeerHandshakeError::UnknownTorrent(infohash))?;
    // Some clients send their peer id only after our handshake.
    channel.write_all(&encode_handshake(infohash, own_id)).await?;
    let peer_id = read_peer_id(&mut channel).await?;
    Ok((channel, PeerHandshake::new(peer_id, reserved), found))
}

fn encode_handshake(infohash: Infohash, own_id: PeerId) -> [u8; 68] {
    BitTorrentHandshake { reserved: ReservedBits::ours(), infohash, peer_id: own_id }.encode()
}

async fn read_head(channel: &mut WireStream) -> Result<(ReservedBits, Infohash), PeerHandshakeError> {
    let mut head = [0; HANDSHAKE_HEAD_LEN];
    let (first, rest) = head.split_at_mut(1);
    channel.read_exact(first).await.map_err(PeerHandshakeError::before_first_byte)?;
    channel.read_exact(rest).await?;
    Ok(BitTorrentHandshake::decode_head(&head)?)
}

async fn read_peer_id(channel: &mut WireStream) -> io::Result<PeerId> {
    let mut bytes = [0; 20];
    channel.read_exact(&mut bytes).await?;
    Ok(PeerId::from_bytes(bytes))
}

async fn with_timeout<T>(
    work: impl Future<Output = Result<T, PeerHandshakeError>>,
) -> Result<T, PeerHandshakeError> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, work).await.unwrap_or(Err(PeerHandshakeError::TimedOut))
}
