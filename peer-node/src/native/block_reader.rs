//! Reads the blocks that arrive on a connection, each straight to its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use protocol::frame::FrameBuffer;
use protocol::peer::{BlockRef, PeerMessage};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::fetching::SourceEvent;
use super::link::PeerLink;
use super::reader::{LinkError, MIN_BLOCK_RATE};
use crate::throttle::SharedPeerLimiter;
use crate::transport::{BufferPool, SlotClaim, Uploads};

/// How often those who wait for a block are notified of what has arrived of it.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// A quiet connection is kept alive this often, or closed if neither side uses it.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_mins(1);

/// What reading blocks needs, whichever connection of a link they arrive on.
#[derive(Debug, Clone)]
pub(super) struct BlockIntake {
    pub(super) link: PeerLink,
    pub(super) buffers: BufferPool,
    pub(super) uploads: Uploads,
    pub(super) limiter: SharedPeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
}

/// The reading half of a connection, with what was read and not used yet.
#[derive(Debug)]
pub(super) struct BlockReader {
    pub(super) stream: OwnedReadHalf,
    pub(super) buffer: FrameBuffer,
    pub(super) intake: BlockIntake,
}

impl BlockReader {
    /// Reads the bytes of a block whose message was read.
    pub(super) async fn receive(&mut self, reference: BlockRef) -> Result<(), LinkError> {
        let BlockIntake { link, buffers, uploads, limiter: lane, claim } = &self.intake;
        // Only now is the length believed: it is that of a request of ours.
        let Some(listener) = link.shared.fetches.answered(reference) else {
            return Err(LinkError::Violation { what: "it sent a block that it was not asked for" });
        };
        let length = reference.length as usize;
        let mut data = buffers.take(length);
        data.vec().extend_from_slice(self.buffer.take_raw(length));
        // What came with the message is counted as well: small files come like that as a whole.
        let (mut passed, mut progress) = (0, ReadProgress::begin(Instant::now()));
        while passed < length || data.bytes().len() < length {
            let here = data.bytes().len();
            if here >= passed {
                let asked = Instant::now();
                passed += lane.acquire(length - passed).await;
                progress.exclude(asked.elapsed());
                continue;
            }
            let mut place = data.vec().limit(passed - here);
            let reading = tokio::time::timeout(MIN_BLOCK_RATE.1, self.stream.read_buf(&mut place)).await;
            if reading.map_err(|_| LinkError::TooSlow)?? == 0 {
                return Err(LinkError::Closed);
            }
            if let Some(count) = progress.take_unreported(data.bytes().len() as u64, Instant::now())? {
                uploads.add_received(count);
                claim.received(count);
                if let Some((source, events)) = &listener {
                    let _ = events.send((*source, SourceEvent::Bytes { count })).await;
                }
                link.shared.fetches.notify_held_up(Some(reference.channel));
                if progress.take_keep_alive_due(Instant::now()) {
                    link.shared.queue.push(PeerMessage::KeepAlive);
                }
            }
        }
        let count = length as u64 - progress.reported;
        uploads.add_received(count);
        claim.received(count);
        if let Some((source, events)) = listener {
            let _ = events.send((source, SourceEvent::Block { reference, data, count })).await;
        }
        Ok(())
    }
}

/// How a block comes in.
#[derive(Debug)]
struct ReadProgress {
    started_at: Instant,
    reported_at: Instant,
    /// The bytes that those who wait for the block know of.
    reported: u64,
    /// When the other side last heard of us, as far as is known here.
    alive_at: Instant,
}

impl ReadProgress {
    const fn begin(now: Instant) -> Self {
        Self { started_at: now, reported_at: now, reported: 0, alive_at: now }
    }

    /// Leaves a time out that was no fault of the other side.
    fn exclude(&mut self, time: Duration) {
        self.started_at += time;
    }

    /// Returns true if a keep-alive is due to the other side, which may receive nothing else while its block arrives.
    fn take_keep_alive_due(&mut self, now: Instant) -> bool {
        let is_long = now.saturating_duration_since(self.alive_at) >= KEEP_ALIVE_INTERVAL;
        if is_long {
            self.alive_at = now;
        }
        is_long
    }

    /// Takes in how many bytes are here; returns how many of them to tell of now.
    fn take_unreported(&mut self, here: u64, now: Instant) -> Result<Option<u64>, LinkError> {
        if now.saturating_duration_since(self.reported_at) < REPORT_INTERVAL {
            return Ok(None);
        }
        let taken = now.saturating_duration_since(self.started_at);
        if taken >= MIN_BLOCK_RATE.1 && here < MIN_BLOCK_RATE.0 * taken.as_secs() {
            return Err(LinkError::TooSlow);
        }
        let count = here - self.reported;
        (self.reported, self.reported_at) = (here, now);
        Ok(Some(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_block_triggers_keep_alives() {
        let begun = Instant::now();
        let mut progress = ReadProgress::begin(begun);
        let told = (0..1800)
            .filter(|tenths| progress.take_keep_alive_due(begun + Duration::from_millis(tenths * 100)));
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn time_held_by_our_limit_is_not_blamed_on_the_peer() {
        let begun = Instant::now();
        let mut progress = ReadProgress::begin(begun);
        progress.exclude(Duration::from_secs(590));
        assert!(progress.take_unreported(10 << 10, begun + Duration::from_mins(10)).is_ok());
        assert!(progress.take_unreported(11 << 10, begun + Duration::from_secs(640)).is_err());
    }
}
