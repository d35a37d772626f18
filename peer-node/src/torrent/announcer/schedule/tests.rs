use proptest::prelude::*;

use super::*;

const A: &str = "http://a.example/announce";
const B: &str = "http://b.example/announce";
const C: &str = "udp://c.example:80";

fn schedule(tiers: &[&[&str]], is_complete: bool, now: Instant) -> Schedule {
    let tiers: Vec<Vec<_>> =
        tiers.iter().map(|tier| tier.iter().copied().map(str::to_owned).collect()).collect();
    Schedule::new(&tiers, Pacing::default(), is_complete, 7, now)
}

fn reply(interval: u32, min_interval: u32) -> AnnounceReply {
    AnnounceReply { interval, min_interval: Some(min_interval), ..AnnounceReply::default() }
}

fn silent() -> Setback {
    Setback { reason: "silent".to_owned(), refused: false, asked_pause: None }
}

/// Makes the announcement that is due and says who it is for.
fn ask(schedule: &mut Schedule, now: Instant) -> (String, Option<Event>) {
    let turn = schedule.turn(now).expect("due");
    let url = schedule.tiers.iter().find(|tracker| tracker.id == turn.tracker).unwrap().url.clone();
    (url, turn.event)
}

fn asks(schedule: &mut Schedule, now: Instant, url: &str, event: Option<Event>) {
    assert_eq!(ask(schedule, now), (url.to_owned(), event));
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_tracker_is_asked_at_its_interval() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    assert_eq!((schedule.due(), schedule.turn(start)), (None, None), "one announcement at a time");
    schedule.answered(&reply(1800, 900), start + seconds(1));
    assert_eq!(schedule.due(), Some(start + seconds(1801)));
    assert_eq!(schedule.turn(start + seconds(1800)), None);
    asks(&mut schedule, start + seconds(1801), A, None);
}

#[test]
fn peers_are_asked_for_no_earlier_than_the_tracker_allows() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A], &[B]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.want_peers(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(900)), "and no other tracker is asked meanwhile");
    asks(&mut schedule, start + seconds(900), A, None);
}

#[test]
fn completion_is_told_at_once_and_once() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.completed(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(5)));
    asks(&mut schedule, start + seconds(5), A, Some(Event::Completed));
    schedule.answered(&reply(1800, 900), start + seconds(5));
    schedule.completed(start + seconds(6));
    assert_eq!(schedule.due(), Some(start + seconds(1805)));
    asks(&mut schedule, start + seconds(1805), A, None);
}

#[test]
fn completion_while_an_answer_is_on_its_way_is_told_after_it() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    schedule.completed(start);
    schedule.answered(&reply(1800, 900), start + seconds(1));
    asks(&mut schedule, start + seconds(1), A, Some(Event::Completed));
    schedule.failed(silent(), start + seconds(2));
    let due = schedule.due().unwrap();
    asks(&mut schedule, due, A, Some(Event::Completed));
    schedule.answered(&reply(1800, 900), due);
    assert_eq!(schedule.due(), Some(due + seconds(1800)));
}

#[test]
fn a_torrent_that_was_complete_does_not_become_so() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], true, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    schedule.answered(&reply(1800, 900), start);
    schedule.completed(start + seconds(5));
    assert_eq!(schedule.due(), Some(start + seconds(1800)));
}

#[test]
fn tiers_are_tried_in_order_and_the_first_again_each_time() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A], &[B], &[C]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    schedule.failed(silent(), start);
    asks(&mut schedule, start, B, Some(Event::Started));
    schedule.answered(&reply(1800, 900), start);
    assert_eq!(schedule.due(), Some(start + seconds(1800)));
    asks(&mut schedule, start + seconds(1800), A, Some(Event::Started));
    schedule.answered(&reply(600, 300), start + seconds(1800));
    asks(&mut schedule, start + seconds(2400), A, None);
}

#[test]
fn within_a_tier_the_one_that_works_moves_to_the_front() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A, B, C]], false, start);
    let (first, _) = ask(&mut schedule, start);
    schedule.failed(silent(), start);
    let (second, _) = ask(&mut schedule, start);
    assert_ne!(first, second);
    schedule.answered(&reply(1800, 900), start);
    asks(&mut schedule, start + seconds(1800), &second, None);
    schedule.failed(silent(), start + seconds(1800));
    asks(&mut schedule, start + seconds(1800), &first, Some(Event::Started));
}

#[test]
fn the_order_within_a_tier_is_left_to_chance() {
    let start = Instant::now();
    let tier: Vec<_> = (0..20).map(|n| format!("http://t{n}.example/announce")).collect();
    let order = |seed| {
        let schedule = Schedule::new(std::slice::from_ref(&tier), Pacing::default(), false, seed, start);
        schedule.tiers.iter().map(|tracker| tracker.url.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    assert!(tier.iter().all(|url| order(3).contains(url)));
}

#[test]
fn failures_are_retried_with_growing_pauses() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], false, start);
    let mut now = start;
    let mut least = seconds(1);
    for _ in 0..30 {
        asks(&mut schedule, now, A, Some(Event::Started));
        let pause = schedule.failed(silent(), now);
        assert!((least..=seconds(1800)).contains(&pause), "{pause:?}");
        assert_eq!(schedule.due(), Some(now + pause));
        (now, least) = (now + pause, (2 * least).min(seconds(900)));
    }
    asks(&mut schedule, now, A, Some(Event::Started));
    schedule.answered(&reply(60, 60), now);
    asks(&mut schedule, now + seconds(60), A, None);
    assert!(schedule.failed(silent(), now + seconds(60)) < seconds(3), "an answer ends the growth");
}

