//! Sources that do not answer, in a dialect in which requests cannot be cancelled.

use super::random_order::{requests, swarm};
use super::*;

const A: SourceId = SourceId(1);
const B: SourceId = SourceId(2);

/// Lets time pass. Returns the requests made in the meantime, with their times.
fn pass(swarm: &mut Swarm, from: Instant, time: Duration) -> Vec<(Duration, SourceId, Block)> {
    let mut found = Vec::new();
    for step in 0..=u32::try_from(time.as_millis() / TICK.as_millis()).unwrap() {
        let passed = TICK * step;
        while let Some(action) = swarm.poll(from + passed) {
            match action {
                SwarmAction::Request { source, block } => found.push((passed, source, block)),
                SwarmAction::Disconnect { .. } => panic!("a source was disconnected"),
                _ => {}
            }
        }
    }
    found
}

/// Answers a request.
fn answer(swarm: &mut Swarm, id: SourceId, block: Block, now: Instant) -> bool {
    swarm.bytes_arrived(id, block.length.into(), now);
    let is_wanted = swarm.block_arrived(id, block, now);
    while let Some(action) = swarm.actions.pop_front() {
        if let SwarmAction::Verify { piece } = action {
            swarm.piece_checked(piece, true);
        }
    }
    is_wanted
}

#[test]
fn only_source_is_asked_again_with_growing_delays() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    swarm.source_joined(A, Have::All, false, now);
    let asked = pass(&mut swarm, now, Duration::from_secs(90));
    let times: Vec<u128> = asked.iter().map(|(at, ..)| at.as_millis() / 100).collect();
    assert_eq!(times[..5], [0, 25, 75, 150, 275], "tenths of a second");
    assert!(asked.iter().all(|(_, _, block)| *block == asked[0].2), "another piece: {asked:?}");
    assert!(times.len() < 10, "{times:?}");
}

#[test]
fn an_overdue_piece_is_requested_elsewhere_first() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    let mut piece = Bitfield::empty(&swarm.geometry);
    piece.insert(swarm.geometry.last_piece().unwrap());
    for id in [A, B] {
        swarm.source_joined(id, Have::Some(piece.clone()), false, now);
    }
    let asked = pass(&mut swarm, now, Duration::from_secs(8));
    let sources: Vec<SourceId> = asked.iter().map(|(_, source, _)| *source).collect();
    let other = if sources[0] == A { B } else { A };
    assert_eq!(sources[..3], [sources[0], other, sources[0]], "{asked:?}");
}

#[test]
fn source_that_sends_bytes_is_not_asked_again() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    swarm.source_joined(A, Have::All, false, now);
    assert_eq!(requests(&mut swarm, now).len(), 1);
    for second in 1..30 {
        let now = now + Duration::from_secs(second);
        swarm.bytes_arrived(A, 100, now);
        assert!(requests(&mut swarm, now).is_empty());
    }
}

#[test]
fn stalled_piece_is_not_requested_twice_from_its_source() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    swarm.source_joined(A, Have::All, false, now);
    let [(_, block)] = *requests(&mut swarm, now) else { panic!("one request") };
    swarm.bytes_arrived(A, 100, now);
    assert!(pass(&mut swarm, now, Duration::from_secs(10)).is_empty());
    // Another source is asked in the meantime, but the first one continues.
    let now = now + Duration::from_secs(10);
    swarm.bytes_arrived(A, u64::from(block.length) - 100, now);
    assert!(swarm.block_arrived(A, block, now), "still missing");
    assert_eq!(requests(&mut swarm, now).len(), 1, "its pause has ended");
}

#[test]
fn late_answer_counts_once_if_the_piece_is_missing() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    swarm.source_joined(A, Have::All, false, now);
    let asked = pass(&mut swarm, now, Duration::from_millis(5500));
    let block = asked[0].2;
    // The second request counts as lost as well.
    let now = now + Duration::from_secs(6);
    assert!(answer(&mut swarm, A, block, now));
    assert!(!answer(&mut swarm, A, block, now));
    assert_eq!(swarm.pieces_done(), 1);
}

/// One source loses every request that follows its unchoke at once, another takes 6 s per piece. Both deliver everything
/// requested from them.
#[test]
fn forgetful_and_slow_sources_deliver_everything() {
    for seed in 0..20 {
        let begun = Instant::now();
        let mut swarm = swarm(seed, begun);
        swarm.source_joined(A, Have::All, false, begun);
        let (mut now, mut owed, mut lost) = (begun, VecDeque::new(), 0);
        while !swarm.is_complete() {
            for (_, block) in requests(&mut swarm, now) {
                if seed % 2 == 0 && lost < 10 && block.piece.get() % 2 == 0 {
                    lost += 1;
                } else {
                    owed.push_back((now + Duration::from_secs(if seed % 2 == 0 { 0 } else { 6 }), block));
                }
            }
            now += TICK;
            while let Some((_, block)) = owed.pop_front_if(|(due, _)| *due <= now) {
                answer(&mut swarm, A, block, now);
            }
            assert!(now < begun + Duration::from_mins(10), "{} of 20 pieces", swarm.pieces_done());
        }
    }
}
