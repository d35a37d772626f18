//! Simulated sources and the blocks on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry, PieceIndex};
use protocol::seeded_random::SeededRandom;
use swarm::{Have, SourceId};

/// How a source behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// Sends what is requested.
    Honest,
    /// Sends wrong bytes, always or sometimes.
    Liar { one_in: u64 },
    /// Stops answering after some blocks.
    Staller { after: u64 },
    /// Disconnects after some blocks, and returns later.
    Leaver { after: u64 },
    /// Rejects some requests.
    Rejecter { one_in: u64 },
    /// Chokes now and then.
    Choker,
}

/// A source.
#[derive(Debug)]
pub(super) struct SimulatedSource {
    conduct: Conduct,
    /// Its pieces; all without a mask.
    mask: Option<u64>,
    /// Bytes per second.
    rate: u64,
    delay: Duration,
    busy_until: Instant,
    answered: u64,
    pub(super) is_banned: bool,
}

/// What arrives from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    Joined,
    Block(Block, bool),
    Rejected(Block),
    Choked,
    Unchoked,
    Left,
}

/// All sources and what is on its way from them.
#[derive(Debug)]
pub(super) struct SimulatedNetwork {
    geometry: Geometry,
    random: SeededRandom,
    sources: Vec<SimulatedSource>,
    /// Ordered by time and by number.
    arrivals: BTreeMap<(Instant, u64), (SourceId, Arrival)>,
    requests: BTreeSet<(SourceId, Block)>,
    last_number: u64,
}

impl SimulatedNetwork {
    /// Creates an honest source with all pieces and some sources of any kind.
    pub(super) fn new(geometry: Geometry, mut random: SeededRandom, now: Instant) -> Self {
        let mut sources = vec![SimulatedSource::new(Conduct::Honest, None, &mut random, now)];
        for _ in 0..random.next_u64() % 6 {
            let number = 1 + random.next_u64() % 40;
            let conduct = match random.next_u64() % 6 {
                0 => Conduct::Honest,
                1 => Conduct::Liar { one_in: number % 3 + 1 },
                2 => Conduct::Staller { after: number },
                3 => Conduct::Leaver { after: number },
                4 => Conduct::Rejecter { one_in: number % 4 + 1 },
                _ => Conduct::Choker,
            };
            let mask = random.next_u64();
            let mask = (!mask.is_multiple_of(3)).then_some(mask);
            sources.push(SimulatedSource::new(conduct, mask, &mut random, now));
        }
        let (arrivals, requests) = (BTreeMap::new(), BTreeSet::new());
        Self { geometry, random, sources, arrivals, requests, last_number: 0 }
    }

    /// Connects all sources that are not banned.
    pub(super) fn connect(&mut self, now: Instant) {
        self.arrivals.clear();
        self.requests.clear();
        for number in 0..self.sources.len() {
            let pause = Duration::from_millis(self.random.next_u64() % 2000);
            self.schedule(source_id(number), Arrival::Joined, now + pause);
        }
    }

    /// Returns the pieces of a source.
    pub(super) fn pieces_of(&self, id: SourceId) -> Have {
        let Some(mask) = self.sources[id.0 as usize].mask else { return Have::All };
        let mut have = Bitfield::empty(&self.geometry);
        for piece in self.geometry.pieces().filter(|piece| mask >> (piece.get() % 64) & 1 == 1) {
            have.insert(piece);
        }
        Have::Some(have)
    }