#[test]
fn a_refusal_is_not_answered_by_hammering() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A]], false, start);
    asks(&mut schedule, start, A, Some(Event::Started));
    let refused = Setback { refused: true, ..silent() };
    assert_eq!(schedule.failed(refused.clone(), start), seconds(30));
    asks(&mut schedule, start + seconds(30), A, Some(Event::Started));
    let busy = Setback { asked_pause: Some(seconds(120)), ..refused };
    assert_eq!(schedule.failed(busy.clone(), start + seconds(30)), seconds(120));
    asks(&mut schedule, start + seconds(150), A, Some(Event::Started));
    let for_ever = Setback { asked_pause: Some(Duration::MAX), ..busy };
    assert_eq!(schedule.failed(for_ever, start + seconds(150)), Duration::from_hours(24));
}

#[test]
fn only_those_that_know_of_us_are_told_that_we_leave() {
    let start = Instant::now();
    let mut schedule = schedule(&[&[A], &[B], &[C]], false, start);
    assert!(schedule.farewells().is_empty());
    asks(&mut schedule, start, A, Some(Event::Started));
    assert_eq!(schedule.farewells().len(), 1, "it may have heard already");
    schedule.failed(silent(), start);
    asks(&mut schedule, start, B, Some(Event::Started));
    let with_id = AnnounceReply { tracker_id: Some(b"id".to_vec()), ..reply(1800, 900) };
    schedule.answered(&with_id, start);
    let farewells = schedule.farewells();
    let [turn] = farewells.as_slice() else { panic!("{farewells:?}") };
    assert_eq!(turn.address.to_string(), "http://b.example");
    assert_eq!((turn.event, turn.tracker_id.as_deref()), (Some(Event::Stopped), Some(b"id".as_slice())));
}

#[test]
fn trackers_that_cannot_be_asked_are_shown_and_left_alone() {
    let start = Instant::now();
    let mut schedule = schedule(&[&["wss://t.example/", "http://a b/"], &[C, C]], false, start);
    asks(&mut schedule, start, C, Some(Event::Started));
    let views = schedule.views();
    assert_eq!(views.len(), 3, "nobody stands there twice");
    assert!(matches!(views[0].state, TrackerState::Unusable { .. }));
    assert_eq!(views[2].state, TrackerState::Announcing);
    let none = Schedule::new(&[vec!["wss://t.example/".to_owned()]], Pacing::default(), false, 1, start);
    assert_eq!(none.due(), None);
}

/// A tracker as it may be.
#[derive(Debug, Clone)]
struct Script {
    takes: u64,
    fails: u8,
    interval: u32,
    minimum: Option<u32>,
}

fn script() -> impl Strategy<Value = Script> {
    (0..60u64, 0..=10u8, 0..4000u32, prop::option::of(0..4000u32))
        .prop_map(|(takes, fails, interval, minimum)| Script { takes, fails, interval, minimum })
}

proptest! {
    #[test]
    fn whatever_trackers_do_the_rules_are_kept(
        tiers in prop::collection::vec(prop::collection::vec(script(), 1..4), 1..4),
        seed: u64,
        wishes in prop::collection::vec((0..5u8, any::<u16>()), 200),
    ) {
        let start = Instant::now();
        let scripts: Vec<_> = tiers.iter().flatten().cloned().collect();
        let mut number = 0..;
        let urls: Vec<Vec<_>> = tiers
            .iter()
            .map(|tier| tier.iter().map(|_| format!("http://t{}.example/", number.next().unwrap_or(0))).collect())
            .collect();
        let all: Vec<_> = urls.iter().flatten().cloned().collect();
        let mut schedule = Schedule::new(&urls, Pacing::default(), false, seed, start);
        let mut now = start;
        let mut allowed = vec![start; all.len()];
        let mut heard = vec![0; all.len()];
        let mut completions = 0;
        for (wish, chance) in wishes {
            match wish {
                0 => schedule.completed(now),
                1 => schedule.want_peers(now),
                _ => {}
            }
            let due = schedule.due().expect("there is always somebody to ask");
            now = now.max(due);
            let turn = schedule.turn(now).expect("it is due");
            let url = turn.address.clone();
            let who = all.iter().position(|known| TrackerAddress::parse(known).as_ref() == Ok(&url)).unwrap();
            prop_assert!(turn.event == Some(Event::Completed) || now >= allowed[who], "asked too early");
            prop_assert_eq!(turn.event == Some(Event::Started), heard[who] == 0);
            let script = &scripts[who];
            now += seconds(script.takes);
            if chance % 10 < script.fails.into() {
                let pause = schedule.failed(silent(), now);
                allowed[who] = now + pause;
            } else {
                let reply = AnnounceReply {
                    interval: script.interval,
                    min_interval: script.minimum,
                    ..AnnounceReply::default()
                };
                schedule.answered(&reply, now);
                allowed[who] = now + Pacing::default().intervals(&reply).1;
                heard[who] += 1;
                completions += u32::from(turn.event == Some(Event::Completed));
            }
            prop_assert!(completions <= 1);
            let _ = schedule.views();
        }
    }

    #[test]
    fn one_that_works_is_found_soon_among_those_that_are_slow_to_fail(
        count in 2..8usize, works in 0..8usize, slowness in 0..45u64, seed: u64,
    ) {
        let start = Instant::now();
        let urls: Vec<_> = (0..count).map(|n| format!("http://t{n}.example/")).collect();
        let good = TrackerAddress::parse(&urls[works % count]).unwrap();
        let mut schedule = Schedule::new(&[urls], Pacing::default(), false, seed, start);
        let mut now = start;
        for _ in 0..count {
            let turn = schedule.turn(now).expect("nobody is waited for");
            if turn.address == good {
                return Ok(());
            }
            now += seconds(slowness);
            schedule.failed(silent(), now);
        }
        prop_assert!(false, "not found in one round");
    }
}
