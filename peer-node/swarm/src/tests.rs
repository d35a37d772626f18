//! The engine in simulated swarms with a simulated clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use protocol::bitfield::Bitfield;

use super::schedule::CHECK_INTERVAL as TICK;
use super::*;
use simulation::{SimulatedSource, simulate};

mod choking;
mod deadline;
mod random_order;
mod repeating;
mod simulation;
mod trial;

const CONFIG: SwarmConfig = SwarmConfig {
    block_length: 1 << 20,
    min_block: 64 << 10,
    max_requests: 64,
    budget: 24 << 20,
    max_on_trial: None,
    order: PieceOrder::Rarest,
    overdue: OverduePolicy::Duplicate,
    seed: 1,
};

fn native(mib: u64) -> Geometry {
    Geometry::for_native(mib << 20).unwrap()
}

#[test]
fn four_sources_reach_their_full_rates() {
    let rates = [10e6, 20e6, 5e6, 40e6];
    let outcome = simulate(native(256), CONFIG, rates.map(SimulatedSource::honest).to_vec());
    let ideal = f64::from(256 << 20) / rates.iter().sum::<f64>();
    let took = outcome.finished.unwrap().as_secs_f64();
    assert!(took < ideal * 1.1, "{took} s of at best {ideal} s");
    assert!(outcome.fetched < (256 << 20) * 102 / 100, "{} bytes fetched", outcome.fetched);
}

#[test]
fn two_hundred_slow_sources_reach_their_full_rates() {
    let geometry = Geometry::new(64 << 20, 256 << 10).unwrap();
    let config = SwarmConfig { block_length: 16 << 10, max_requests: 250, ..CONFIG };
    let outcome = simulate(geometry, config, vec![SimulatedSource::honest(4e4); 200]);
    let ideal = f64::from(64 << 20) / (200.0 * 4e4);
    let took = outcome.finished.unwrap().as_secs_f64();
    assert!(took < ideal * 1.4, "{took} s of at best {ideal} s");
    assert!(outcome.fetched < (64 << 20) * 105 / 100, "{} bytes fetched", outcome.fetched);
}

#[test]
fn requests_go_out_in_batches() {
    let (geometry, mut now) = (Geometry::new(64 << 20, 1 << 20).unwrap(), Instant::now());
    let config = SwarmConfig { block_length: 16 << 10, max_requests: 40, ..CONFIG };
    let mut swarm = Swarm::new(geometry, config, now, |_| false);
    let id = SourceId(0);
    swarm.source_joined(id, Have::All, false, now);
    let mut waiting = VecDeque::new();
    let ask = |swarm: &mut Swarm, waiting: &mut VecDeque<Block>, now: Instant| {
        let before = waiting.len();
        while let Some(action) = swarm.poll(now) {
            match action {
                SwarmAction::Request { block, .. } => waiting.push_back(block),
                SwarmAction::Verify { piece } => drop(swarm.piece_checked(piece, true)),
                _ => {}
            }
        }
        waiting.len() - before
    };
    let mut batches = Vec::new();
    for _ in 0..200 {
        batches.extend(Some(ask(&mut swarm, &mut waiting, now)).filter(|count| *count > 0));
        let block = waiting.pop_front().unwrap();
        now += Duration::from_millis(1);
        swarm.bytes_arrived(id, block.length.into(), now);
        swarm.block_arrived(id, block, now);
    }
    assert!(batches.iter().rev().take(10).all(|count| *count == 11), "{batches:?}");
}