    /// Returns when something arrives next.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.arrivals.keys().next().map(|(at, _)| *at)
    }

    /// Takes what arrives next.
    pub(super) fn take_arrival(&mut self) -> Option<(SourceId, Arrival)> {
        let (_, (id, arrival)) = self.arrivals.pop_first()?;
        if let Arrival::Block(block, _) | Arrival::Rejected(block) = arrival {
            self.requests.remove(&(id, block));
        }
        Some((id, arrival))
    }

    pub(super) fn is_banned(&self, id: SourceId) -> bool {
        self.sources[id.0 as usize].is_banned
    }

    pub(super) fn request(&mut self, id: SourceId, block: Block, now: Instant) {
        assert!(self.requests.insert((id, block)), "{block:?} is requested twice from {id:?}");
        assert!(self.pieces_of(id).has(block.piece), "{id:?} does not have {block:?}");
        let draw = self.random.next_u64();
        let source = &mut self.sources[id.0 as usize];
        source.answered += 1;
        let time = Duration::from_micros(u64::from(block.length) * 1_000_000 / source.rate);
        source.busy_until = source.busy_until.max(now + source.delay) + time;
        let at = source.busy_until + source.delay;
        let answered = source.answered;
        let answer = match source.conduct {
            Conduct::Staller { after } if answered > after => return,
            Conduct::Leaver { after } if answered.is_multiple_of(after) => {
                self.schedule(id, Arrival::Left, at);
                return;
            }
            Conduct::Rejecter { one_in } if draw.is_multiple_of(one_in) => Arrival::Rejected(block),
            Conduct::Liar { one_in } => Arrival::Block(block, draw.is_multiple_of(one_in)),
            Conduct::Choker if draw.is_multiple_of(10) => {
                self.schedule(id, Arrival::Choked, at);
                self.schedule(id, Arrival::Unchoked, at + Duration::from_secs(1 + draw % 30));
                Arrival::Block(block, false)
            }
            _ => Arrival::Block(block, false),
        };
        self.schedule(id, answer, at);
    }

    /// Answers with a rejection if the block is not on its way yet.
    pub(super) fn cancel(&mut self, id: SourceId, block: Block, now: Instant) {
        let delay = self.sources[id.0 as usize].delay;
        let is_late = |(at, _): &(Instant, u64)| *at > now + delay * 2;
        let is_it = |(source, arrival): &(SourceId, Arrival)| {
            *source == id && matches!(arrival, Arrival::Block(other, _) if *other == block)
        };
        let found = self.arrivals.iter().find(|(at, arrival)| is_late(at) && is_it(arrival));
        if let Some(key) = found.map(|(key, _)| *key) {
            self.arrivals.remove(&key);
            self.schedule(id, Arrival::Rejected(block), now + delay * 2);
        }
    }

    /// Closes the connection to a source, which returns later unless it is banned.
    pub(super) fn disconnect(&mut self, id: SourceId, is_banned: bool, now: Instant) {
        self.sources[id.0 as usize].is_banned |= is_banned;
        self.sources[id.0 as usize].busy_until = now;
        self.arrivals.retain(|_, (source, _)| *source != id);
        self.requests.retain(|(source, _)| *source != id);
        self.schedule(id, Arrival::Joined, now + Duration::from_secs(5));
    }

    /// Returns the number of requests and answers that are held.
    pub(super) fn len(&self) -> usize {
        self.arrivals.len() + self.requests.len()
    }

    fn schedule(&mut self, id: SourceId, arrival: Arrival, at: Instant) {
        self.last_number += 1;
        self.arrivals.insert((at, self.last_number), (id, arrival));
    }
}

impl SimulatedSource {
    fn new(conduct: Conduct, mask: Option<u64>, random: &mut SeededRandom, now: Instant) -> Self {
        let rate = 20_000 + random.next_u64() % 400_000;
        let delay = Duration::from_millis(1 + random.next_u64() % 150);
        Self { conduct, mask, rate, delay, busy_until: now, answered: 0, is_banned: false }
    }
}

fn source_id(number: usize) -> SourceId {
    SourceId(u32::try_from(number).unwrap())
}

/// Returns the byte that fills a block on its way.
pub(super) const fn byte_of(piece: PieceIndex, is_wrong: bool) -> u8 {
    super::disk::correct_byte(piece) ^ if is_wrong { 0xff } else { 0 }
}
