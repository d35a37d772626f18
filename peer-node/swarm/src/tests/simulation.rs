//! Simulated swarms with a simulated clock: sources have rates and delays, lie and die.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;

/// A simulated source.
#[derive(Debug, Clone)]
pub(super) struct SimulatedSource {
    pub(super) have: Have,
    /// Bytes per second.
    pub(super) rate: f64,
    pub(super) delay: Duration,
    /// Which of its pieces are wrong.
    pub(super) lies: fn(PieceIndex) -> bool,
    /// Whether it rejects every request.
    pub(super) rejects: bool,
    /// Number of blocks after which it goes silent.
    pub(super) dies_after: usize,
    /// Unanswered requests.
    pub(super) owed: BTreeSet<Block>,
    pub(super) busy_until: Duration,
    /// Whether bytes of incomplete blocks are reported, and how many of the current one were.
    pub(super) drips: bool,
    pub(super) reported: u64,
}

impl SimulatedSource {
    pub(super) fn honest(rate: f64) -> Self {
        let (delay, owed) = (Duration::from_millis(5), BTreeSet::new());
        Self {
            have: Have::All,
            rate,
            delay,
            lies: |_| false,
            rejects: false,
            dies_after: usize::MAX,
            owed,
            busy_until: Duration::ZERO,
            drips: false,
            reported: 0,
        }
    }

    /// Returns a source that always sends something but never finishes.
    pub(super) fn trickling(rate: f64) -> Self {
        Self { drips: true, ..Self::honest(rate) }
    }

    fn time_for(&self, block: Block) -> Duration {
        Duration::from_secs_f64(f64::from(block.length) / self.rate)
    }
}

/// The result of a simulation.
#[derive(Debug, Default)]
pub(super) struct SwarmOutcome {
    pub(super) finished: Option<Duration>,
    pub(super) fetched: u64,
    pub(super) disconnected: BTreeMap<SourceId, DisconnectReason>,
    pub(super) history: Vec<(Duration, SourceId, Block)>,
}

/// A running simulation.
struct SwarmSimulation {
    start: Instant,
    now: Duration,
    swarm: Swarm,
    sources: Vec<SimulatedSource>,
    /// Blocks with known arrival times.
    arrivals: BTreeSet<(Duration, u32, Block)>,
    /// Which of the received blocks are wrong.
    wrong: BTreeMap<Block, bool>,
    /// Whether the swarm is polled before its deadlines too, which must have no effect.
    is_impatient: bool,
    outcome: SwarmOutcome,
}

/// Runs a swarm until it is complete, nothing more can happen, or ten minutes have passed.
pub(super) fn simulate(
    geometry: Geometry,
    config: SwarmConfig,
    sources: Vec<SimulatedSource>,
) -> SwarmOutcome {
    run(geometry, config, sources, false)
}

/// The same, and asserts that the swarm does nothing before its deadline unless an event occurs.
pub(super) fn simulate_impatiently(
    geometry: Geometry,
    config: SwarmConfig,
    sources: Vec<SimulatedSource>,
) -> SwarmOutcome {
    run(geometry, config, sources, true)
}

fn run(
    geometry: Geometry,
    config: SwarmConfig,
    sources: Vec<SimulatedSource>,
    is_impatient: bool,
) -> SwarmOutcome {
    let start = Instant::now();
    let mut swarm = Swarm::new(geometry, config, start, |_| false);
    for (number, source) in sources.iter().enumerate() {
        let id = SourceId(u32::try_from(number).unwrap());
        swarm.source_joined(id, source.have.clone(), false, start);
        swarm.source_measured(id, source.delay * 2, 1);
    }
    let (arrivals, wrong, outcome) = (BTreeSet::new(), BTreeMap::new(), SwarmOutcome::default());
    let mut simulation = SwarmSimulation {
        start,
        now: Duration::ZERO,
        swarm,
        sources,
        arrivals,
        wrong,
        is_impatient,
        outcome,
    };
    while simulation.now < Duration::from_mins(10) && simulation.step() {}
    simulation.outcome
}

impl SwarmSimulation {
    fn clock(&self) -> Instant {
        self.start + self.now
    }

    /// Performs all actions due now and advances to the next event. Returns false if there is none.
    fn step(&mut self) -> bool {
        while let Some(action) = self.swarm.poll(self.clock()) {
            self.carry_out(&action);
        }
        if self.swarm.is_complete() {
            self.outcome.finished = Some(self.now);
            return false;
        }
        if self.is_impatient {
            self.poll_early();
        }
        let Some(next) = self.next_step() else { return false };
        self.now = next.max(self.now);
        while let Some(first) = self.arrivals.first().copied().filter(|(at, ..)| *at <= self.now) {
            self.arrivals.remove(&first);
            self.arrive(first.1, first.2);
        }
        for number in 0..self.sources.len() {
            self.drip(number);
        }
        true
    }

