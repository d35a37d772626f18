//! Dialects in which whole pieces are requested, one at a time, in random order and from one source each.

use super::*;

const REPEAT_AFTER: Duration = Duration::from_millis(2500);

/// A content of 20 pieces, each of which is one block.
pub(super) fn swarm(seed: u64, now: Instant) -> Swarm {
    let geometry = Geometry::new(20 << 14, 1 << 14).unwrap();
    let config = SwarmConfig {
        block_length: 1 << 14,
        min_block: 1 << 14,
        max_requests: 1,
        max_on_trial: None,
        order: PieceOrder::Random,
        overdue: OverduePolicy::Repeat(REPEAT_AFTER),
        seed,
        ..CONFIG
    };
    Swarm::new(geometry, config, now, |_| false)
}

pub(super) fn requests(swarm: &mut Swarm, now: Instant) -> Vec<(SourceId, Block)> {
    let actions = std::iter::from_fn(|| swarm.poll(now));
    let asked = actions.filter_map(|action| match action {
        SwarmAction::Request { source, block } => Some((source, block)),
        _ => None,
    });
    asked.collect()
}

/// Fetches everything from one source. Returns the pieces in the order of their requests.
fn fetch(seed: u64) -> Vec<u32> {
    let now = Instant::now();
    let (mut swarm, mut order) = (swarm(seed, now), Vec::new());
    swarm.source_joined(SourceId(1), Have::All, false, now);
    while !swarm.is_complete() {
        let [(id, block)] = *requests(&mut swarm, now) else { panic!("one request at a time") };
        order.push(block.piece.get());
        swarm.bytes_arrived(id, block.length.into(), now);
        assert!(swarm.block_arrived(id, block, now));
        swarm.piece_checked(block.piece, true);
    }
    order
}

#[test]
fn random_order_is_uniform() {
    let (mut firsts, mut lasts) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..300 {
        let order = fetch(seed);
        assert_eq!(order.len(), 20);
        firsts.insert(order[0]);
        lasts.insert(order[19]);
    }
    assert!(firsts.len() == 20 && lasts.len() == 20, "{firsts:?} {lasts:?}");
}

#[test]
fn owed_piece_is_not_requested_elsewhere_until_overdue() {
    let now = Instant::now();
    let mut swarm = swarm(1, now);
    let mut piece = Bitfield::empty(&swarm.geometry);
    piece.insert(swarm.geometry.last_piece().unwrap());
    for id in [1, 2] {
        swarm.source_joined(SourceId(id), Have::Some(piece.clone()), false, now);
    }
    let asked = requests(&mut swarm, now);
    assert_eq!(asked.len(), 1);
    assert!(requests(&mut swarm, now + REPEAT_AFTER.abs_diff(TICK)).is_empty());
    swarm.source_choked(asked[0].0);
    swarm.block_rejected(asked[0].0, asked[0].1, now);
    let again = requests(&mut swarm, now + TICK);
    assert!(again.len() == 1 && again[0].0 != asked[0].0 && again[0].1 == asked[0].1);
}

#[test]
fn only_source_is_asked_again_after_a_pause() {
    let mut now = Instant::now();
    let mut swarm = swarm(1, now);
    swarm.source_joined(SourceId(1), Have::All, false, now);
    let mut turned_down = 0;
    while !swarm.is_complete() {
        let asked = requests(&mut swarm, now);
        if asked.is_empty() {
            now = swarm.deadline().expect("a pause ends");
        }
        for (id, block) in asked {
            // Rejects every third request, between pieces that it sends.
            if turned_down < 5 && block.piece.get() % 3 == 0 {
                turned_down += 1;
                swarm.block_refused(id, block, now);
                assert!(requests(&mut swarm, now).is_empty(), "asked without a pause");
            } else {
                swarm.bytes_arrived(id, block.length.into(), now);
                assert!(swarm.block_arrived(id, block, now));
                swarm.piece_checked(block.piece, true);
            }
        }
    }
    assert_eq!(turned_down, 5);
}

#[test]
fn source_that_refuses_everything_is_disconnected() {
    let begun = Instant::now();
    let (mut now, mut asked) = (begun, 0);
    let mut swarm = swarm(1, now);
    swarm.source_joined(SourceId(1), Have::All, false, now);
    let reason = loop {
        match swarm.poll(now) {
            Some(SwarmAction::Request { source, block }) => {
                asked += 1;
                swarm.block_refused(source, block, now);
            }
            Some(SwarmAction::Disconnect { reason, .. }) => break reason,
            Some(_) => {}
            None => now = swarm.deadline().expect("a pause ends"),
        }
    };
    assert_eq!((reason, swarm.unavailable_pieces()), (DisconnectReason::Refusing, 20));
    assert!(asked <= 10 && now < begun + Duration::from_secs(10), "{asked} in {:?}", now - begun);
}
