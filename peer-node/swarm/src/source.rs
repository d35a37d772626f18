use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use protocol::backoff::BackoffRange;
use protocol::geometry::{Block, PieceIndex};

use super::SNUB_TIMEOUT;
use super::have::Have;
use super::rate::RateMeter;
use super::request_window::RequestWindow;
use super::source_record::SourceRecord;

/// A source whose pipeline was full is refilled once one part in this many has been answered. Sending requests in batches
/// saves system calls on both sides and wake-ups on the other (see docs/performance.md).
const REFILL_DIVISOR: usize = 4;

/// How long a source that rejected a request gets no further ones: its queue may be full.
const REJECTION_PAUSE: Duration = Duration::from_millis(500);

/// Blocks are sized so that one connection takes about this long for each: data queued behind a block waits no longer, and
/// the window holds several. With several connections the slowest one determines when a piece is complete, so blocks are shorter.
const BLOCK_TIME: Duration = Duration::from_millis(250);
const BLOCK_TIME_WITH_SEVERAL_CONNECTIONS: Duration = Duration::from_millis(100);

/// Maximum block length in bytes for a source with unknown rate; half of it if the source has several connections.
const MAX_UNPROVEN_BLOCK: u32 = 256 << 10;

/// Maximum delay between repeated requests to a source that does not answer.
const MAX_REPEAT_DELAY: Duration = Duration::from_secs(20);

/// Number of consecutive rejections after which a source pauses, in general and while on trial.
const MAX_REJECTIONS: u32 = 8;
const MAX_REJECTIONS_ON_TRIAL: u32 = 2;

/// Number of pauses without a block in between after which a source is disconnected.
const MAX_PAUSES: u32 = 8;

const _: () = assert!(REFILL_DIVISOR > 1, "a full pipeline is refilled before it is empty");
const _: () = assert!(MAX_UNPROVEN_BLOCK.is_power_of_two(), "block lengths are powers of two");
const _: () =
    assert!(MAX_REJECTIONS_ON_TRIAL <= MAX_REJECTIONS, "a trial allows no more than normal operation");
const _: () = assert!(BLOCK_TIME_WITH_SEVERAL_CONNECTIONS.as_millis() <= BLOCK_TIME.as_millis());

/// A source of one content, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Allocates source ids for one content; clones share the counter.
#[derive(Debug, Clone, Default)]
pub struct SourceIds(Arc<AtomicU32>);

impl SourceIds {
    /// Returns an unused id.
    pub fn next(&self) -> SourceId {
        SourceId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a source is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// It sent pieces that failed verification.
    #[error("it sent wrong bytes")]
    BadData,
    /// It sent nothing for too long.
    #[error("it stopped sending")]
    Stalled,
    /// It rejected all requests for too long.
    #[error("it rejects all requests")]
    Refusing,
}

/// Whether the request pipeline of a source is being refilled or was filled to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hysteresis {
    Refilling,
    Full,
}

/// The engine's state of one source.
#[derive(Debug)]
pub(super) struct SwarmSource {
    pub(super) have: Have,
    /// Number of its pieces that are missing here.
    pub(super) useful_pieces: usize,
    /// Whether our interest was sent to it.
    is_interest_sent: bool,
    /// Whether it chokes us.
    pub(super) choked: bool,
    pub(super) received: u64,
    pub(super) rate: RateMeter,
    pub(super) window: RequestWindow,
    /// The piece of the block that was last requested from it.
    pub(super) filling: Option<PieceIndex>,
    /// Unanswered requests with their times.
    in_flight: BTreeMap<Block, Instant>,
    bytes_owed: u64,
    /// Bytes received of incomplete blocks.
    partial_bytes: u64,
    hysteresis: Hysteresis,
    /// Limit for its outstanding requests, if lower than the general one.
    max_requests: usize,
    /// When it last sent something, or was asked again after owing nothing.
    last_received_at: Instant,
    /// End of its current pause, and the number of pauses since its last block.
    paused_until: Option<Instant>,
    pauses: u32,
    /// Number of rejections since its last block.
    rejections: u32,
    /// Number of times its requests were considered lost since its last byte.
    unanswered: u32,
    /// The piece of its first failure.
    failed_piece: Option<PieceIndex>,
    record: SourceRecord,
    /// Whether other sources are asked for what it owes because it is silent.
    is_benched: bool,
}

impl SwarmSource {
    pub(super) fn new(have: Have, choked: bool, useful: usize, block_length: u32, now: Instant) -> Self {
        let (window, rate) = (RequestWindow::new(block_length, now), RateMeter::new(now));
        Self {
            have,
            useful_pieces: useful,
            is_interest_sent: true,
            choked,
            received: 0,
            rate,
            window,
            filling: None,
            in_flight: BTreeMap::new(),
            bytes_owed: 0,
            partial_bytes: 0,
            hysteresis: Hysteresis::Refilling,
            max_requests: usize::MAX,
            last_received_at: now,
            paused_until: None,
            pauses: 0,
            rejections: 0,
            unanswered: 0,
            failed_piece: None,
            record: SourceRecord::Untested,
            is_benched: false,
        }
    }

