//! CPU cost of the swarm engine alone, without sockets, hashing and disks: `cargo bench -p peer-node --bench engine`.
//!
//! Each download is 1 GiB from sources that answer at once, in order and in batches of sixteen blocks, like the reads of a
//! fast connection. Every figure is the best of several samples, in CPU time where the kernel counts it (Linux), and
//! includes the cost of the simulated sources.

#![allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot start has no result")]
#![allow(clippy::cast_precision_loss, reason = "the figures have three digits")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry};
use protocol::seeded_random::SeededRandom;
use swarm::{Have, OverduePolicy, PieceOrder, SourceId, Swarm, SwarmAction, SwarmConfig};

const SIZE: u64 = 1 << 30;
const CONFIG: SwarmConfig = SwarmConfig {
    block_length: 16 << 10,
    min_block: 16 << 10,
    max_requests: 250,
    budget: 32 << 20,
    max_on_trial: None,
    order: PieceOrder::Rarest,
    overdue: OverduePolicy::Duplicate,
    seed: 1,
};

/// Blocks per sample, and number of samples. The best one counts.
const BLOCKS_PER_SAMPLE: usize = 60_000;
const SAMPLES: usize = 3;

/// Maximum number of blocks per read.
const BLOCKS_PER_READ: usize = 16;

/// Simulated time per read.
const READ_DURATION: Duration = Duration::from_micros(100);

fn main() {
    let counts = [1, 4, 50, 200];
    for (half, what) in [(false, "everything"), (true, "a random half")] {
        println!("Nanoseconds of the engine for each block, from sources that have {what}:\n");
        println!("{:30}{}", "sources", counts.map(|count| format!("{count:>8}")).concat());
        for (block, piece) in [
            (16 << 10, 16 << 10),
            (16 << 10, 256 << 10),
            (16 << 10, 1 << 20),
            (16 << 10, 4 << 20),
            (16 << 10, 16 << 20),
            (1 << 20, 1 << 20),
            (1 << 20, 16 << 20),
        ] {
            let costs = counts.map(|count| format!("{:8.0}", cost_of_download(piece, block, count, half)));
            println!("{:6} KiB in {:6} KiB       {}", block >> 10, piece >> 10, costs.concat());
        }
        println!();
    }
    println!("Microseconds for each, with 200 sources that have half of 65,536 pieces:\n");
    measure_membership_changes();
}

/// A download whose sources answer every request at once.
struct SimulatedDownload {
    swarm: Swarm,
    requested: BTreeMap<SourceId, VecDeque<Block>>,
    now: Instant,
    requests: usize,
}

impl SimulatedDownload {
    fn new(geometry: &Geometry, block_length: u32, haves: &[Have]) -> Self {
        let now = Instant::now();
        let config = SwarmConfig { block_length, ..CONFIG };
        let mut swarm = Swarm::new(*geometry, config, now, |_| false);
        let mut requested = BTreeMap::new();
        for (id, have) in (0..).map(SourceId).zip(haves) {
            swarm.source_joined(id, have.clone(), false, now);
            requested.insert(id, VecDeque::new());
        }
        Self { swarm, requested, now, requests: 0 }
    }

    fn perform_actions(&mut self) {
        while let Some(action) = self.swarm.poll(self.now) {
            match action {
                SwarmAction::Request { source, block } => {
                    self.requests += 1;
                    self.requested.get_mut(&source).expect("a source").push_back(block);
                }
                SwarmAction::Cancel { source, block } => {
                    let asked = self.requested.get_mut(&source).expect("a source");
                    asked.retain(|other| *other != block);
                    self.swarm.block_rejected(source, block, self.now);
                }
                SwarmAction::Verify { piece } => {
                    self.swarm.piece_checked(piece, true);
                }
                SwarmAction::Interest { .. } | SwarmAction::Drop { .. } => {}
                SwarmAction::Disconnect { source, reason } => {
                    unreachable!("{source:?} was disconnected: {reason}")
                }
            }
        }
    }

    /// Lets the sources send in turn until the download is complete.
    fn finish(mut self) -> usize {
        let sources: Vec<SourceId> = self.requested.keys().copied().collect();
        self.perform_actions();
        while !self.swarm.is_complete() {
            for id in &sources {
                let asked = self.requested.get_mut(id).expect("a source");
                let read: Vec<Block> = asked.drain(..asked.len().min(BLOCKS_PER_READ)).collect();
                let bytes = read.iter().map(|block| u64::from(block.length)).sum();
                self.now += READ_DURATION;
                if bytes > 0 {
                    self.swarm.bytes_arrived(*id, bytes, self.now);
                }
                for block in read {
                    self.swarm.block_arrived(*id, block, self.now);
                }
                self.perform_actions();
            }
        }
        self.requests
    }
}

/// Returns the engine's CPU time per block, in nanoseconds.
fn cost_of_download(piece_length: u32, block_length: u32, sources: u32, half: bool) -> f64 {
    let geometry = Geometry::new(SIZE, piece_length).expect("pieces that fit");
    let mut random = SeededRandom::from_seed(7);
    let haves: Vec<Have> = (0..sources)
        .map(
            |source| if half && source > 0 { Have::Some(half_of(&geometry, &mut random)) } else { Have::All },
        )
        .collect();
    let sample = || {
        let (mut requests, mut passed) = (0, 0.0);
        while requests < BLOCKS_PER_SAMPLE {
            let download = SimulatedDownload::new(&geometry, block_length, &haves);
            let from = cpu_seconds();
            requests += download.finish();
            passed += cpu_seconds() - from;
        }
        passed * 1e9 / requests as f64
    };
    std::iter::repeat_with(sample).take(SAMPLES).fold(f64::INFINITY, f64::min)
}

/// Prints the cost of sources that join, announce pieces and leave.
fn measure_membership_changes() {
    let geometry = Geometry::new(SIZE, 16 << 10).expect("pieces that fit");
    let mut random = SeededRandom::from_seed(7);
    let halves: Vec<(SourceId, Bitfield)> =
        (0..200).map(|id| (SourceId(id), half_of(&geometry, &mut random))).collect();
    let now = Instant::now();
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    let time = |what: &str, run: &mut dyn FnMut() -> usize| {
        let from = cpu_seconds();
        let count = run();
        println!("{what:30}{:10.3}", (cpu_seconds() - from) * 1e6 / count as f64);
    };
    time("sources that join", &mut || {
        for (id, half) in &halves {
            swarm.source_joined(*id, Have::Some(half.clone()), false, now);
        }
        halves.len()
    });
    while swarm.poll(now).is_some() {}
    time("pieces that they gain", &mut || {
        let gained = halves.iter().flat_map(|(id, half)| {
            geometry.pieces().filter(|piece| !half.has(*piece)).map(|piece| (*id, piece))
        });
        gained.map(|(id, piece)| swarm.source_has(id, piece)).count()
    });
    time("sources that are lost", &mut || halves.iter().map(|(id, _)| swarm.source_lost(*id)).count());
}

fn half_of(geometry: &Geometry, random: &mut SeededRandom) -> Bitfield {
    let mut half = Bitfield::empty(geometry);
    for piece in geometry.pieces().filter(|_| random.next_u64() >> 63 == 1) {
        half.insert(piece);
    }
    half
}

/// Returns the CPU time of this thread, or the wall-clock time where the kernel does not count it.
fn cpu_seconds() -> f64 {
    let counted = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
        Some(nanoseconds / 1e9)
    };
    let time = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
    counted().unwrap_or_else(time)
}
