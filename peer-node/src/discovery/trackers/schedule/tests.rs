use proptest::prelude::*;

use super::*;
use crate::discovery::trackers::tracker_url::shown_name;

const TRACKER_A: &str = "http://a.example/announce";
const TRACKER_B: &str = "http://b.example/announce";
const TRACKER_C: &str = "udp://c.example:80";

fn schedule(tiers: &[&[&str]], is_complete: bool, now: Instant) -> AnnounceSchedule {
    let tiers: Vec<Vec<_>> =
        tiers.iter().map(|tier| tier.iter().copied().map(str::to_owned).collect()).collect();
    AnnounceSchedule::new(&tiers, IntervalBounds::default(), is_complete, 7, now)
}

fn reply(interval: u32, min_interval: u32) -> AnnounceReply {
    AnnounceReply { interval, min_interval: Some(min_interval), ..AnnounceReply::default() }
}

fn no_reply() -> AnnounceFailure {
    AnnounceFailure { reason: "silent".to_owned(), is_refusal: false, retry_after: None }
}

/// Starts the due announce; returns the name of its tracker and its event.
fn start_due(schedule: &mut AnnounceSchedule, now: Instant) -> (String, Option<TrackerEvent>) {
    let announce = schedule.start_announce(now).expect("no announce is due");
    let name = schedule.tiers.iter().find(|tracker| tracker.id == announce.tracker).unwrap().name.clone();
    (name, announce.event)
}

fn assert_due(schedule: &mut AnnounceSchedule, now: Instant, url: &str, event: Option<TrackerEvent>) {
    assert_eq!(start_due(schedule, now), (shown_name(url), event));
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_tracker_is_contacted_at_its_interval() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    assert_eq!((schedule.due(), schedule.start_announce(start)), (None, None), "only one announce at a time");
    schedule.answered(&reply(1800, 900), start + seconds(1));
    assert_eq!(schedule.due(), Some(start + seconds(1801)));
    assert_eq!(schedule.start_announce(start + seconds(1800)), None);
    assert_due(&mut schedule, start + seconds(1801), TRACKER_A, None);
}

#[test]
fn peers_are_requested_no_earlier_than_allowed() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A], &[TRACKER_B]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.request_peers(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(900)), "no other tracker is contacted meanwhile");
    assert_due(&mut schedule, start + seconds(900), TRACKER_A, None);
}

#[test]
fn completed_is_sent_at_once_and_only_once() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.completed(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(5)));
    assert_due(&mut schedule, start + seconds(5), TRACKER_A, Some(TrackerEvent::Completed));
    schedule.answered(&reply(1800, 900), start + seconds(5));
    schedule.completed(start + seconds(6));
    assert_eq!(schedule.due(), Some(start + seconds(1805)));
    assert_due(&mut schedule, start + seconds(1805), TRACKER_A, None);
}

#[test]
fn completed_during_an_announce_is_sent_after_it() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    schedule.completed(start);
    schedule.answered(&reply(1800, 900), start + seconds(1));
    assert_due(&mut schedule, start + seconds(1), TRACKER_A, Some(TrackerEvent::Completed));
    schedule.failed(no_reply(), start + seconds(2));
    let due = schedule.due().unwrap();
    assert_due(&mut schedule, due, TRACKER_A, Some(TrackerEvent::Completed));
    schedule.answered(&reply(1800, 900), due);
    assert_eq!(schedule.due(), Some(due + seconds(1800)));
}

#[test]
fn completed_is_not_sent_for_a_seed() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], true, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.completed(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(1800)));
}

#[test]
fn tiers_are_tried_in_order_starting_with_the_first() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A], &[TRACKER_B], &[TRACKER_C]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    schedule.failed(no_reply(), start);
    assert_due(&mut schedule, start, TRACKER_B, Some(TrackerEvent::Started));
    schedule.answered(&reply(1800, 900), start);
    assert_eq!(schedule.due(), Some(start + seconds(1800)));
    assert_due(&mut schedule, start + seconds(1800), TRACKER_A, Some(TrackerEvent::Started));
    schedule.answered(&reply(600, 300), start + seconds(1800));
    assert_due(&mut schedule, start + seconds(2400), TRACKER_A, None);
}

