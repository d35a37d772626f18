use proptest::prelude::*;

use super::*;

const A: PeerKey = PeerKey(1);
const B: PeerKey = PeerKey(2);
const C: PeerKey = PeerKey(3);
const D: PeerKey = PeerKey(4);
const ALL: [PeerKey; 4] = [A, B, C, D];

/// A choker with regular slots every 5 s and the optimistic one every 7 s, on different grids.
fn idle_choker(slots: usize, seed: u64) -> IntervalChoker {
    let (regular_interval, optimistic_interval) = (Duration::from_secs(5), Duration::from_secs(7));
    IntervalChoker::new(IntervalChokerConfig { slots, regular_interval, optimistic_interval, seed })
}

/// The same with four interested neighbours, such that the first selection is at `start`.
fn choker_with_four_interested(slots: usize, seed: u64, start: Instant) -> IntervalChoker {
    let mut choker = idle_choker(slots, seed);
    start_interested(&mut choker, &ALL, start);
    choker
}

/// Makes neighbours interested early enough for the first selection to be at `start`.
fn start_interested(choker: &mut IntervalChoker, peers: &[PeerKey], start: Instant) {
    for peer in peers {
        choker.interested(*peer);
    }
    assert_eq!(choker.select(start.checked_sub(GATHERING_DELAY).unwrap()), None);
}

fn at(start: Instant, seconds: f64) -> Instant {
    start + Duration::from_secs_f64(seconds)
}

fn regular(choker: &IntervalChoker) -> Vec<PeerKey> {
    choker.regular().collect()
}

#[test]
fn the_first_selection_follows_the_first_interest() {
    let start = Instant::now();
    let mut choker = idle_choker(1, 1);
    assert_eq!(choker.select(start), None);
    choker.interested(A);
    assert_eq!(choker.select(at(start, 3.0)), None);
    // All connect at about the same time.
    choker.interested(B);
    let first = choker.select(at(start, 3.0) + GATHERING_DELAY).unwrap();
    assert_eq!(first, ChokeSelection { choked: vec![], unchoked: vec![A, B] });
    choker.interested(C);
    assert_eq!(choker.select(at(start, 8.0)), None);
    assert!(choker.select(at(start, 8.0) + GATHERING_DELAY).is_some());
}

#[test]
fn slots_change_only_at_selections() {
    let start = Instant::now();
    let mut choker = choker_with_four_interested(1, 1, start);
    assert!(choker.select(start).is_some());
    let served: Vec<PeerKey> = choker.regular().chain(choker.optimistic()).collect();
    // Slots of neighbours that lose interest or disconnect stay free.
    choker.not_interested(served[0]);
    choker.remove(served[1]);
    for step in 1..50 {
        let other = ALL[step % 4];
        if !served.contains(&other) {
            choker.not_interested(other);
            choker.interested(other);
        }
        assert_eq!(choker.select(at(start, f64::from(u32::try_from(step).unwrap()) * 0.1)), None);
    }
    assert_eq!(regular(&choker), [served[0]], "a neighbour without interest keeps its slot until then");
    let selection = choker.select(at(start, 5.0)).unwrap();
    assert_eq!(selection.choked, [served[0]]);
    assert_eq!(selection.unchoked.len(), 1);
}

#[test]
fn brief_interest_changes_no_slot() {
    let start = Instant::now();
    let mut choker = idle_choker(2, 1);
    start_interested(&mut choker, &[A], start);
    choker.select(start);
    for step in 0..1000 {
        choker.not_interested(A);
        choker.interested(A);
        assert_eq!(choker.select(at(start, 4.9 * f64::from(step) / 1000.0)), None);
    }
    assert_eq!(choker.select(at(start, 5.0)), Some(ChokeSelection::default()));
}

