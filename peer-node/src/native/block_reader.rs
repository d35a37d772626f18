//! Reads the blocks that arrive on a connection into pooled buffers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use protocol::frame::FrameBuffer;
use protocol::peer::{BlockRef, PeerMessage};
use tokio::io::AsyncReadExt;

use super::fetching::SourceEvent;
use super::link::PeerLink;
use super::reader::{LinkError, MIN_BLOCK_RATE};
use crate::throttle::SharedPeerLimiter;
use crate::transport::{BufferPool, PeerReadHalf, SlotClaim, Uploads};

/// Interval at which a fetch is notified of the progress of an incoming block.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// Idle time after which a connection is kept alive, or closed if neither side uses it.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_mins(1);

/// What every connection of a link needs to receive blocks.
#[derive(Debug, Clone)]
pub(super) struct BlockIntake {
    pub(super) link: PeerLink,
    pub(super) buffers: BufferPool,
    pub(super) uploads: Uploads,
    pub(super) limiter: SharedPeerLimiter,
    pub(super) claim: Arc<SlotClaim>,
}

/// The reading half of a connection, with the bytes that were read ahead.
#[derive(Debug)]
pub(super) struct BlockReader {
    pub(super) stream: PeerReadHalf,
    pub(super) buffer: FrameBuffer,
    pub(super) intake: BlockIntake,
}

impl BlockReader {
    /// Reads the bytes of a block whose message has already been read.
    pub(super) async fn receive(&mut self, reference: BlockRef) -> Result<(), LinkError> {
        let BlockIntake { link, buffers, uploads, limiter, claim } = &self.intake;
        // The length is trusted only now: it matches one of our requests.
        let Some(listener) = link.shared.fetches.answered(reference) else {
            return Err(LinkError::Violation { what: "it sent a block that was not requested" });
        };
        let length = reference.length as usize;
        let mut data = buffers.take(length);
        data.vec().extend_from_slice(self.buffer.take_raw(length));
        // The limiter counts the bytes that arrived with the message too, because small files arrive that way completely.
        let (mut granted, mut progress) = (0, ReadProgress::begin(Instant::now()));
        while granted < length || data.bytes().len() < length {
            let received = data.bytes().len();
            if received >= granted {
                let waiting_since = Instant::now();
                granted += limiter.acquire(length - granted).await;
                progress.exclude(waiting_since.elapsed());
                continue;
            }
            let mut target = data.vec().limit(granted - received);
            let reading = tokio::time::timeout(MIN_BLOCK_RATE.1, self.stream.read_buf(&mut target)).await;
            // The timeout covers a stalled connection; `take_unreported` enforces the rate.
            if reading.map_err(|_| LinkError::TooSlow)?? == 0 {
                return Err(LinkError::Closed);
            }
            if let Some(count) = progress.take_unreported(data.bytes().len() as u64, Instant::now())? {
                uploads.add_received(count);
                claim.received(count);
                if let Some((source, events)) = &listener {
                    let _ = events.send((*source, SourceEvent::Bytes { count })).await;
                }
                // The peer cannot answer other requests on this connection until the block is complete.
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

/// The progress of one incoming block.
#[derive(Debug)]
struct ReadProgress {
    started_at: Instant,
    reported_at: Instant,
    /// Bytes that the fetch has been notified of.
    reported: u64,
    /// When we last sent something, as far as this reader knows.
    alive_at: Instant,
}

impl ReadProgress {
    const fn begin(now: Instant) -> Self {
        Self { started_at: now, reported_at: now, reported: 0, alive_at: now }
    }

    /// Excludes time in which the peer was not at fault.
    fn exclude(&mut self, time: Duration) {
        self.started_at += time;
    }

    /// Returns true if a keep-alive is due. The peer may receive nothing else from us while its block arrives.
    fn take_keep_alive_due(&mut self, now: Instant) -> bool {
        let is_long = now.saturating_duration_since(self.alive_at) >= KEEP_ALIVE_INTERVAL;
        if is_long {
            self.alive_at = now;
        }
        is_long
    }

    /// Records the number of bytes received so far. Returns how many bytes to report now, or an error if the block is too
    /// slow.
    fn take_unreported(&mut self, received: u64, now: Instant) -> Result<Option<u64>, LinkError> {
        if now.saturating_duration_since(self.reported_at) < REPORT_INTERVAL {
            return Ok(None);
        }
        let taken = now.saturating_duration_since(self.started_at);
        if taken >= MIN_BLOCK_RATE.1 && received < MIN_BLOCK_RATE.0 * taken.as_secs() {
            return Err(LinkError::TooSlow);
        }
        let count = received - self.reported;
        (self.reported, self.reported_at) = (received, now);
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
        let keep_alives = (0..1800)
            .filter(|tenths| progress.take_keep_alive_due(begun + Duration::from_millis(tenths * 100)));
        assert_eq!(keep_alives.count(), 2);
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
