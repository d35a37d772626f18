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

use super::ending::Ending;
use super::link::LinkState;
use super::send_queue::Saying;
use crate::transport::{STRIDE, Tuner, send_some};

/// How long the other side's first message is waited for, to learn what its lengths count.
const HESITATION: Duration = Duration::from_millis(500);

/// How long the other side may take nothing off our hands.
const PATIENCE: Duration = Duration::from_secs(30);

/// The writing half of a connection.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) stream: OwnedWriteHalf,
    pub(super) tuner: Tuner,
    pub(super) state: Arc<LinkState>,
    pub(super) geometry: Geometry,
    pub(super) file: Arc<File>,
}

impl Writer {
    /// Writes until all is said, or until it cannot go on.
    pub(super) async fn run(mut self) -> Result<(), Ending> {
        let framing = self.framing().await;
        let mut out = Vec::new();
        while let Some(sayings) = self.state.queue.next().await {
            for saying in &sayings {
                saying.encode(framing, &self.geometry, &mut out);
            }
            patiently(self.stream.write_all(&out)).await?;
            out.clear();
            if let Some(Saying::Piece(piece)) = sayings.last() {
                self.give(*piece).await?;
            }
        }
        Ok(patiently(self.stream.shutdown()).await?)
    }

    /// Finds out what lengths count here: what the other side's do, or what most do if it says nothing.
    async fn framing(&self) -> Framing {
        let mut framing = self.state.framing.subscribe();
        let known = tokio::time::timeout(HESITATION, framing.wait_for(Option::is_some)).await;
        if let Ok(Ok(known)) = known
            && let Some(framing) = *known
        {
            return framing;
        }
        let mut chosen = Framing::Inclusive;
        self.state.framing.send_modify(|framing| chosen = *framing.get_or_insert(chosen));
        chosen
    }

    /// Sends the bytes of a piece.
    async fn give(&mut self, piece: PieceIndex) -> Result<(), Ending> {
        let (mut offset, mut left) =
            (self.geometry.piece_offset(piece), self.geometry.length_of(piece) as usize);
        while left > 0 {
            let sending = send_some(self.stream.as_ref(), &self.file, offset, left.min(STRIDE));
            let sent = patiently(sending).await?;
            self.tuner.sent(self.stream.as_ref(), sent);
            offset += sent as u64;
            left -= sent;
            self.state.sent.fetch_add(sent as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn patiently<T>(writing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the other side reads nothing");
    tokio::time::timeout(PATIENCE, writing).await.unwrap_or_else(|_| Err(stuck()))
}
