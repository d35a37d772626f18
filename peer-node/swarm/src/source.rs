use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::SNUB_TIMEOUT;
use super::have::Have;
use super::rate::RateMeter;
use super::request_window::RequestWindow;
use super::source_trial::SourceRecord;

/// Whoever was asked for all that it may owe is asked again when it has answered one part in so many: requests that go out
/// together cost both sides few system calls and the other one few wake-ups. From four rqbit seeders a download takes 2.1 s
/// a GiB like this, and 2.4 s with a new request for every block that comes.
const REFILL_DIVISOR: usize = 4;

/// How long a source that has turned a request down is asked for nothing: it may have too many waiting.
const REJECTION_PAUSE: Duration = Duration::from_millis(500);

/// A block is cut so that a connection of a source takes about this long for it: what is written behind it waits no longer, and
/// the window has some of them. Of several connections the slowest one decides when a piece is whole, so their blocks are shorter.
const BLOCK_TIME: Duration = Duration::from_millis(250);
const BLOCK_TIME_WITH_SEVERAL_CONNECTIONS: Duration = Duration::from_millis(100);

/// The longest block that is requested of a source whose rate is not known yet, in bytes; half of it if it has several connections.
const MAX_UNPROVEN_BLOCK: u32 = 256 << 10;

/// The longest pause between two requests to a source that answers none.
const MAX_REPEAT_DELAY: Duration = Duration::from_secs(20);

/// After so many rejections without a block between them a source rests, and while it is on trial.
const MAX_REJECTIONS: u32 = 8;
const MAX_REJECTIONS_ON_TRIAL: u32 = 2;

/// After so many rests without a block a source is left.
const MAX_PAUSES: u32 = 8;

/// A source of one content, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Numbers the sources of one content, whoever finds them; its clones count together.
#[derive(Debug, Clone, Default)]
pub struct SourceIds(Arc<AtomicU32>);

impl SourceIds {
    /// Returns a number that was not given before.
    pub fn next(&self) -> SourceId {
        SourceId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a source is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// It sent pieces that are not the content's.
    #[error("it sent wrong bytes")]
    BadData,
    /// It sent nothing for too long.
    #[error("it stopped sending")]
    Stalled,
    /// It turned down all that it was asked for, for too long.
    #[error("it turns all requests down")]
    Refusing,
}

/// Whether a source was asked for all that it may owe, and for nothing since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hysteresis {
    Refilling,
    Full,
}

/// What the engine knows of a source.
#[derive(Debug)]
pub(super) struct SwarmSource {
    pub(super) have: Have,
    /// How many of the pieces it has are missing here.
    pub(super) useful_pieces: usize,
    /// Whether it was told that we want something of it.
    is_interest_sent: bool,
    /// Whether it serves no requests for now.
    pub(super) choked: bool,
    pub(super) received: u64,
    pub(super) rate: RateMeter,
    pub(super) window: RequestWindow,
    /// The piece it was last asked for a block of.
    pub(super) filling: Option<PieceIndex>,
    /// What it was asked for and has not answered, with the time of the request.
    in_flight: BTreeMap<Block, Instant>,
    bytes_owed: u64,
    /// Bytes that have come of blocks that are not whole.
    partial_bytes: u64,
    hysteresis: Hysteresis,
    /// How many requests may wait there, if that is less than at others.
    max_requests: usize,
    /// When it last sent something, or was first asked after a pause.
    last_received_at: Instant,
    /// Until when it is asked for nothing, and how often that was since it last gave a block.
    paused_until: Option<Instant>,
    pauses: u32,
    /// How many requests it has rejected since it last gave a block.
    rejections: u32,
    /// How often its requests were taken for lost since it last sent a byte.
    unanswered: u32,
    /// The piece of its first failure.
    failed_piece: Option<PieceIndex>,
    record: SourceRecord,
    /// Whether others are asked for what it owes because it says nothing.
    is_benched: bool,
}

