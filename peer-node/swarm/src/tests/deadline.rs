//! The deadline of the engine is never too late.

use super::simulation::simulate_impatiently;
use super::*;

#[test]
fn idle_swarm_has_no_deadline() {
    let (geometry, now) = (Geometry::for_native(1 << 20).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| true);
    assert_eq!((swarm.poll(now), swarm.deadline()), (None, None));
    swarm.source_joined(SourceId(1), Have::All, false, now);
    while swarm.poll(now).is_some() {}
    assert_eq!(swarm.deadline(), None, "nothing is missing, so nothing can become due");
}

#[test]
fn only_source_is_next_checked_when_it_snubs() {
    let (geometry, now) = (Geometry::for_native(64 << 20).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(SourceId(1), Have::All, false, now);
    while swarm.poll(now).is_some() {}
    assert_eq!(swarm.deadline(), Some(now + SNUB_TIMEOUT));
    assert_eq!(swarm.poll(now + SNUB_TIMEOUT), None);
    assert_eq!(swarm.deadline(), Some(now + STALL_TIMEOUT));
    let stalled = SwarmAction::Disconnect { source: SourceId(1), reason: DisconnectReason::Stalled };
    assert_eq!(swarm.poll(now + STALL_TIMEOUT), Some(stalled));
    assert_eq!((swarm.poll(now + STALL_TIMEOUT), swarm.deadline()), (None, None));
}

/// One of the dialects' configurations.
fn config(dialect: u8, geometry: &Geometry, seed: u64) -> SwarmConfig {
    let piece = geometry.piece_length();
    match dialect {
        0 => SwarmConfig { seed, max_on_trial: Some(8), ..CONFIG },
        1 => SwarmConfig { seed, block_length: 16 << 10, min_block: 16 << 10, max_requests: 250, ..CONFIG },
        _ => SwarmConfig {
            block_length: piece,
            min_block: piece,
            max_requests: 1,
            order: PieceOrder::Random,
            overdue: OverduePolicy::Repeat(Duration::from_millis(2500)),
            seed,
            ..CONFIG
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Polling before the deadline has no effect unless an event occurred.
    #[test]
    fn nothing_is_due_before_the_deadline(
        seed: u64,
        dialect in 0u8..3,
        mib in 1u64..8,
        plan in prop::collection::vec(
            (3e4f64..2e7, any::<[bool; 3]>(), prop::option::of(0usize..20), any::<u64>()), 1..6,
        ),
    ) {
        let geometry = Geometry::new(mib << 20, 1 << 18).unwrap();
        let mut sources = vec![SimulatedSource::honest(1e6)];
        for (rate, [lies, drips, rejects], dies_after, mask) in plan {
            let mut have = Bitfield::empty(&geometry);
            geometry.pieces().filter(|piece| mask >> (piece.get() % 64) & 1 == 1).for_each(|piece| { have.insert(piece); });
            sources.push(SimulatedSource {
                have: Have::Some(have),
                lies: if lies && dialect != 2 { |_| true } else { |_| false },
                drips,
                rejects: rejects && !drips,
                dies_after: dies_after.unwrap_or(usize::MAX),
                ..SimulatedSource::honest(rate)
            });
        }
        let outcome = simulate_impatiently(geometry, config(dialect, &geometry, seed), sources);
        prop_assert!(outcome.finished.is_some());
    }
}
