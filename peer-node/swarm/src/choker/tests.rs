//! The choker's guarantees, in single scenarios and in random histories.

use proptest::prelude::*;

use super::*;
use watch::ChokerWatch;

mod sharing;
mod watch;

/// An event in a history.
#[derive(Debug, Clone, Copy)]
enum ChokerEvent {
    Interested(PeerKey),
    NotInterested(PeerKey),
    Removed(PeerKey),
    Sent(PeerKey, u64),
    Received(PeerKey, u64),
    Slots(usize),
}

/// An event with the time that passes before it.
type TimedEvent = (Duration, ChokerEvent);

fn at(start: Instant, seconds: f64) -> Instant {
    start + Duration::from_secs_f64(seconds)
}

fn drain(choker: &mut Choker, now: Instant) -> Vec<ChokerVerdict> {
    std::iter::from_fn(|| choker.poll(now)).collect()
}

const A: PeerKey = PeerKey(1);
const B: PeerKey = PeerKey(2);
const C: PeerKey = PeerKey(3);
const D: PeerKey = PeerKey(4);

#[test]
fn newcomer_gets_a_free_slot_or_a_place_in_the_queue() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::for_node(1), start);
    for peer in [A, B, C, D] {
        choker.interested(peer, start);
    }
    let served = [ChokerVerdict::Unchoke { peer: A }, ChokerVerdict::Unchoke { peer: B }];
    let waiting =
        [ChokerVerdict::Choke { peer: C, position: 1 }, ChokerVerdict::Choke { peer: D, position: 2 }];
    assert_eq!(drain(&mut choker, start), [waiting, served].concat());
    let now = at(start, 1.0);
    choker.remove(A, now);
    let moved = [ChokerVerdict::Unchoke { peer: C }, ChokerVerdict::Position { peer: D, position: 1 }];
    assert_eq!(drain(&mut choker, now), moved);
}

#[test]
fn optimistic_slot_rotates_after_thirty_seconds() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::for_node(0), start);
    for peer in [A, B, C] {
        choker.interested(peer, start);
    }
    drain(&mut choker, start);
    assert_eq!(drain(&mut choker, at(start, 29.9)), []);
    let passed = [
        ChokerVerdict::Choke { peer: A, position: 2 },
        ChokerVerdict::Unchoke { peer: B },
        ChokerVerdict::Position { peer: C, position: 1 },
    ];
    assert_eq!(drain(&mut choker, at(start, 30.0)), passed);
}

#[test]
fn clearly_better_uploader_takes_the_weakest_slot() {
    for (given, takes) in [(1_150, false), (1_300, true)] {
        let start = Instant::now();
        let mut choker = Choker::new(ChokerConfig::for_node(1), start);
        for peer in [A, B, C] {
            choker.interested(peer, start);
        }
        drain(&mut choker, start);
        choker.received(A, 1_000, start);
        choker.received(C, given, start);
        let verdicts = drain(&mut choker, at(start, 10.0));
        let taken = [ChokerVerdict::Choke { peer: A, position: 1 }, ChokerVerdict::Unchoke { peer: C }];
        assert_eq!(verdicts, if takes { taken.to_vec() } else { Vec::new() });
    }
}

#[test]
fn without_uploaders_the_fastest_downloader_keeps_its_slot() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::for_node(1), start);
    for peer in [A, B, C] {
        choker.interested(peer, start);
    }
    drain(&mut choker, start);
    choker.sent(A, 1_000, start);
    choker.sent(B, 5_000, start);
    let verdicts = drain(&mut choker, at(start, 10.0));
    let taken = [ChokerVerdict::Choke { peer: A, position: 1 }, ChokerVerdict::Unchoke { peer: C }];
    assert_eq!(
        verdicts, taken,
        "the optimistic peer takes the regular slot, and the next peer in the queue takes the optimistic slot"
    );
}

#[test]
fn departures_from_a_long_queue_are_reported_rarely() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::for_node(4), start);
    for peer in 0..1_000 {
        choker.interested(PeerKey(peer), start);
    }
    drain(&mut choker, start);
    let verdicts: usize = (0..100)
        .map(|number| {
            let now = start + Duration::from_millis(10 * number);
            choker.remove(PeerKey(number), now);
            drain(&mut choker, now).len()
        })
        .sum();
    assert!(verdicts < 1_200, "{verdicts} verdicts in a second");
}

#[test]
fn idle_choker_has_no_deadline() {
    let start = Instant::now();
    let mut choker = Choker::new(ChokerConfig::for_node(4), start);
    choker.received(A, 1_000, start);
    assert_eq!(choker.deadline(), None);
    choker.interested(A, start);
    drain(&mut choker, start);
    assert!(choker.deadline().is_some());
    choker.not_interested(A, start);
    assert_eq!((choker.poll(start), choker.deadline()), (None, None));
}

fn step() -> impl Strategy<Value = TimedEvent> {
    let peer = (0u64..12).prop_map(PeerKey);
    let event = (peer, 0u64..5_000, 0u32..64).prop_map(|(peer, bytes, kind)| match kind {
        0..20 => ChokerEvent::Interested(peer),
        20..26 => ChokerEvent::NotInterested(peer),
        26..30 => ChokerEvent::Removed(peer),
        30..45 => ChokerEvent::Sent(peer, bytes),
        45..60 => ChokerEvent::Received(peer, bytes),
        _ => ChokerEvent::Slots(usize::try_from(bytes % 5).unwrap()),
    });
    let pause = prop_oneof![Just(0), 0u64..3_000, 0u64..40_000].prop_map(Duration::from_millis);
    (pause, event)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn guarantees_hold_in_every_history(
        slots in 0usize..4,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut watch = ChokerWatch::new(slots);
        for (pause, event) in steps {
            watch.pass(pause);
            watch.apply(event);
        }
        watch.pass(Duration::from_mins(10));
    }

    #[test]
    fn same_history_gives_the_same_verdicts(slots in 0usize..4, steps in prop::collection::vec(step(), 0..100)) {
        let play = || {
            let mut watch = ChokerWatch::new(slots);
            for (pause, event) in &steps {
                watch.pass(*pause);
                watch.apply(*event);
            }
            watch.history
        };
        prop_assert_eq!(play(), play());
    }
}
