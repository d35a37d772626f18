//! One simulated transfer, from start to end, over all its restarts.

use std::io;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::seeded_random::SeededRandom;
use swarm::{DisconnectReason, OverduePolicy, PieceOrder, SourceId, Swarm, SwarmConfig};

use super::disk::SimulatedDisk;
use super::network::{Arrival, SimulatedNetwork, byte_of};
use crate::transfer::alarm::now;
use crate::transfer::driver::{PieceDriver, PieceVerdict, SourceAction, Transfer, Wakeup, drive};
use crate::transfer::verification_queue::VerificationQueue;
use crate::transport::BufferPool;

const PIECE: u32 = 8 << 10;
const BLOCK: u32 = 2 << 10;

/// Maximum bytes of unfinished pieces.
const BUDGET: u64 = 8 * PIECE as u64;

/// The longest simulated time of one transfer.
const TIME_LIMIT: Duration = Duration::from_hours(2);

/// How a transfer handles a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureHandling {
    /// It leaves the loop, waits, and goes on with a new engine, as downloads and torrents do.
    Leave,
    /// It stays and requests nothing for a while, as closed groups do.
    Hold,
}

#[derive(Debug)]
struct SimulatedTransfer {
    pieces: PieceDriver<SimulatedDisk>,
    have: Bitfield,
    network: SimulatedNetwork,
    handling: FailureHandling,
    pool: BufferPool,
}

/// Simulates a transfer.
pub(super) fn simulate(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(run(seed));
}

async fn run(seed: u64) {
    let mut random = SeededRandom::from_seed(seed);
    let started = now();
    let size = 1 + random.next_u64() % (40 * u64::from(PIECE));
    let geometry = Geometry::new(size, PIECE).unwrap();
    let disk = SimulatedDisk::new(
        random.next_u64(),
        [0, 0, 5, 20][(random.next_u64() % 4) as usize],
        1 + random.next_u64() % 200,
    );
    let network = SimulatedNetwork::new(geometry, SeededRandom::from_seed(random.next_u64()), started);
    let handling =
        if random.next_u64().is_multiple_of(2) { FailureHandling::Leave } else { FailureHandling::Hold };
    let config = config(&mut random, seed);
    let have = Bitfield::empty(&geometry);
    let mut transfer = SimulatedTransfer {
        pieces: new_pieces(&geometry, config, &have, &disk),
        have,
        network,
        handling,
        pool: BufferPool::new(64),
    };
    loop {
        assert!(
            now() - started < TIME_LIMIT,
            "{} of {} pieces after hours",
            transfer.have.count(),
            geometry.piece_count()
        );
        transfer.network.connect(now());
        let stop_after = Duration::from_millis(500 + random.next_u64() % 60_000);
        match tokio::time::timeout(stop_after, drive(&mut transfer)).await {
            Ok(Ok(())) => break,
            Ok(Err(_)) => {
                transfer.settle().await;
                tokio::time::sleep(Duration::from_secs(3)).await;
                transfer.pieces.restart(engine(&geometry, config, &transfer.have), queue());
            }
            // The user stops the program.
            Err(_) if random.next_u64().is_multiple_of(2) => {
                transfer.settle().await;
                let have = transfer.have.clone();
                transfer.pieces.write_last_record(have.clone(), now()).await;
                let recorded = disk.recorded().unwrap_or_else(|| Bitfield::empty(&geometry));
                assert_eq!(recorded.count(), have.count(), "something verified is lost");
                transfer.reopen(&geometry, config, &disk);
            }
            // The program crashes.
            Err(_) => transfer.reopen(&geometry, config, &disk),
        }
    }
    for piece in geometry.pieces() {
        assert!(disk.is_correct(piece, geometry.length_of(piece)), "piece {piece:?} is wrong");
    }
}

fn config(random: &mut SeededRandom, seed: u64) -> SwarmConfig {
    let dialect = random.next_u64() % 3;
    SwarmConfig {
        block_length: if dialect == 2 { PIECE } else { BLOCK },
        min_block: if dialect == 2 { PIECE } else { BLOCK },
        max_requests: if dialect == 2 { 1 } else { 20 },
        budget: BUDGET,
        max_on_trial: (dialect == 0).then_some(8),
        order: if dialect == 2 { PieceOrder::Random } else { PieceOrder::Rarest },
        overdue: OverduePolicy::Duplicate,
        seed,
    }
}

fn engine(geometry: &Geometry, config: SwarmConfig, have: &Bitfield) -> Swarm {
    Swarm::new(*geometry, config, now(), |piece| have.has(piece))
}

