//! Writes the queued messages to a neighbour.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::configured::Framing;
use protocol::geometry::{Geometry, PieceIndex};
use tokio::io::AsyncWriteExt;

use super::disconnect_reason::GroupDisconnectReason;
use super::link::GroupLinkState;
use super::peer_framings::PeerFramings;
use super::send_queue::OutgoingMessage;
use crate::transport::{MAX_SEND, PeerWriteHalf};

/// Time to wait for the neighbour's first message, which shows its framing: the first value applies if other peers have sent
/// messages, the second if none has.
const FRAMING_DELAYS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// Maximum time without the neighbour reading anything.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct GroupWriter {
    pub(super) stream: PeerWriteHalf,
    pub(super) state: Arc<GroupLinkState>,
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
    pub(super) framings: Arc<PeerFramings>,
}

impl GroupWriter {
    /// Writes until the queue is closed and empty, or until an error.
    pub(super) async fn run(mut self) -> Result<(), GroupDisconnectReason> {
        let framing = self.determine_framing().await;
        let mut out = Vec::new();
        while let Some(messages) = self.state.queue.next_batch().await {
            for message in &messages {
                message.encode(framing, &self.geometry, &mut out);
            }
            with_timeout(self.stream.write_all(&out)).await?;
            out.clear();
            if let Some(OutgoingMessage::Piece(piece)) = messages.last() {
                self.send_piece(*piece).await?;
            }
        }
        Ok(with_timeout(self.stream.shutdown()).await?)
    }

    /// Determines the framing: that of the neighbour, or of the majority if the neighbour sends nothing, or the usual one if
    /// nobody does.
    async fn determine_framing(&self) -> Framing {
        let own = async {
            let mut own = self.state.framing.subscribe();
            // The sender lives as long as `self`.
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
        let (mut offset, mut remaining) =
            (self.geometry.piece_offset(piece), self.geometry.length_of(piece) as usize);
        while remaining > 0 {
            let sending = self.stream.send_file(&self.file, offset, remaining.min(MAX_SEND));
            let sent = with_timeout(sending).await?;
            offset += sent as u64;
            remaining -= sent;
            self.state.sent.fetch_add(sent as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn with_timeout<T>(writing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing");
    tokio::time::timeout(WRITE_TIMEOUT, writing).await.unwrap_or_else(|_| Err(stuck()))
}
