//! Sources that choke, and what they are told of our interest.

use super::*;

const ONE: SourceId = SourceId(1);
const TWO: SourceId = SourceId(2);

fn asked(swarm: &mut Swarm, now: Instant) -> Vec<(SourceId, Block)> {
    std::iter::from_fn(|| swarm.poll(now))
        .filter_map(|action| match action {
            Action::Request { source, block } => Some((source, block)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_source_that_chokes_is_asked_for_nothing_until_it_unchokes() {
    let (geometry, now) = (native(4), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, true, now);
    assert_eq!(swarm.poll(now), None);
    swarm.source_unchoked(ONE);
    // As much as a source is asked for first.
    assert_eq!(asked(&mut swarm, now).len(), 4);
}

#[test]
fn what_a_choking_source_owes_is_asked_of_another_and_its_rejections_blame_nobody() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    let owed: Vec<Block> = asked(&mut swarm, now).into_iter().map(|(_, block)| block).collect();
    swarm.source_choked(ONE);
    swarm.source_joined(TWO, Have::All, false, now);
    let again = asked(&mut swarm, now);
    assert!(again.len() == owed.len() && again.iter().all(|(source, _)| *source == TWO), "{again:?}");
    for block in &owed {
        swarm.block_rejected(ONE, *block, now);
    }
    swarm.source_lost(TWO);
    swarm.source_unchoked(ONE);
    assert_eq!(asked(&mut swarm, now).len(), owed.len(), "it still has them");
}

#[test]
fn a_block_that_was_on_its_way_when_the_source_choked_is_taken() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    let (_, block) = asked(&mut swarm, now)[0];
    swarm.source_choked(ONE);
    assert!(swarm.block_arrived(ONE, block, now) || !swarm.active.is_complete(block.piece));
}

#[test]
fn interest_is_told_once_when_it_changes() {
    let (geometry, now) = (native(1), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    let piece = geometry.piece(2).unwrap();
    swarm.source_joined(ONE, Have::Some(Bitfield::empty(&geometry)), false, now);
    assert_eq!(swarm.poll(now), Some(Action::Interest { source: ONE, on: false }));
    swarm.source_has(ONE, piece);
    assert_eq!(swarm.poll(now), Some(Action::Interest { source: ONE, on: true }));
    let block = asked(&mut swarm, now)[0].1;
    assert!(swarm.block_arrived(ONE, block, now));
    assert_eq!(swarm.poll(now), Some(Action::Check { piece }));
    swarm.piece_checked(piece, true);
    assert_eq!(swarm.poll(now), Some(Action::Interest { source: ONE, on: false }));
    swarm.source_has(ONE, piece);
    assert_eq!(swarm.poll(now), None);
}

#[test]
fn a_piece_that_could_not_be_stored_is_fetched_again_and_nobody_is_blamed() {
    let (geometry, now) = (Geometry::native(1 << 18).unwrap(), Instant::now());
    let mut swarm = Swarm::new(geometry, CONFIG, now, |_| false);
    swarm.source_joined(ONE, Have::All, false, now);
    for _ in 0..3 {
        let block = asked(&mut swarm, now)[0].1;
        assert!(swarm.block_arrived(ONE, block, now));
        assert_eq!(swarm.poll(now), Some(Action::Check { piece: block.piece }));
        swarm.piece_not_stored(block.piece);
    }
    assert_eq!(asked(&mut swarm, now).len(), 1);
}

#[test]
fn nothing_is_asked_for_twice_while_a_choking_source_has_a_piece_to_begin() {
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
    assert_eq!(asked(&mut swarm, start).len(), 1);
    swarm.source_joined(TWO, only(0), false, start);
    for second in 1..=8 {
        let now = start + Duration::from_secs(second);
        swarm.bytes_arrived(ONE, 1100, now);
        let gone = second == 8;
        if gone {
            swarm.source_lost(choking);
        }
        assert_eq!(asked(&mut swarm, now).len(), usize::from(gone));
    }
}