impl SwarmSource {
    pub(super) fn new(have: Have, choked: bool, useful: usize, block_length: u32, now: Instant) -> Self {
        let (pace, rate) = (RequestWindow::new(block_length, now), RateMeter::new(now));
        Self {
            have,
            useful_pieces: useful,
            is_interest_sent: true,
            choked,
            received: 0,
            rate,
            window: pace,
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

    /// Says whether it is to be told that we want something of it, or nothing more, if that has changed.
    pub(super) fn interest_changed(&mut self) -> Option<bool> {
        let on = self.useful_pieces > 0;
        (std::mem::replace(&mut self.is_interest_sent, on) != on).then_some(on)
    }

    /// Notes how many requests may wait there.
    pub(super) const fn limit_requests(&mut self, most: usize) {
        self.max_requests = most;
    }

    /// Says whether it may be asked for one more block, when it may owe so many.
    pub(super) fn has_room(&self, max_requests: usize) -> bool {
        let (mut requests, mut bytes) = (max_requests.min(self.max_requests), self.window.bytes());
        if self.hysteresis == Hysteresis::Full {
            requests -= requests / REFILL_DIVISOR;
            bytes -= bytes / REFILL_DIVISOR as u64;
        }
        let is_ready = !self.choked && self.paused_until.is_none();
        let in_flight = self.bytes_owed.saturating_sub(self.partial_bytes);
        is_ready && self.in_flight.len() < requests && (!self.owes() || in_flight < bytes)
    }

    /// Lets it rest after it has turned a request down; says whether it may stay: it has not done that too often.
    pub(super) fn turned_down(&mut self, now: Instant) -> bool {
        if self.paused_until.is_none() {
            self.paused_until = Some(now + REJECTION_PAUSE);
            self.pauses = self.pauses.saturating_add(1);
        }
        self.pauses <= MAX_PAUSES
    }

    /// Notes that it has rejected a request for good. One that rejects many in a row, or several while it is on trial, rests like
    /// one that turns them down for now; returns whether it may stay.
    pub(super) fn rejected(&mut self, is_on_trial: bool, now: Instant) -> bool {
        self.rejections = self.rejections.saturating_add(1);
        let most = if is_on_trial { MAX_REJECTIONS_ON_TRIAL } else { MAX_REJECTIONS };
        self.rejections < most || self.turned_down(now)
    }

    /// Says whether it rests.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Ends its rest if that is over; says whether it is.
    pub(super) fn try_end_pause(&mut self, now: Instant) -> bool {
        self.paused_until.take_if(|until| *until <= now).is_some()
    }

    /// Notes that it was asked for all that it may owe.
    pub(super) const fn mark_full(&mut self) {
        self.hysteresis = Hysteresis::Full;
    }

    /// Takes in the verdict on a piece that it had a hand in.
    pub(super) const fn verdict_received(&mut self, good: bool) {
        self.record = self.record.after(good);
    }

    /// Returns true until a piece that it contributed to was verified.
    pub(super) const fn is_untested(&self) -> bool {
        matches!(self.record, SourceRecord::Untested)
    }

    /// Says whether the last verdict on a piece that it had a hand in was good.
    pub(super) const fn is_proven(&self) -> bool {
        matches!(self.record, SourceRecord::Proven(_))
    }

    /// Returns how many pieces that it had a hand in were good since the last bad one.
    pub(super) const fn valid_in_a_row(&self) -> u32 {
        if let SourceRecord::Proven(pieces) = self.record { pieces } else { 0 }
    }

    /// Notes whether others are asked for what it owes because it says nothing.
    pub(super) const fn set_benched(&mut self, on: bool) {
        self.is_benched = on;
    }

    /// Returns true while others are asked for what it owes because it sends nothing.
    pub(super) const fn is_benched(&self) -> bool {
        self.is_benched
    }

    /// Returns the blocks that it was asked for and has not answered, with the time of the request.
    pub(super) fn owed(&self) -> impl Iterator<Item = (Block, Instant)> {
        self.in_flight.iter().map(|(block, since)| (*block, *since))
    }

    pub(super) fn blocks_owed(&self) -> Vec<Block> {
        self.in_flight.keys().copied().collect()
    }

    pub(super) const fn bytes_owed(&self) -> u64 {
        self.bytes_owed
    }

    /// Estimates how many seconds it takes for so many bytes at its present rate.
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

    /// Says whether it owes a block of a piece: one of an earlier attempt, perhaps, that it was told to forget.
    pub(super) fn owes_piece(&self, piece: PieceIndex) -> bool {
        let first = Block { piece, begin: 0, length: 0 };
        self.in_flight.range(first..).next().is_some_and(|(block, _)| block.piece == piece)
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
    }

    pub(super) fn bytes_arrived(&mut self, bytes: u64, now: Instant) {
        self.received += bytes;
        self.rate.add(bytes, now);
        self.partial_bytes += bytes;
        self.unanswered = 0;
        self.window.arrived(bytes, now);
        self.last_received_at = now;
    }

    /// Takes in the round-trip time of the path to it, and over how many connections it sends.
    pub(super) fn measured(&mut self, rtt: Duration, connections: usize) {
        self.window.measured(rtt, connections);
    }

    /// Returns how long the blocks of a piece should be that it is asked for, within these bounds: a power of two.
    pub(super) fn block_length(&self, least: u32, most: u32) -> u32 {
        let connections = self.window.connections();
        let (time, unproven) = if connections > 1 {
            (BLOCK_TIME_WITH_SEVERAL_CONNECTIONS, MAX_UNPROVEN_BLOCK / 2)
        } else {
            (BLOCK_TIME, MAX_UNPROVEN_BLOCK)
        };
        let wanted = self.window.settled_rate().map_or(u64::from(unproven), |rate| {
            let bytes = u128::from(rate / connections) * time.as_millis() / 1000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        });
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).max(1);
        (1 << wanted.ilog2()).clamp(least.min(most), most)
    }

    pub(super) fn answered(&mut self, block: Block, with_data: bool, now: Instant) {
        if with_data {
            self.partial_bytes = self.partial_bytes.saturating_sub(block.length.into());
        }
        let Some(since) = self.in_flight.remove(&block) else { return };
        if self.in_flight.is_empty() {
            self.partial_bytes = 0;
        }
        self.bytes_owed -= u64::from(block.length);
        self.last_received_at = now;
        if with_data {
            (self.pauses, self.rejections) = (0, 0);
            self.window.block_took(now.saturating_duration_since(since));
        }
    }

    /// Returns how long it has owed us something without sending a byte.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        if self.owes() { now.saturating_duration_since(self.last_received_at) } else { Duration::ZERO }
    }