    /// Returns our new interest in the source, if it has changed.
    pub(super) fn interest_changed(&mut self) -> Option<bool> {
        let on = self.useful_pieces > 0;
        (std::mem::replace(&mut self.is_interest_sent, on) != on).then_some(on)
    }

    /// Sets the limit for its outstanding requests.
    pub(super) const fn limit_requests(&mut self, max_requests: usize) {
        self.max_requests = max_requests;
    }

    /// Returns true if another block can be requested from it, given the general limit on requests.
    pub(super) fn has_room(&self, max_requests: usize) -> bool {
        // Both limits hold: the peer bounds the number of requests, and the window bounds their bytes.
        let (mut requests, mut bytes) = (max_requests.min(self.max_requests), self.window.bytes());
        // A full pipeline is refilled only after part of it was answered, so that requests go out in batches.
        if self.hysteresis == Hysteresis::Full {
            requests -= requests / REFILL_DIVISOR;
            bytes -= bytes / REFILL_DIVISOR as u64;
        }
        let is_ready = !self.choked && self.paused_until.is_none();
        // What has arrived of unfinished blocks is no longer in flight.
        let in_flight = self.bytes_owed.saturating_sub(self.partial_bytes);
        // A block longer than the window is requested if nothing else is, or nothing ever would be.
        is_ready && self.in_flight.len() < requests && (!self.owes() || in_flight < bytes)
    }

    /// Pauses it after a rejection. Returns false if it has paused too often and should be disconnected.
    pub(super) fn refused_for_now(&mut self, now: Instant) -> bool {
        // Rejections of requests that were sent before the pause count as one.
        if self.paused_until.is_none() {
            self.paused_until = Some(now + REJECTION_PAUSE);
            self.pauses = self.pauses.saturating_add(1);
        }
        self.pauses <= MAX_PAUSES
    }

    /// Records a final rejection. A source that rejects many requests in a row, or several while on trial, pauses as after a
    /// temporary rejection. Returns false if it should be disconnected.
    pub(super) fn rejected(&mut self, is_on_trial: bool, now: Instant) -> bool {
        self.rejections = self.rejections.saturating_add(1);
        let limit = if is_on_trial { MAX_REJECTIONS_ON_TRIAL } else { MAX_REJECTIONS };
        self.rejections < limit || self.refused_for_now(now)
    }

    /// Returns true while it pauses.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Returns when its current pause ends.
    pub(super) const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Ends its pause if that has expired. Returns true if it ended.
    pub(super) fn try_end_pause(&mut self, now: Instant) -> bool {
        self.paused_until.take_if(|until| *until <= now).is_some()
    }

    /// Marks its pipeline as full.
    pub(super) const fn mark_full(&mut self) {
        self.hysteresis = Hysteresis::Full;
    }

    /// Records the verification result of a piece that it contributed to.
    pub(super) const fn verdict_received(&mut self, good: bool) {
        self.record = self.record.after(good);
    }

    /// Returns true until a piece that it contributed to was verified.
    pub(super) const fn is_untested(&self) -> bool {
        matches!(self.record, SourceRecord::Untested)
    }

    /// Returns true if the latest piece that it contributed to was valid.
    pub(super) const fn is_proven(&self) -> bool {
        matches!(self.record, SourceRecord::Proven(_))
    }

    /// Returns the number of valid pieces that it contributed to since the last invalid one.
    pub(super) const fn valid_in_a_row(&self) -> u32 {
        if let SourceRecord::Proven(pieces) = self.record { pieces } else { 0 }
    }

    /// Sets whether other sources are asked for what it owes because it is silent.
    pub(super) const fn set_benched(&mut self, on: bool) {
        self.is_benched = on;
    }

    /// Returns true while other sources are asked for what it owes because it is silent.
    pub(super) const fn is_benched(&self) -> bool {
        self.is_benched
    }

    /// Returns its unanswered requests with their times.
    pub(super) fn owed(&self) -> impl Iterator<Item = (Block, Instant)> {
        self.in_flight.iter().map(|(block, since)| (*block, *since))
    }

    pub(super) fn blocks_owed(&self) -> Vec<Block> {
        self.in_flight.keys().copied().collect()
    }

    pub(super) const fn bytes_owed(&self) -> u64 {
        self.bytes_owed
    }