#[test]
fn a_working_tracker_moves_to_the_front_of_its_tier() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A, TRACKER_B, TRACKER_C]], false, start);
    let (first, _) = start_due(&mut schedule, start);
    schedule.failed(no_reply(), start);
    let (second, _) = start_due(&mut schedule, start);
    assert_ne!(first, second);
    schedule.answered(&reply(1800, 900), start);
    assert_due(&mut schedule, start + seconds(1800), &second, None);
    schedule.failed(no_reply(), start + seconds(1800));
    assert_due(&mut schedule, start + seconds(1800), &first, Some(TrackerEvent::Started));
}

#[test]
fn the_order_within_a_tier_is_random() {
    let start = Instant::now();
    let tier: Vec<_> = (0..20).map(|n| format!("http://t{n}.example/announce")).collect();
    let order = |seed| {
        let schedule =
            AnnounceSchedule::new(std::slice::from_ref(&tier), IntervalBounds::default(), false, seed, start);
        schedule.tiers.iter().map(|tracker| tracker.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    assert!(tier.iter().all(|url| order(3).contains(&shown_name(url))));
}

#[test]
fn failures_are_retried_with_growing_delays() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], false, start);
    let mut now = start;
    let mut least = seconds(1);
    for _ in 0..30 {
        assert_due(&mut schedule, now, TRACKER_A, Some(TrackerEvent::Started));
        let pause = schedule.failed(no_reply(), now);
        assert!((least..=seconds(1800)).contains(&pause), "{pause:?}");
        assert_eq!(schedule.due(), Some(now + pause));
        (now, least) = (now + pause, (2 * least).min(seconds(900)));
    }
    assert_due(&mut schedule, now, TRACKER_A, Some(TrackerEvent::Started));
    schedule.answered(&reply(60, 60), now);
    assert_due(&mut schedule, now + seconds(60), TRACKER_A, None);
    assert!(schedule.failed(no_reply(), now + seconds(60)) < seconds(3), "a reply resets the delay");
}

#[test]
fn a_refusing_tracker_is_not_hammered() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A]], false, start);
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    let refused = AnnounceFailure { is_refusal: true, ..no_reply() };
    assert_eq!(schedule.failed(refused.clone(), start), seconds(30));
    assert_due(&mut schedule, start + seconds(30), TRACKER_A, Some(TrackerEvent::Started));
    let busy = AnnounceFailure { retry_after: Some(seconds(120)), ..refused };
    assert_eq!(schedule.failed(busy.clone(), start + seconds(30)), seconds(120));
    assert_due(&mut schedule, start + seconds(150), TRACKER_A, Some(TrackerEvent::Started));
    let forever = AnnounceFailure { retry_after: Some(Duration::MAX), ..busy };
    assert_eq!(schedule.failed(forever, start + seconds(150)), Duration::from_hours(24));
}

#[test]
fn stopped_is_sent_only_to_trackers_that_know_us() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[TRACKER_A], &[TRACKER_B], &[TRACKER_C]], false, start);
    assert!(schedule.stopped_announces().is_empty());
    assert_due(&mut schedule, start, TRACKER_A, Some(TrackerEvent::Started));
    assert_eq!(schedule.stopped_announces().len(), 1, "the tracker may have received the announce");
    schedule.failed(no_reply(), start);
    assert_due(&mut schedule, start, TRACKER_B, Some(TrackerEvent::Started));
    let with_id = AnnounceReply { tracker_id: Some(b"id".to_vec()), ..reply(1800, 900) };
    schedule.answered(&with_id, start);
    let announces = schedule.stopped_announces();
    let [announce] = announces.as_slice() else { panic!("{announces:?}") };
    assert_eq!(announce.address.to_string(), "http://b.example");
    assert_eq!(
        (announce.event, announce.tracker_id.as_deref()),
        (Some(TrackerEvent::Stopped), Some(b"id".as_slice()))
    );
}

