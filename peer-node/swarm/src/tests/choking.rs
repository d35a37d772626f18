//! Sources that choke, and the interest sent to them.

use super::*;

const ONE: SourceId = SourceId(1);
const TWO: SourceId = SourceId(2);

fn requests(swarm: &mut Swarm, now: Instant) -> Vec<(SourceId, Block)> {
    std::iter::from_fn(|| swarm.poll(now))
        .filter_map(|action| match action {
            SwarmAction::Request { source, block } => Some((source, block)),
            _ => None,
        })
        .collect()
}

#[test]
fn choking_source_gets_no_requests_until_it_unchokes() {
    let (geometry, now) = (native(4), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, true, now);
    assert_eq!(swarm.poll(now), None);
    swarm.source_unchoked(ONE);
    // The initial window of a source.
    assert_eq!(requests(&mut swarm, now).len(), 4);
}

#[test]
fn blocks_owed_by_a_choking_source_are_requested_elsewhere() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    let owed: Vec<Block> = requests(&mut swarm, now).into_iter().map(|(_, block)| block).collect();
    swarm.source_choked(ONE);
    swarm.source_joined(TWO, Have::All, false, now);
    let again = requests(&mut swarm, now);
    assert!(again.len() == owed.len() && again.iter().all(|(source, _)| *source == TWO), "{again:?}");
    for block in &owed {
        swarm.block_rejected(ONE, *block, now);
    }
    swarm.source_lost(TWO);
    swarm.source_unchoked(ONE);
    assert_eq!(requests(&mut swarm, now).len(), owed.len(), "the only source left is asked again");
}

#[test]
fn block_in_flight_at_a_choke_is_accepted() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    let (_, block) = requests(&mut swarm, now)[0];
    swarm.source_choked(ONE);
    assert!(swarm.block_arrived(ONE, block, now) || !swarm.active.is_complete(block.piece));
}

#[test]
fn interest_is_sent_once_when_it_changes() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    let piece = geometry.piece(2).unwrap();
    swarm.source_joined(ONE, Have::Some(Bitfield::empty(&geometry)), false, now);
    assert_eq!(swarm.poll(now), Some(SwarmAction::Interest { source: ONE, on: false }));
    swarm.source_has(ONE, piece);
    assert_eq!(swarm.poll(now), Some(SwarmAction::Interest { source: ONE, on: true }));
    let block = requests(&mut swarm, now)[0].1;
    assert!(swarm.block_arrived(ONE, block, now));
    assert_eq!(swarm.poll(now), Some(SwarmAction::Verify { piece }));
    swarm.piece_checked(piece, true);
    assert_eq!(swarm.poll(now), Some(SwarmAction::Interest { source: ONE, on: false }));
    swarm.source_has(ONE, piece);
    assert_eq!(swarm.poll(now), None);
}

#[test]
fn unstored_piece_is_fetched_again_without_blame() {
    let (geometry, now) = (Geometry::for_native(1 << 18).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    for _ in 0..3 {
        let block = requests(&mut swarm, now)[0].1;
        assert!(swarm.block_arrived(ONE, block, now));
        assert_eq!(swarm.poll(now), Some(SwarmAction::Verify { piece: block.piece }));
        swarm.piece_not_stored(block.piece);
    }
    assert_eq!(requests(&mut swarm, now).len(), 1);
}

#[test]
fn no_endgame_while_a_choking_source_has_new_pieces() {
    let (geometry, start) = (native(1), Instant::now());
    let only = |piece| {
        let mut pieces = Bitfield::empty(&geometry);
        pieces.insert(geometry.piece(piece).unwrap());
        Have::Some(pieces)
    };
    let mut swarm = Swarm::new(geometry, CONFIG, start, |_| false);
    let choking = SourceId(3);
    swarm.source_joined(ONE, only(0), false, start);
    swarm.source_joined(choking, only(1), true, start);
    assert_eq!(requests(&mut swarm, start).len(), 1);
    swarm.source_joined(TWO, only(0), false, start);
    for second in 1..=8 {
        let now = start + Duration::from_secs(second);
        swarm.bytes_arrived(ONE, 1100, now);
        let is_gone = second == 8;
        if is_gone {
            swarm.source_lost(choking);
        }
        assert_eq!(requests(&mut swarm, now).len(), usize::from(is_gone));
    }
}