#[test]
fn request_limit_of_a_source_is_respected() {
    let (geometry, mut now) = (Geometry::new(64 << 20, 1 << 20).unwrap(), Instant::now());
    let config = SwarmConfig { block_length: 16 << 10, max_requests: 250, ..CONFIG };
    let mut swarm = Swarm::new(geometry, config, now, |_| false);
    let id = SourceId(0);
    swarm.source_joined(id, Have::All, false, now);
    swarm.source_limits_requests(id, 64);
    let (mut waiting, mut most) = (VecDeque::new(), 0);
    while !swarm.is_complete() {
        while let Some(action) = swarm.poll(now) {
            match action {
                SwarmAction::Request { block, .. } => waiting.push_back(block),
                SwarmAction::Verify { piece } => drop(swarm.piece_checked(piece, true)),
                _ => {}
            }
        }
        most = most.max(waiting.len());
        if let Some(block) = waiting.pop_front() {
            now += Duration::from_millis(1);
            swarm.bytes_arrived(id, block.length.into(), now);
            swarm.block_arrived(id, block, now);
        }
    }
    assert_eq!(most, 64);
}

#[test]
fn a_very_slow_source_does_not_hold_up_the_end() {
    let outcome =
        simulate(native(64), CONFIG, vec![SimulatedSource::honest(20e6), SimulatedSource::honest(2e4)]);
    assert!(outcome.finished.unwrap() < Duration::from_secs(5), "{:?}", outcome.finished);
}

#[test]
fn silent_source_is_duplicated_and_disconnected() {
    let dead = SimulatedSource { dies_after: 5, ..SimulatedSource::honest(20e6) };
    let outcome = simulate(native(1024), CONFIG, vec![dead, SimulatedSource::honest(20e6)]);
    assert!(outcome.finished.is_some());
    assert_eq!(outcome.disconnected, BTreeMap::from([(SourceId(0), DisconnectReason::Stalled)]));
}

#[test]
fn only_the_liar_is_disconnected_at_little_cost() {
    let liar = SimulatedSource { lies: |_| true, ..SimulatedSource::honest(20e6) };
    let others =
        [SimulatedSource::honest(20e6), SimulatedSource::honest(20e6), SimulatedSource::honest(20e6)];
    let outcome = simulate(native(256), CONFIG, [vec![liar], others.to_vec()].concat());
    assert!(outcome.finished.is_some());
    assert_eq!(outcome.disconnected, BTreeMap::from([(SourceId(0), DisconnectReason::BadData)]));
    assert!(outcome.fetched < (256 << 20) * 102 / 100, "{} bytes fetched", outcome.fetched);
}

/// Lets a source send nothing but bad pieces of 1 MiB. Each is verified `lateness` blocks after its last one. Returns how much
/// was requested from it.
fn requested_from_a_liar(lateness: &[usize]) -> u64 {
    let (geometry, now) = (Geometry::new(64 << 20, 1 << 20).unwrap(), Instant::now());
    let config = SwarmConfig { block_length: 16 << 10, ..CONFIG };
    let mut swarm = Swarm::new(geometry, config, now, |_| false);
    swarm.source_joined(SourceId(0), Have::All, false, now);
    let (mut asked, mut came, mut waiting) = (0, 0, VecDeque::new());
    let (mut on_trial, mut lateness) = (VecDeque::new(), lateness.iter().cycle());
    loop {
        while let Some(action) = swarm.poll(now) {
            match action {
                SwarmAction::Request { block, .. } => {
                    asked += u64::from(block.length);
                    waiting.push_back(block);
                }
                SwarmAction::Verify { piece } => on_trial.push_back((piece, came + lateness.next().unwrap())),
                _ => {}
            }
        }
        let due = on_trial.pop_front_if(|(_, due)| *due <= came || waiting.is_empty());
        if let Some((piece, _)) = due {
            swarm.piece_checked(piece, false);
        } else if let Some(block) = waiting.pop_front() {
            came += 1;
            swarm.block_arrived(SourceId(0), block, now);
        } else {
            assert!(!swarm.is_complete());
            return asked;
        }
    }
}

#[test]
fn early_verdict_stops_requests_to_a_liar() {
    assert!(requested_from_a_liar(&[100, 200]) <= 3 << 20);
}

#[test]
fn without_an_honest_source_nothing_is_ever_complete() {
    let liar = SimulatedSource { lies: |_| true, ..SimulatedSource::honest(20e6) };
    let outcome = simulate(native(16), CONFIG, vec![liar.clone(), liar]);
    assert_eq!(outcome.finished, None);
    assert_eq!(outcome.disconnected.len(), 2);
}

