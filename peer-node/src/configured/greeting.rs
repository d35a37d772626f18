//! How a connection begins: both sides say who they are, and neither waits for the other.

use std::io;
use std::time::Duration;

use protocol::configured::{HANDSHAKE_LEN, Handshake, HandshakeError, PeerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the other side may take for its part.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection that did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetingError {
    /// Other software.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// It is somebody else.
    #[error("it says it is peer {said}, who {why}")]
    Wrong { said: PeerId, why: &'static str },
    /// Nothing came in time.
    #[error("no handshake within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Says who we are and hears who the other side is; `judge` says what speaks against that.
pub(super) async fn greet(
    stream: &mut TcpStream,
    us: PeerId,
    judge: impl FnOnce(PeerId) -> Result<(), &'static str>,
) -> Result<PeerId, GreetingError> {
    let greeting = async {
        stream.write_all(&Handshake { peer_id: us }.encode()).await?;
        let mut theirs = [0; HANDSHAKE_LEN];
        stream.read_exact(&mut theirs).await?;
        let said = Handshake::decode(&theirs)?.peer_id;
        judge(said).map_err(|why| GreetingError::Wrong { said, why })?;
        Ok(said)
    };
    tokio::time::timeout(DEADLINE, greeting).await.unwrap_or(Err(GreetingError::TimedOut))
}