#[test]
fn regular_slots_go_to_the_best_uploaders_of_an_interval() {
    let start = Instant::now();
    for seed in 0..20 {
        let mut choker = choker_with_four_interested(2, seed, start);
        choker.select(start);
        for (round, senders) in [(1.0, [C, D]), (2.0, [A, C]), (3.0, [B, D])] {
            choker.received(senders[0], 100);
            choker.received(senders[1], 50);
            choker.select(at(start, 5.0 * round));
            assert_eq!(regular(&choker), senders, "seed {seed}");
        }
    }
}

#[test]
fn ties_and_the_optimistic_peer_are_random() {
    let start = Instant::now();
    let mut choker = choker_with_four_interested(1, 3, start);
    let (mut regulars, mut optimists) = (BTreeSet::new(), BTreeSet::new());
    for second in 0..400 {
        choker.select(at(start, f64::from(second)));
        regulars.extend(choker.regular());
        optimists.extend(choker.optimistic());
    }
    assert_eq!((regulars, optimists), (ALL.into(), ALL.into()));
}

#[test]
fn forgotten_bytes_do_not_count() {
    let (start, mut chosen) = (Instant::now(), BTreeSet::new());
    for seed in 0..50 {
        let mut choker = choker_with_four_interested(1, seed, start);
        choker.select(start);
        choker.received(A, 100);
        choker.reset_received();
        choker.select(at(start, 5.0));
        chosen.extend(choker.regular());
    }
    assert_eq!(chosen, ALL.into());
}

#[test]
fn optimistic_peer_stays_served_without_a_regular_slot() {
    let start = Instant::now();
    let mut choker = idle_choker(1, 1);
    start_interested(&mut choker, &[A, B], start);
    choker.select(start);
    let (first, optimistic) = (regular(&choker)[0], choker.optimistic().unwrap());
    choker.received(optimistic, 10);
    assert_eq!(choker.select(at(start, 5.0)).unwrap().choked, [first]);
    assert_eq!((regular(&choker), choker.optimistic()), (vec![optimistic], Some(optimistic)));
    // At 7 s the other neighbour is the only one waiting.
    assert_eq!(choker.select(at(start, 7.0)).unwrap().unchoked, [first]);
    choker.received(first, 10);
    assert_eq!(choker.select(at(start, 10.0)).unwrap().choked, [optimistic]);
}

#[test]
fn missed_intervals_are_skipped_and_the_grid_stays() {
    let start = Instant::now();
    let mut choker = choker_with_four_interested(1, 1, start);
    choker.select(start);
    assert!(choker.select(at(start, 23.0)).is_some());
    assert_eq!(choker.select(at(start, 24.9)), None);
    assert!(choker.select(at(start, 25.0)).is_some());
}

proptest! {
    #[test]
    fn changes_fall_on_the_grid_and_respect_the_slots(
        slots in 1usize..4,
        seed: u64,
        steps in prop::collection::vec((0u64..4000, 0u64..4, 0u8..5), 0..80),
    ) {
        let (start, mut passed) = (Instant::now(), Duration::ZERO);
        let mut choker = idle_choker(slots, seed);
        let (mut served, mut selections) = (BTreeSet::new(), 0);
        for (pause, peer, what) in steps {
            passed += Duration::from_millis(pause);
            let peer = PeerKey(peer + 1);
            match what {
                0 | 1 => choker.interested(peer),
                2 => choker.not_interested(peer),
                3 => {
                    choker.remove(peer);
                    served.remove(&peer);
                }
                _ => choker.received(peer, pause),
            }
            if let Some(ChokeSelection { choked, unchoked }) = choker.select(start + passed) {
                selections += 1;
                for peer in choked {
                    prop_assert!(served.remove(&peer), "choked twice");
                }
                for peer in unchoked {
                    prop_assert!(served.insert(peer), "unchoked twice");
                }
            }
            let held: BTreeSet<PeerKey> = choker.regular().chain(choker.optimistic()).collect();
            prop_assert_eq!(&held, &served);
            prop_assert!(choker.regular().count() <= slots);
        }
        // One selection at the start of each grid, and one per interval.
        let most = 2 + passed.as_secs() / 5 + passed.as_secs() / 7;
        prop_assert!(selections <= most, "{selections} selections in {passed:?}");
    }
}
