//! Slots that are given anew each round.

use std::collections::BTreeSet;

use super::*;

const ALL: [PeerKey; 4] = [A, B, C, D];

/// Slots for so many, of whom all four want one; rounds of 5 s, and 7 s for the optimistic slot.
fn choker(slots: usize, seed: u64, start: Instant) -> Choker {
    let (round, optimistic) = (Duration::from_secs(5), Duration::from_secs(7));
    let config = ChokerConfig { slots, round, optimistic, contest: Contest::Lots { seed } };
    let mut choker = Choker::new(config, start);
    for peer in ALL {
        choker.interested(peer, start);
    }
    choker
}

fn regular(choker: &Choker) -> Vec<PeerKey> {
    choker.regular().collect()
}

#[test]
fn each_round_they_go_to_those_who_gave_most_since_the_last_one() {
    let start = Instant::now();
    for seed in 0..20 {
        let mut choker = choker(2, seed, start);
        drain(&mut choker, start);
        for (round, givers) in [(1.0, [C, D]), (2.0, [A, C]), (3.0, [B, D])] {
            let now = at(start, 5.0 * round);
            choker.received(givers[0], 100, now);
            choker.received(givers[1], 50, now);
            drain(&mut choker, now);
            assert_eq!(regular(&choker), givers, "seed {seed}");
            let others = ALL.into_iter().filter(|peer| !givers.contains(peer));
            assert!(others.collect::<Vec<_>>().contains(&choker.optimistic().unwrap()));
        }
    }
}

#[test]
fn among_equals_lots_are_drawn() {
    let start = Instant::now();
    let mut choker = choker(1, 3, start);
    let (mut regulars, mut optimists) = (BTreeSet::new(), BTreeSet::new());
    for second in 0..200 {
        drain(&mut choker, at(start, f64::from(second)));
        regulars.extend(choker.regular());
        optimists.extend(choker.optimistic());
    }
    assert_eq!((regulars, optimists), (ALL.into(), ALL.into()));
}

#[test]
fn what_was_given_counts_no_more_once_it_is_forgotten() {
    let (start, mut chosen) = (Instant::now(), BTreeSet::new());
    for seed in 0..50 {
        let mut choker = choker(1, seed, start);
        drain(&mut choker, start);
        choker.received(A, 100, start);
        choker.forget_received();
        drain(&mut choker, at(start, 5.0));
        chosen.extend(choker.regular());
    }
    assert_eq!(chosen, ALL.into());
}

#[test]
fn the_optimistic_slot_has_a_time_of_its_own() {
    let start = Instant::now();
    let mut choker = choker(0, 1, start);
    drain(&mut choker, start);
    let first = choker.optimistic();
    drain(&mut choker, at(start, 6.9));
    assert_eq!(choker.optimistic(), first);
    drain(&mut choker, at(start, 7.0));
    assert!(choker.optimistic().is_some() && choker.optimistic() != first);
}

proptest! {
    #[test]
    fn nobody_is_told_what_it_knows_and_never_are_more_served_than_there_are_slots(
        slots in 0usize..4,
        seed: u64,
        steps in prop::collection::vec((0u64..4000, 0u64..4, 0u8..4), 0..80),
    ) {
        let start = Instant::now();
        let (mut choker, mut now) = (choker(slots, seed, start), start);
        let mut served = BTreeSet::new();
        for (pause, peer, what) in steps {
            now += Duration::from_millis(pause);
            let peer = PeerKey(peer + 1);
            match what {
                0 => choker.interested(peer, now),
                1 => {
                    choker.not_interested(peer, now);
                    served.remove(&peer);
                }
                _ => choker.received(peer, pause, now),
            }
            for verdict in drain(&mut choker, now) {
                match verdict {
                    Verdict::Unchoke { peer } => prop_assert!(served.insert(peer)),
                    Verdict::Choke { peer, .. } => drop(served.remove(&peer)),
                    Verdict::Place { peer, .. } => prop_assert!(!served.contains(&peer)),
                }
                prop_assert!(served.len() <= slots + 1);
            }
            let held: BTreeSet<PeerKey> = choker.regular().chain(choker.optimistic()).collect();
            prop_assert_eq!(&held, &served);
            prop_assert!(choker.regular().count() <= slots);
        }
    }
}