    /// Returns the time of the next event or deadline.
    fn next_step(&self) -> Option<Duration> {
        let deadline = self.swarm.deadline().map(|deadline| deadline - self.start);
        let arrival = self.arrivals.first().map(|(at, ..)| *at);
        [deadline, arrival].into_iter().flatten().min()
    }

    /// Polls until shortly before the next event or deadline.
    fn poll_early(&mut self) {
        let until = self.next_step().unwrap_or(self.now + Duration::from_mins(1));
        let step = ((until.saturating_sub(self.now)) / 40).max(Duration::from_millis(7));
        let mut now = self.now + step;
        while now < until {
            assert_eq!(self.swarm.poll(self.start + now), None, "at {now:?}, before {until:?}");
            now += step;
        }
    }

    /// Reports the bytes received so far of the block that a source is sending.
    fn drip(&mut self, number: usize) {
        let source = u32::try_from(number).unwrap();
        let played = &mut self.sources[number];
        if !played.drips {
            return;
        }
        let next = self.arrivals.iter().find(|(_, other, _)| *other == source);
        let Some((at, _, block)) = next.copied() else { return };
        let whole = played.time_for(block);
        let elapsed = (self.now + whole).saturating_sub(at);
        let here = u128::from(block.length - 1) * elapsed.as_micros() / whole.as_micros().max(1);
        let news = u64::try_from(here).unwrap().saturating_sub(played.reported);
        if news > 0 {
            played.reported += news;
            self.swarm.bytes_arrived(SourceId(source), news, self.start + self.now);
        }
    }

    fn carry_out(&mut self, action: &SwarmAction) {
        match action {
            SwarmAction::Request { source, block } => self.request(*source, *block),
            SwarmAction::Cancel { source, block } => self.cancel(*source, *block),
            SwarmAction::Verify { piece } => {
                let mut here = self.wrong.iter().filter(|(block, _)| block.piece == *piece);
                let good = here.all(|(_, is_wrong)| !is_wrong);
                // The piece may be cut into other blocks next time.
                self.wrong.retain(|block, _| block.piece != *piece);
                self.swarm.piece_checked(*piece, good);
            }
            SwarmAction::Interest { source, on } => {
                assert!(!on && self.swarm.is_useless(*source), "interest in {source:?} is {on}");
            }
            SwarmAction::Drop { piece } => self.wrong.retain(|block, _| block.piece != *piece),
            SwarmAction::Disconnect { source, reason } => {
                self.outcome.disconnected.insert(*source, *reason);
                // Its connection is closed: blocks in flight still arrive, and nothing after them.
                let delay = self.sources[source.0 as usize].delay;
                self.arrivals.retain(|(at, number, _)| *number != source.0 || *at <= self.now + delay);
            }
        }
    }

    fn request(&mut self, source: SourceId, block: Block) {
        self.outcome.history.push((self.now, source, block));
        let played = &mut self.sources[source.0 as usize];
        assert!(played.have.has(block.piece), "asked for a piece that it does not have");
        let is_new = played.owed.insert(block);
        assert!(is_new || self.swarm.config.overdue != OverduePolicy::Duplicate, "asked twice");
        if played.dies_after > 0 {
            played.dies_after -= 1;
            played.busy_until = played.busy_until.max(self.now + played.delay) + played.time_for(block);
            self.arrivals.insert((played.busy_until + played.delay, source.0, block));
        }
    }

    /// Drops a block that is not being sent yet, and answers with a rejection.
    fn cancel(&mut self, source: SourceId, block: Block) {
        let played = &mut self.sources[source.0 as usize];
        let begun = self.now + played.time_for(block) + played.delay;
        let waits = |(at, number, other): &&(Duration, u32, Block)| {
            *number == source.0 && *other == block && *at > begun
        };
        if let Some(arrival) = self.arrivals.iter().find(waits).copied() {
            self.arrivals.remove(&arrival);
            played.owed.remove(&block);
            self.swarm.block_rejected(source, block, self.start + self.now);
        }
    }

    fn arrive(&mut self, number: u32, block: Block) {
        let (source, now) = (SourceId(number), self.clock());
        let played = &mut self.sources[number as usize];
        played.owed.remove(&block);
        if played.rejects {
            self.swarm.block_rejected(source, block, now);
            return;
        }
        self.outcome.fetched += u64::from(block.length);
        let reported = std::mem::take(&mut played.reported);
        self.swarm.bytes_arrived(source, u64::from(block.length).saturating_sub(reported), now);
        if self.swarm.block_arrived(source, block, now) {
            self.wrong.insert(block, (played.lies)(block.piece));
        }
    }
}