#[test]
fn order_is_random_first_then_rarest_then_last() {
    let geometry = native(16);
    let mut most = Bitfield::full(&geometry);
    most.remove(geometry.piece(7).unwrap());
    let rare =
        SimulatedSource { have: Have::Some(Bitfield::full(&geometry)), ..SimulatedSource::honest(1e6) };
    let common = SimulatedSource { have: Have::Some(most), ..SimulatedSource::honest(1e6) };
    let mut firsts = BTreeSet::new();
    for seed in 0..16 {
        let config = SwarmConfig { seed, ..CONFIG };
        let outcome = simulate(geometry, config, vec![rare.clone(), common.clone(), common.clone()]);
        let mut of_first = outcome.history.iter().filter(|(_, source, _)| *source == SourceId(0));
        let first = of_first.next().unwrap().2.piece;
        assert!(first.get() == 7 || of_first.next().unwrap().2.piece.get() == 7);

        let outcome = simulate(geometry, config, vec![SimulatedSource::honest(1e6)]);
        firsts.insert(outcome.history[0].2.piece);
        assert_ne!(Some(outcome.history[0].2.piece), geometry.last_piece());
        assert_eq!(Some(outcome.history[1].2.piece), geometry.last_piece());
    }
    assert!(firsts.len() > 8, "{firsts:?}");
}