#[test]
fn unusable_trackers_are_shown_but_not_contacted() {
    let start = Instant::now();
    let mut schedule =
        schedule(&[&["wss://t.example/", "http://a b/"], &[TRACKER_C, TRACKER_C]], false, start);
    assert_due(&mut schedule, start, TRACKER_C, Some(TrackerEvent::Started));
    let views = schedule.views();
    assert_eq!(views.len(), 3, "a tracker is listed twice");
    assert!(matches!(views[0].state, TrackerState::Unusable { .. }));
    assert_eq!(views[2].state, TrackerState::Announcing);
    let none = AnnounceSchedule::new(
        &[vec!["wss://t.example/".to_owned()]],
        IntervalBounds::default(),
        false,
        1,
        start,
    );
    assert_eq!(none.due(), None);
}

/// The behaviour of a tracker.
#[derive(Debug, Clone)]
struct TrackerScript {
    reply_seconds: u64,
    failure_tenths: u8,
    interval: u32,
    minimum: Option<u32>,
}

fn script() -> impl Strategy<Value = TrackerScript> {
    (0..60u64, 0..=10u8, 0..4000u32, prop::option::of(0..4000u32)).prop_map(
        |(reply_seconds, failure_tenths, interval, minimum)| TrackerScript {
            reply_seconds,
            failure_tenths,
            interval,
            minimum,
        },
    )
}

proptest! {
    #[test]
    fn the_rules_hold_for_any_tracker_behaviour(
        tiers in prop::collection::vec(prop::collection::vec(script(), 1..4), 1..4),
        seed: u64,
        requests in prop::collection::vec((0..5u8, any::<u16>()), 200),
    ) {
        let start = Instant::now();
        let scripts: Vec<_> = tiers.iter().flatten().cloned().collect();
        let mut number = 0..;
        let urls: Vec<Vec<_>> = tiers
            .iter()
            .map(|tier| tier.iter().map(|_| format!("http://t{}.example/", number.next().unwrap_or(0))).collect())
            .collect();
        let all: Vec<_> = urls.iter().flatten().cloned().collect();
        let mut schedule = AnnounceSchedule::new(&urls, IntervalBounds::default(), false, seed, start);
        let mut now = start;
        let mut allowed = vec![start; all.len()];
        let mut replies = vec![0; all.len()];
        let mut completions = 0;
        for (kind, chance) in requests {
            match kind {
                0 => schedule.completed(now),
                1 => schedule.request_peers(now),
                _ => {}
            }
            let due = schedule.due().expect("no tracker can be contacted");
            now = now.max(due);
            let announce = schedule.start_announce(now).expect("the announce is not due");
            let url = announce.address.clone();
            let index = all.iter().position(|known| TrackerAddress::parse(known).as_ref() == Ok(&url)).unwrap();
            prop_assert!(announce.event == Some(TrackerEvent::Completed) || now >= allowed[index], "announced too early");
            prop_assert_eq!(announce.event == Some(TrackerEvent::Started), replies[index] == 0);
            let script = &scripts[index];
            now += seconds(script.reply_seconds);
            if chance % 10 < script.failure_tenths.into() {
                let pause = schedule.failed(no_reply(), now);
                allowed[index] = now + pause;
            } else {
                let reply = AnnounceReply {
                    interval: script.interval,
                    min_interval: script.minimum,
                    ..AnnounceReply::default()
                };
                schedule.answered(&reply, now);
                allowed[index] = now + IntervalBounds::default().intervals(&reply).1;
                replies[index] += 1;
                completions += u32::from(announce.event == Some(TrackerEvent::Completed));
            }
            prop_assert!(completions <= 1);
            let _ = schedule.views();
        }
    }

    #[test]
    fn a_working_tracker_is_found_within_one_round(
        count in 2..8usize, works in 0..8usize, slowness in 0..45u64, seed: u64,
    ) {
        let start = Instant::now();
        let urls: Vec<_> = (0..count).map(|n| format!("http://t{n}.example/")).collect();
        let good = TrackerAddress::parse(&urls[works % count]).unwrap();
        let mut schedule = AnnounceSchedule::new(&[urls], IntervalBounds::default(), false, seed, start);
        let mut now = start;
        for _ in 0..count {
            let announce = schedule.start_announce(now).expect("no announce is due");
            if announce.address == good {
                return Ok(());
            }
            now += seconds(slowness);
            schedule.failed(no_reply(), now);
        }
        prop_assert!(false, "not found in one round");
    }
}