    /// Estimates how many seconds it needs for `bytes` at its current rate.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn time_for(&self, bytes: u64, now: Instant) -> f64 {
        bytes as f64 / self.rate.rate(now).max(1.0)
    }

    pub(super) fn owes(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub(super) fn owes_block(&self, block: Block) -> bool {
        self.in_flight.contains_key(&block)
    }

    /// Returns true if it owes a block of the piece, possibly from an earlier, cancelled attempt.
    pub(super) fn owes_piece(&self, piece: PieceIndex) -> bool {
        self.in_flight.range(Block::first_byte(piece)..).next().is_some_and(|(block, _)| block.piece == piece)
    }

    pub(super) fn requested(&mut self, block: Block, now: Instant) {
        if self.in_flight.is_empty() {
            self.last_received_at = now;
            self.window.restart_round(now);
        }
        self.hysteresis = Hysteresis::Refilling;
        self.filling = Some(block.piece);
        if self.in_flight.insert(block, now).is_none() {
            self.bytes_owed += u64::from(block.length);
        }
        debug_assert!(self.bytes_owed >= u64::from(block.length), "what is requested is owed");
    }

    pub(super) fn bytes_arrived(&mut self, bytes: u64, now: Instant) {
        self.received += bytes;
        self.rate.add(bytes, now);
        // Bytes of a block count before it is complete; otherwise long blocks would look like silence.
        self.partial_bytes += bytes;
        self.unanswered = 0;
        self.window.arrived(bytes, now);
        self.last_received_at = now;
    }

    /// Sets the round-trip time of the path to it and the number of its connections.
    pub(super) fn measured(&mut self, rtt: Duration, connections: usize) {
        self.window.measured(rtt, connections);
    }

    /// Returns the block length for pieces requested from it, between the bounds: a power of two.
    pub(super) fn block_length(&self, min: u32, max: u32) -> u32 {
        // Blocks queue on every connection, so each should take the same time whatever the number of connections.
        let connections = self.window.connections();
        let (time, unproven) = if connections > 1 {
            (BLOCK_TIME_WITH_SEVERAL_CONNECTIONS, MAX_UNPROVEN_BLOCK / 2)
        } else {
            (BLOCK_TIME, MAX_UNPROVEN_BLOCK)
        };
        // Before the rate is settled, a long block could occupy a slow source for minutes.
        let wanted = self.window.settled_rate().map_or(u64::from(unproven), |rate| {
            let bytes = u128::from(rate / connections) * time.as_millis() / 1000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        });
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).max(1);
        // A power of two divides the piece evenly, and all sources can agree on the boundaries.
        (1 << wanted.ilog2()).clamp(min.min(max), max)
    }

    pub(super) fn answered(&mut self, block: Block, with_data: bool, now: Instant) {
        if with_data {
            self.partial_bytes = self.partial_bytes.saturating_sub(block.length.into());
        }
        // An answer to a request that was given up changes nothing else.
        let Some(since) = self.in_flight.remove(&block) else { return };
        if self.in_flight.is_empty() {
            self.partial_bytes = 0;
        }
        debug_assert!(self.bytes_owed >= u64::from(block.length), "a block is owed until it is answered");
        self.bytes_owed -= u64::from(block.length);
        debug_assert_eq!(
            self.bytes_owed == 0,
            self.in_flight.is_empty(),
            "exactly the unanswered blocks are owed"
        );
        self.last_received_at = now;
        if with_data {
            // Only rejections without a block in between count.
            (self.pauses, self.rejections) = (0, 0);
            self.window.block_took(now.saturating_duration_since(since));
        }
    }

    /// Returns since when it has owed us something without sending a byte.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.owes().then_some(self.last_received_at)
    }

    /// Returns how long it has owed us something without sending a byte.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        self.silent_since().map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub(super) fn is_snubbing(&self, now: Instant) -> bool {
        self.silent_for(now) >= SNUB_TIMEOUT
    }

    /// Considers all its requests lost and returns their blocks. The first time it may be asked again at once, since a request
    /// can get lost; then after growing delays. A source that stopped within a block must finish it first.
    pub(super) fn give_up_requests(&mut self, after: Duration, now: Instant) -> Vec<Block> {
        // The rest of that block would be taken for the beginning of the next one.
        let is_within_block = self.partial_bytes > 0;
        // Without jitter: the requests go to one peer over an open connection, so there is nobody to take turns with.
        let pause = BackoffRange::new(after, MAX_REPEAT_DELAY * 2).base(self.unanswered.saturating_sub(1));
        if is_within_block || self.unanswered > 0 {
            let pause = if is_within_block { MAX_REPEAT_DELAY } else { pause };
            debug_assert!(pause <= MAX_REPEAT_DELAY, "half of the range's maximum is the longest delay");
            self.paused_until = Some(now + pause);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        // Whatever still arrives is judged by the piece that it belongs to.
        (self.partial_bytes, self.bytes_owed) = (0, 0);
        std::mem::take(&mut self.in_flight).into_keys().collect()
    }

    /// Returns the piece last requested from it, if it has sent nothing since those requests were considered lost.
    pub(super) const fn unanswered_piece(&self) -> Option<PieceIndex> {
        if self.unanswered > 0 { self.filling } else { None }
    }

    /// Ends the pause of a source that has answered after all or unchoked us.
    pub(super) const fn end_silence(&mut self) {
        (self.paused_until, self.unanswered) = (None, 0);
    }

    /// Records that a piece filled by it alone was bad. Returns true if it was not the first one.
    pub(super) fn record_failure(&mut self, piece: PieceIndex) -> bool {
        self.failed_piece.replace(piece).is_some()
    }

    /// Returns true if a piece may be requested from it: it has the piece and has not sent it wrong before.
    pub(super) fn may_supply(&self, piece: PieceIndex) -> bool {
        self.have.has(piece) && self.failed_piece != Some(piece)
    }
}
