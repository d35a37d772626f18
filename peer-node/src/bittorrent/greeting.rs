//! How a connection begins: both sides say which torrent it is about, and who they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::bittorrent::mse::{MseError, TorrentKey};
use protocol::bittorrent::{HEAD_LEN, Handshake, HandshakeError, PeerId, Reserved};
use protocol::infohash::Infohash;
use tokio::net::TcpStream;

use super::channel::Channel;
use super::key_exchange;
use super::outbound::Approach;
use super::torrent::Torrent;

/// How long the other side may take for its part, with the key exchange if there is one.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// Other software.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Other software, or another torrent.
    #[error(transparent)]
    KeyExchange(#[from] MseError),
    /// It answered for another torrent.
    #[error("it answers for another torrent")]
    OtherTorrent,
    /// Nobody here has what it wants.
    #[error("it wants a torrent that is not here: {0}")]
    Unknown(Infohash),
    /// Nobody here has what it wants; in a key exchange the infohash is not named.
    #[error("key exchange failed: it wants a torrent that is not here")]
    UnknownKey,
    /// It does not speak with us, or not in this way.
    #[error("it closed the connection before its handshake")]
    Unanswered,
    /// Nothing came in time.
    #[error("no greeting within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl GreetingError {
    /// Judges an error that came before any byte of the other side.
    pub(super) fn before_any_byte(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Unanswered,
            _ => Self::Io(error),
        }
    }

    /// Returns true if a peer that we connected to may want the connection to begin otherwise.
    pub(super) const fn suggests_other_than(&self, approach: Approach) -> bool {
        match approach {
            Approach::Plain => matches!(self, Self::Unanswered),
            // It may have been started again with other settings.
            Approach::Encrypted => !matches!(self, Self::OtherTorrent),
        }
    }
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
    stream: TcpStream,
    approach: Approach,
    infohash: Infohash,
    us: PeerId,
) -> Result<(Channel, Greeted), GreetingError> {
    within_deadline(async {
        let ours = ours(infohash, us);
        let mut channel = match approach {
            Approach::Plain => {
                let mut channel = Channel::plain(stream, &[]);
                channel.write_all(&ours).await.map_err(GreetingError::before_any_byte)?;
                channel
            }
            Approach::Encrypted => key_exchange::initiate(stream, infohash, &ours).await?,
        };
        let (reserved, theirs) = read_head(&mut channel).await?;
        if theirs != infohash {
            return Err(GreetingError::OtherTorrent);
        }
        let peer_id = read_peer_id(&mut channel).await?;
        Ok((channel, Greeted::new(peer_id, reserved)))
    })
    .await
}

/// Receives the handshake of somebody who connected to us: `find` looks for the torrent. Strangers get no answer at all.
pub(super) async fn hear(
    channel: Channel,
    us: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<Torrent>>,
) -> Result<(Channel, Greeted, Arc<Torrent>), GreetingError> {
    within_deadline(receive(channel, us, find)).await
}

/// Receives the key exchange and the handshake of somebody who connected to us: `find` looks for the torrent.
pub(super) async fn hear_encrypted(
    stream: TcpStream,
    opening: &[u8],
    us: PeerId,
    find: impl AsyncFnOnce(TorrentKey) -> Option<Arc<Torrent>>,
) -> Result<(Channel, Greeted, Arc<Torrent>), GreetingError> {
    within_deadline(async {
        let (channel, torrent) = key_exchange::respond(stream, opening, find).await?;
        let expected = torrent.offering.infohash();
        let (channel, greeted, torrent) =
            receive(channel, us, async |infohash| (infohash == expected).then_some(torrent)).await?;
        Ok((channel, greeted, torrent))
    })
    .await
}

async fn receive(
    mut channel: Channel,
    us: PeerId,
    find: impl AsyncFnOnce(Infohash) -> Option<Arc<Torrent>>,
) -> Result<(Channel, Greeted, Arc<Torrent>), GreetingError> {
    let (reserved, infohash) = read_head(&mut channel).await?;
    let found = find(infohash).await.ok_or(GreetingError::Unknown(infohash))?;
    // Some say who they are only now.
    channel.write_all(&ours(infohash, us)).await?;
    let peer_id = read_peer_id(&mut channel).await?;
    Ok((channel, Greeted::new(peer_id, reserved), found))
}

fn ours(infohash: Infohash, us: PeerId) -> [u8; 68] {
    Handshake { reserved: Reserved::ours(), infohash, peer_id: us }.encode()
}

async fn read_head(channel: &mut Channel) -> Result<(Reserved, Infohash), GreetingError> {
    let mut head = [0; HEAD_LEN];
    let (first, rest) = head.split_at_mut(1);
    channel.read_exact(first).await.map_err(GreetingError::before_any_byte)?;
    channel.read_exact(rest).await?;
    Ok(Handshake::decode_head(&head)?)
}

async fn read_peer_id(channel: &mut Channel) -> io::Result<PeerId> {
    let mut bytes = [0; 20];
    channel.read_exact(&mut bytes).await?;
    Ok(PeerId::from_bytes(bytes))
}

async fn within_deadline<T>(
    work: impl Future<Output = Result<T, GreetingError>>,
) -> Result<T, GreetingError> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or(Err(GreetingError::TimedOut))
}