fn queue() -> VerificationQueue {
    VerificationQueue::new(PIECE)
}

fn new_pieces(
    geometry: &Geometry,
    config: SwarmConfig,
    have: &Bitfield,
    disk: &SimulatedDisk,
) -> PieceDriver<SimulatedDisk> {
    PieceDriver::new(engine(geometry, config, have), queue(), std::sync::Arc::new(disk.clone()), now())
}

impl SimulatedTransfer {
    async fn settle(&mut self) {
        for piece in self.pieces.settle().await {
            assert!(self.have.insert(piece), "{piece:?} is counted twice");
        }
    }

    /// Starts again with what the record says.
    fn reopen(&mut self, geometry: &Geometry, config: SwarmConfig, disk: &SimulatedDisk) {
        self.have = disk.recorded().unwrap_or_else(|| Bitfield::empty(geometry));
        self.pieces = new_pieces(geometry, config, &self.have, disk);
    }
}

impl Transfer for SimulatedTransfer {
    type Store = SimulatedDisk;
    type Event = (SourceId, Arrival);
    type End = ();
    type Error = io::Error;

    fn pieces(&mut self) -> Option<&mut PieceDriver<SimulatedDisk>> {
        Some(&mut self.pieces)
    }

    fn have(&self) -> Option<&Bitfield> {
        Some(&self.have)
    }

    async fn next(&mut self) -> Wakeup<(SourceId, Arrival)> {
        let Self { pieces, network, .. } = self;
        let arrival = async {
            match network.next_arrival() {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            outcome = PieceDriver::next_outcome(Some(pieces)) => Wakeup::Disk(outcome),
            () = arrival => Wakeup::Event(network.take_arrival().unwrap()),
        }
    }

    fn handle(&mut self, (id, arrival): (SourceId, Arrival)) -> io::Result<Option<()>> {
        let now = now();
        match arrival {
            Arrival::Joined if self.network.is_banned(id) => {}
            Arrival::Joined => {
                let have = self.network.pieces_of(id);
                self.pieces.swarm_mut().source_joined(id, have, false, now);
            }
            Arrival::Block(block, is_wrong) => {
                self.pieces.swarm_mut().bytes_arrived(id, block.length.into(), now);
                let data = self.pool.copy_of(&vec![byte_of(block.piece, is_wrong); block.length as usize]);
                self.pieces.add_block(id, block, data, now);
            }
            Arrival::Rejected(block) => self.pieces.swarm_mut().block_rejected(id, block, now),
            Arrival::Choked => self.pieces.swarm_mut().source_choked(id),
            Arrival::Unchoked => self.pieces.swarm_mut().source_unchoked(id),
            Arrival::Left => {
                self.pieces.swarm_mut().source_lost(id);
                self.network.disconnect(id, false, now);
            }
        }
        Ok(None)
    }

    fn perform(&mut self, action: SourceAction, now: Instant) {
        match action {
            SourceAction::Request { source, block } => {
                assert!(!self.have.has(block.piece), "{block:?} is verified and fetched again");
                self.network.request(source, block, now);
            }
            SourceAction::Cancel { source, block } => self.network.cancel(source, block, now),
            SourceAction::Interest { .. } => {}
            SourceAction::Disconnect { source, reason } => {
                let is_banned = reason == DisconnectReason::BadData;
                assert!(!is_banned || source != SourceId(0), "the honest source is banned");
                self.network.disconnect(source, is_banned, now);
            }
        }
    }

    fn piece_checked(&mut self, piece: PieceIndex, verdict: PieceVerdict) {
        match verdict {
            PieceVerdict::Stored => assert!(self.have.insert(piece), "{piece:?} is counted twice"),
            PieceVerdict::Wrong { culprit } => {
                assert_ne!(culprit, Some(SourceId(0)), "the honest source is blamed");
            }
        }
    }

    fn write_failed(&mut self, error: io::Error, now: Instant) -> io::Result<()> {
        if self.handling == FailureHandling::Leave {
            return Err(error);
        }
        self.pieces.hold_until(now + Duration::from_secs(3));
        Ok(())
    }

    fn advance(&mut self, _now: Instant) -> io::Result<Option<()>> {
        let limit = 2 * BUDGET + 6 * 20 * u64::from(BLOCK);
        assert!(self.pieces.bytes_held() <= limit, "{} bytes held", self.pieces.bytes_held());
        assert!(self.network.len() <= 6 * 2 * (20 + 4) * 4, "{} requests", self.network.len());
        Ok(self.pieces.is_complete().then_some(()))
    }

    fn deadline(&mut self, _now: Instant) -> Option<Instant> {
        None
    }
}
