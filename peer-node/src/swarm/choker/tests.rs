//! The choker's promises, in single stories and in random histories.

use proptest::prelude::*;

use super::*;
use watch::Watch;

mod sharing;
mod watch;

/// What happens in a history.
#[derive(Debug, Clone, Copy)]
enum Event {
    Interested(PeerKey),
    NotInterested(PeerKey),
    Gone(PeerKey),
    Sent(PeerKey, u64),
    Received(PeerKey, u64),
    Slots(usize),
}

/// An event with the time that passes before it.
type Step = (Duration, Event);

fn at(start: Instant, seconds: f64) -> Instant {
    start + Duration::from_secs_f64(seconds)
}

fn drain(choker: &mut Choker, now: Instant) -> Vec<Verdict> {
    std::iter::from_fn(|| choker.poll(now)).collect()
}

const A: PeerKey = PeerKey(1);
const B: PeerKey = PeerKey(2);
const C: PeerKey = PeerKey(3);
const D: PeerKey = PeerKey(4);

#[test]
fn who_comes_gets_a_free_slot_at_once_or_a_place() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::of_node(1), start);
    for peer in [A, B, C, D] {
        choker.interested(peer, start);
    }
    let served = [Verdict::Unchoke { peer: A }, Verdict::Unchoke { peer: B }];
    let waiting = [Verdict::Choke { peer: C, place: 1 }, Verdict::Choke { peer: D, place: 2 }];
    assert_eq!(drain(&mut choker, start), [waiting, served].concat());
    let now = at(start, 1.0);
    choker.gone(A, now);
    let moved = [Verdict::Unchoke { peer: C }, Verdict::Place { peer: D, place: 1 }];
    assert_eq!(drain(&mut choker, now), moved);
}

#[test]
fn the_optimistic_slot_passes_on_after_thirty_seconds() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::of_node(0), start);
    for peer in [A, B, C] {
        choker.interested(peer, start);
    }
    drain(&mut choker, start);
    assert_eq!(drain(&mut choker, at(start, 29.9)), []);
    let passed = [
        Verdict::Choke { peer: A, place: 2 },
        Verdict::Unchoke { peer: B },
        Verdict::Place { peer: C, place: 1 },
    ];
    assert_eq!(drain(&mut choker, at(start, 30.0)), passed);
}

#[test]
fn who_gives_clearly_more_takes_the_slot_of_who_gives_least() {
    for (given, takes) in [(1_150, false), (1_300, true)] {
        let start = Instant::now();
        let mut choker = Choker::new(ChokerConfig::of_node(1), start);
        for peer in [A, B, C] {
            choker.interested(peer, start);
        }
        drain(&mut choker, start);
        choker.received(A, 1_000, start);
        choker.received(C, given, start);
        let verdicts = drain(&mut choker, at(start, 10.0));
        let taken = [Verdict::Choke { peer: A, place: 1 }, Verdict::Unchoke { peer: C }];
        assert_eq!(verdicts, if takes { taken.to_vec() } else { Vec::new() });
    }
}

#[test]
fn where_nobody_gives_the_fastest_taker_is_served_on() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::of_node(1), start);
    for peer in [A, B, C] {
        choker.interested(peer, start);
    }
    drain(&mut choker, start);
    choker.sent(A, 1_000, start);
    choker.sent(B, 5_000, start);
    let verdicts = drain(&mut choker, at(start, 10.0));
    let taken = [Verdict::Choke { peer: A, place: 1 }, Verdict::Unchoke { peer: C }];
    assert_eq!(
        verdicts, taken,
        "the optimistic one takes the regular slot, and the next in the queue its place"
    );
}

#[test]
fn a_long_queue_is_not_told_of_every_departure() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::of_node(4), start);
    for peer in 0..1_000 {
        choker.interested(PeerKey(peer), start);
    }
    drain(&mut choker, start);
    let verdicts: usize = (0..100)
        .map(|gone| {
            let now = start + Duration::from_millis(10 * gone);
            choker.gone(PeerKey(gone), now);
            drain(&mut choker, now).len()
        })
        .sum();
    assert!(verdicts < 1_200, "{verdicts} verdicts in a second");
}

#[test]
fn a_node_that_nobody_wants_anything_from_need_not_wake_up() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::of_node(4), start);
    choker.received(A, 1_000, start);
    assert_eq!(choker.deadline(), None);
    choker.interested(A, start);
    drain(&mut choker, start);
    assert!(choker.deadline().is_some());
    choker.not_interested(A, start);
    assert_eq!((choker.poll(start), choker.deadline()), (None, None));
}

fn step() -> impl Strategy<Value = Step> {
    let peer = (0u64..12).prop_map(PeerKey);
    let event = (peer, 0u64..5_000, 0u32..64).prop_map(|(peer, bytes, kind)| match kind {
        0..20 => Event::Interested(peer),
        20..26 => Event::NotInterested(peer),
        26..30 => Event::Gone(peer),
        30..45 => Event::Sent(peer, bytes),
        45..60 => Event::Received(peer, bytes),
        _ => Event::Slots(usize::try_from(bytes % 5).unwrap()),
    });
    let pause = prop_oneof![Just(0), 0u64..3_000, 0u64..40_000].prop_map(Duration::from_millis);
    (pause, event)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_promises_hold_in_every_history(
        slots in 0usize..4,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut watch = Watch::new(slots);
        for (pause, event) in steps {
            watch.pass(pause);
            watch.happen(event);
        }
        watch.pass(Duration::from_mins(10));
    }

    #[test]
    fn one_history_gives_one_result(slots in 0usize..4, steps in prop::collection::vec(step(), 0..100)) {
        let play = || {
            let mut watch = Watch::new(slots);
            for (pause, event) in &steps {
                watch.pass(*pause);
                watch.happen(*event);
            }
            watch.history
        };
        prop_assert_eq!(play(), play());
    }
}
