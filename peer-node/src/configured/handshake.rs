//! How a connection begins: both sides say who they are, and neither waits for the other.

use std::io;
use std::time::Duration;

use protocol::configured::{ConfiguredHandshake, ConfiguredHandshakeError, ConfiguredPeerId, HANDSHAKE_LEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the other side may take for its part.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupHandshakeError {
    /// Other software.
    #[error(transparent)]
    Handshake(#[from] ConfiguredHandshakeError),
    /// It is somebody else.
    #[error("it says it is peer {claimed}, who {why}")]
    UnexpectedPeer { claimed: ConfiguredPeerId, why: &'static str },
    /// Nothing came in time.
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Says who we are and hears who the other side is; `judge` says what speaks against that.
pub(super) async fn exchange_handshakes(
    stream: &mut TcpStream,
    us: ConfiguredPeerId,
    judge: impl FnOnce(ConfiguredPeerId) -> Result<(), &'static str>,
) -> Result<ConfiguredPeerId, GroupHandshakeError> {
    let greeting = async {
        stream.write_all(&ConfiguredHandshake { peer_id: us }.encode()).await?;
        let mut theirs = [0; HANDSHAKE_LEN];
        stream.read_exact(&mut theirs).await?;
        let claimed = ConfiguredHandshake::decode(&theirs)?.peer_id;
        judge(claimed).map_err(|why| GroupHandshakeError::UnexpectedPeer { claimed, why })?;
        Ok(claimed)
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, greeting).await.unwrap_or(Err(GroupHandshakeError::TimedOut))
}