    pub(super) fn is_snubbing(&self, now: Instant) -> bool {
        self.silent_for(now) >= SNUB_TIMEOUT
    }

    /// Takes all that it owes for lost, and returns it. It may be asked for something else at once, since a request can get lost,
    /// and then after longer and longer pauses; a source that has stopped within a block first has to finish that.
    pub(super) fn give_up_requests(&mut self, after: Duration, now: Instant) -> Vec<Block> {
        let is_within_block = self.partial_bytes > 0;
        let pause = after * 2u32.saturating_pow(self.unanswered.saturating_sub(1).min(8));
        if is_within_block || self.unanswered > 0 {
            let pause = if is_within_block { MAX_REPEAT_DELAY } else { pause.min(MAX_REPEAT_DELAY) };
            self.paused_until = Some(now + pause);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        (self.partial_bytes, self.bytes_owed) = (0, 0);
        std::mem::take(&mut self.in_flight).into_keys().collect()
    }

    /// Returns the piece that it was last asked for, if it has sent nothing since that was taken for lost.
    pub(super) const fn unanswered_piece(&self) -> Option<PieceIndex> {
        if self.unanswered > 0 { self.filling } else { None }
    }

    /// Ends the pause of a source that has answered after all, or serves anew.
    pub(super) const fn end_silence(&mut self) {
        (self.paused_until, self.unanswered) = (None, 0);
    }

    /// Notes that a piece it alone gave was bad; says whether that was once too often.
    pub(super) fn record_failure(&mut self, piece: PieceIndex) -> bool {
        self.failed_piece.replace(piece).is_some()
    }

    /// Says whether it may be asked for a piece: it has it, and has not given it wrongly before.
    pub(super) fn may_supply(&self, piece: PieceIndex) -> bool {
        self.have.has(piece) && self.failed_piece != Some(piece)
    }
}