#[test]
fn history_depends_on_the_seed_alone() {
    let run = |seed| {
        let sources = vec![SimulatedSource::honest(3e6), SimulatedSource::honest(1e6)];
        simulate(native(16), SwarmConfig { seed, ..CONFIG }, sources).history
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn rejected_block_is_requested_elsewhere() {
    let (geometry, now) = (Geometry::for_native(512 << 10).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(SourceId(1), Have::All, false, now);
    let mut asked = Vec::new();
    while let Some(SwarmAction::Request { block, .. }) = swarm.poll(now) {
        asked.push(block);
    }
    for block in &asked {
        swarm.block_rejected(SourceId(1), *block, now);
    }
    assert_eq!(swarm.poll(now), Some(SwarmAction::Interest { source: SourceId(1), on: false }));
    assert_eq!(swarm.poll(now), None);
    assert_eq!(swarm.unavailable_pieces(), 2);
    swarm.source_joined(SourceId(2), Have::All, false, now);
    let again = std::iter::from_fn(|| swarm.poll(now)).count();
    assert_eq!(again, asked.len());
}

#[test]
fn the_budget_bounds_what_is_under_way() {
    let geometry = Geometry::for_native(100 << 30).unwrap();
    let now = Instant::now();
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    for id in 0..8 {
        swarm.source_joined(SourceId(id), Have::All, false, now);
    }
    let pieces: BTreeSet<PieceIndex> = std::iter::from_fn(|| swarm.poll(now))
        .filter_map(
            |action| if let SwarmAction::Request { block, .. } = action { Some(block.piece) } else { None },
        )
        .collect();
    assert_eq!(pieces.len(), 1, "a second piece of 16 MiB would exceed the budget of 24 MiB");
}

#[test]
fn rejections_in_every_piece_do_not_fill_the_memory() {
    let geometry = Geometry::for_native(16 << 30).unwrap();
    let (now, id, mut held) = (Instant::now(), SourceId(1), BTreeSet::new());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(id, Have::All, false, now);
    let mut refused = 0;
    while let Some(action) = swarm.poll(now) {
        match action {
            SwarmAction::Request { block, .. } if block.begin == 0 => {
                assert!(swarm.block_arrived(id, block, now));
                held.insert(block);
            }
            SwarmAction::Request { block, .. } => {
                swarm.block_rejected(id, block, now);
                refused += 1;
            }
            SwarmAction::Drop { piece } => held.retain(|block| block.piece != piece),
            SwarmAction::Interest { .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(held.len() as u64 <= (2 * CONFIG.budget) >> 20, "{} blocks held", held.len());
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn trickle_does_not_delay_a_solo_piece() {
    let geometry = Geometry::new(2 << 20, 2 << 20).unwrap();
    let (start, slow, fast) = (Instant::now(), SourceId(1), SourceId(2));
    let config = SwarmConfig { min_block: CONFIG.block_length, ..CONFIG };
    let mut swarm = Swarm::new(geometry, config, start, |_| false);
    swarm.source_joined(slow, Have::All, false, start);
    let first = geometry.block(0, 0, 1 << 20).unwrap();
    let second = geometry.block(0, 1 << 20, 1 << 20).unwrap();
    let asks = |source, block| Some(SwarmAction::Request { source, block });
    assert_eq!(swarm.poll(start), asks(slow, first));
    swarm.source_joined(fast, Have::All, false, start);
    assert_eq!(swarm.poll(start), asks(fast, second));
    assert!(swarm.block_arrived(slow, first, start) && swarm.block_arrived(fast, second, start));
    assert_eq!(swarm.poll(start), Some(SwarmAction::Verify { piece: first.piece }));
    assert_eq!(swarm.piece_checked(first.piece, false), None, "two sources contributed to it");
    assert_eq!(swarm.poll(start), asks(slow, first));
    while swarm.poll(start).is_some() {}
    for second in 1..20 {
        let now = start + Duration::from_secs(second);
        swarm.bytes_arrived(slow, 1100, now);
        assert_eq!(swarm.poll(now), None);
    }
    let now = start + STALL_TIMEOUT;
    swarm.bytes_arrived(slow, 1100, now);
    assert_eq!(swarm.poll(now), asks(fast, first));
}

#[test]
fn trickle_does_not_keep_the_last_block_from_a_newcomer() {
    let (geometry, start) = (Geometry::for_native(1 << 18).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, start, |_| false);
    swarm.source_joined(SourceId(1), Have::All, false, start);
    while swarm.poll(start).is_some() {}
    swarm.source_joined(SourceId(2), Have::All, false, start);
    let mut helped = None;
    for second in 1..=4 {
        let now = start + Duration::from_secs(second);
        swarm.bytes_arrived(SourceId(1), 1100, now);
        helped = helped.or(swarm.poll(now));
    }
    assert!(matches!(helped, Some(SwarmAction::Request { source: SourceId(2), .. })), "{helped:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn unproven_source_sends_little_however_late_verdicts_are(
        lateness in prop::collection::vec(0usize..300, 1..8),
    ) {
        prop_assert!(requested_from_a_liar(&lateness) <= 3 << 20);
    }

    /// Whatever the sources do, the download completes if every piece is available from an honest, living source.
    #[test]
    fn download_completes_whenever_it_can(
        seed: u64,
        mib in 1u64..24,
        piece_shift in 18u32..24,
        plan in prop::collection::vec((1e5f64..5e7, any::<bool>(), prop::option::of(0usize..20), any::<u64>()), 0..5),
    ) {
        let geometry = Geometry::new(mib << 20, 1 << piece_shift).unwrap();
        let mut sources = vec![SimulatedSource::honest(1e7)];
        for (rate, lies, dies_after, mask) in plan {
            let mut have = Bitfield::empty(&geometry);
            geometry.pieces().filter(|piece| mask >> (piece.get() % 64) & 1 == 1).for_each(|piece| { have.insert(piece); });
            sources.push(SimulatedSource {
                have: Have::Some(have), lies: if lies { |_| true } else { |_| false }, dies_after: dies_after.unwrap_or(usize::MAX), ..SimulatedSource::honest(rate)
            });
        }
        let outcome = simulate(geometry, SwarmConfig { seed, ..CONFIG }, sources);
        prop_assert!(outcome.finished.is_some());
        prop_assert!(!outcome.disconnected.contains_key(&SourceId(0)), "the honest source was disconnected");
    }
}
