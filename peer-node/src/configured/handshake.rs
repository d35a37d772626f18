//! The handshake of a connection: both sides send their id without waiting for the other.

use std::io;
use std::time::Duration;

use protocol::configured::{ConfiguredHandshake, ConfiguredHandshakeError, ConfiguredPeerId, HANDSHAKE_LEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::transport::PeerStream;

/// Maximum time of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupHandshakeError {
    /// The peer runs other software.
    #[error(transparent)]
    Handshake(#[from] ConfiguredHandshakeError),
    /// The peer is not the expected one.
    #[error("it identifies as peer {claimed}, which {why}")]
    UnexpectedPeer { claimed: ConfiguredPeerId, why: &'static str },
    /// The handshake did not arrive in time.
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

/// Sends our id and receives the peer's. `judge` returns the reason to refuse that id.
pub(super) async fn exchange_handshakes(
    stream: &mut PeerStream,
    own_id: ConfiguredPeerId,
    judge: impl FnOnce(ConfiguredPeerId) -> Result<(), &'static str>,
) -> Result<ConfiguredPeerId, GroupHandshakeError> {
    let greeting = async {
        stream.write_all(&ConfiguredHandshake { peer_id: own_id }.encode()).await?;
        let mut theirs = [0; HANDSHAKE_LEN];
        stream.read_exact(&mut theirs).await?;
        let claimed = ConfiguredHandshake::decode(&theirs)?.peer_id;
        judge(claimed).map_err(|why| GroupHandshakeError::UnexpectedPeer { claimed, why })?;
        Ok(claimed)
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, greeting).await.unwrap_or(Err(GroupHandshakeError::TimedOut))
}
