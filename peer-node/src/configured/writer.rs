//! Says what waits to be said to a neighbour.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::configured::Framing;
use protocol::geometry::{Geometry, PieceIndex};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::disconnect_reason::GroupDisconnectReason;
use super::link::GroupLinkState;
use super::peer_framings::PeerFramings;
use super::send_queue::OutgoingMessage;
use crate::transport::{MAX_SEND, SocketTuner, send_some};

/// How long the other side's first message is waited for, to learn what its lengths count: the first time where others have spoken,
/// and the second where nobody has.
const FRAMING_DELAYS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// How long the other side may take nothing off our hands.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct GroupWriter {
    pub(super) stream: OwnedWriteHalf,
    pub(super) tuner: SocketTuner,
    pub(super) state: Arc<GroupLinkState>,
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
    pub(super) framings: Arc<PeerFramings>,
}

impl GroupWriter {
    /// Writes until all is said, or until it cannot go on.
    pub(super) async fn run(mut self) -> Result<(), GroupDisconnectReason> {
        let framing = self.determine_framing().await;
        let mut out = Vec::new();
        while let Some(sayings) = self.state.queue.next_batch().await {
            for saying in &sayings {
                saying.encode(framing, &self.geometry, &mut out);
            }
            with_timeout(self.stream.write_all(&out)).await?;
            out.clear();
            if let Some(OutgoingMessage::Piece(piece)) = sayings.last() {
                self.send_piece(*piece).await?;
            }
        }
        Ok(with_timeout(self.stream.shutdown()).await?)
    }

    /// Finds out what lengths count here: what the other side's do, or those of most others if it sends nothing, or what is usual if
    /// nobody does.
    async fn determine_framing(&self) -> Framing {
        let own = async {
            let mut own = self.state.framing.subscribe();
            // The state lives as long as this.
            own.wait_for(Option::is_some).await.ok().and_then(|framing| *framing)
        };
        let others = async {
            tokio::time::sleep(FRAMING_DELAYS.0).await;
            let rest = FRAMING_DELAYS.1.saturating_sub(FRAMING_DELAYS.0);
            tokio::time::timeout(rest, self.framings.majority()).await.unwrap_or(Framing::Inclusive)
        };
        let mut chosen = tokio::select! {
            biased;
            Some(own) = own => own,
            others = others => others,
        };
        self.state.framing.send_modify(|framing| chosen = *framing.get_or_insert(chosen));
        chosen
    }

    /// Sends the bytes of a piece.
    async fn send_piece(&mut self, piece: PieceIndex) -> Result<(), GroupDisconnectReason> {
        let (mut offset, mut left) =
            (self.geometry.piece_offset(piece), self.geometry.length_of(piece) as usize);
        while left > 0 {
            let sending = send_some(self.stream.as_ref(), &self.file, offset, left.min(MAX_SEND));
            let sent = with_timeout(sending).await?;
            self.tuner.sent(self.stream.as_ref(), sent);
            offset += sent as u64;
            left -= sent;
            self.state.sent.fetch_add(sent as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn with_timeout<T>(writing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the other side reads nothing");
    tokio::time::timeout(WRITE_TIMEOUT, writing).await.unwrap_or_else(|_| Err(stuck()))
}
