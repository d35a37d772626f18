use proptest::prelude::*;

use super::*;

fn identity(size: u64, version: i64) -> FileIdentity {
    FileIdentity { dev: 1, ino: 1, size, mtime_ns: version, ctime_ns: version }
}

fn begin(queue: &mut WorkQueue, now: Instant) -> Option<String> {
    queue.begin_next(now).map(|(location, _)| location.to_str().unwrap().to_owned())
}

#[test]
fn files_are_begun_in_order_a_few_at_a_time() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    for name in ["/a", "/b", "/c"] {
        queue.add(Path::new(name), identity(10, 1), When::Last);
    }
    queue.add(Path::new("/first"), identity(10, 1), When::First);
    assert_eq!((queue.files_left(), queue.bytes_left()), (4, 40));
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/first"));
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/a"));
    assert_eq!(begin(&mut queue, now), None);
    queue.end();
    queue.remove(Path::new("/first"));
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/b"));
    assert_eq!((queue.files_left(), queue.bytes_left()), (3, 30));
}

#[test]
fn a_file_that_must_wait_is_begun_when_it_is_due() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    let due = now + Duration::from_secs(1);
    queue.add(Path::new("/a"), identity(1, 1), When::NotBefore(due));
    assert_eq!(begin(&mut queue, now), None);
    assert_eq!(queue.next_due(), Some(due));
    // Seen again unchanged, it keeps its place; changed, it waits anew.
    queue.add(Path::new("/a"), identity(1, 1), When::NotBefore(due + Duration::from_secs(1)));
    assert_eq!(queue.next_due(), Some(due));
    let later = due + Duration::from_secs(2);
    queue.add(Path::new("/a"), identity(2, 2), When::NotBefore(later));
    assert_eq!(begin(&mut queue, due), None);
    assert_eq!(queue.begin_next(later), Some(("/a".into(), identity(2, 2))));
}

#[test]
fn a_named_file_overtakes_even_its_own_waiting() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), When::Last);
    queue.add(Path::new("/b"), identity(1, 1), When::NotBefore(now + Duration::from_secs(9)));
    queue.add(Path::new("/b"), identity(1, 1), When::First);
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/b"));
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/a"));
    assert_eq!(begin(&mut queue, now + Duration::from_secs(10)), None);
}

#[test]
fn a_file_that_keeps_changing_is_put_aside_and_tried_again_later() {
    let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/d/log"), identity(5, 1), When::Last);
    let mut retries = Vec::new();
    for version in 2..6 {
        assert!(begin(&mut queue, now).is_some());
        queue.end();
        retries.push(queue.retry(Path::new("/d/log"), SkipReason::Changing, now));
        queue.add(Path::new("/d/log"), identity(5, version), When::NotBefore(now));
        now = queue.next_due().unwrap().max(now);
    }
    assert_eq!(retries, [Retry::Soon, Retry::Soon, Retry::Soon, Retry::Aside]);
    assert_eq!((queue.files_left(), queue.bytes_left()), (0, 0));
    assert!(!queue.waits_beneath(Path::new("/d")));
    // It comes up again, with what it looks like by then.
    assert_eq!(queue.begin_next(now), Some(("/d/log".into(), identity(5, 5))));
    queue.end();
    queue.remove(Path::new("/d/log"));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_file_that_went_away_is_not_begun_or_put_back() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), When::Last);
    queue.add(Path::new("/b"), identity(1, 1), When::NotBefore(now));
    queue.remove(Path::new("/a"));
    queue.remove(Path::new("/b"));
    assert_eq!(begin(&mut queue, now), None);
    queue.add(Path::new("/a"), identity(1, 1), When::Last);
    assert!(begin(&mut queue, now).is_some());
    queue.remove(Path::new("/a"));
    queue.end();
    assert_eq!(queue.retry(Path::new("/a"), SkipReason::Changing, now), Retry::Dropped);
}

#[test]
fn a_forbidden_file_is_put_aside_at_once_and_tried_when_it_changes() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), When::Last);
    assert!(begin(&mut queue, now).is_some());
    queue.end();
    let forbidden = SkipReason::Unreadable(ErrorKind::PermissionDenied);
    assert_eq!(queue.retry(Path::new("/a"), forbidden, now), Retry::Aside);
    queue.add(Path::new("/a"), identity(1, 1), When::Last);
    assert_eq!((begin(&mut queue, now), queue.files_left()), (None, 0));
    queue.add(Path::new("/a"), identity(1, 2), When::Last);
    assert_eq!((begin(&mut queue, now).as_deref(), queue.files_left()), (Some("/a"), 1));
}

#[test]
fn waiting_is_known_by_place() {
    let mut queue = WorkQueue::default();
    queue.add(Path::new("/d/e/f"), identity(1, 1), When::Last);
    assert!(queue.waits_beneath(Path::new("/d")) && queue.waits_beneath(Path::new("/d/e/f")));
    assert!(!queue.waits_beneath(Path::new("/d/e/fg")) && !queue.waits_beneath(Path::new("/x")));
}

#[test]
fn a_file_that_grows_for_long_is_put_aside_but_hashed_when_it_rests() {
    let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
    let settle = Duration::from_secs(1);
    for version in 0..40 {
        queue.add(Path::new("/d/log"), identity(5, version), When::NotBefore(now + settle));
        assert_eq!(begin(&mut queue, now), None);
        assert_eq!(queue.waits_beneath(Path::new("/d")), version < 10);
        now += settle / 3;
    }
    let aside: Vec<Skip> = queue.aside_beneath(Path::new("/d")).collect();
    assert_eq!(aside, [Skip { location: "/d/log".into(), reason: SkipReason::Changing }]);
    assert!(begin(&mut queue, now + settle).is_some());
}

#[derive(Debug, Clone)]
enum Event {
    Wanted { version: i64, wait: Option<u64>, is_named: bool },
    Begun,
    Failed,
    Removed,
    Passed { milliseconds: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..3_i64, prop::option::of(0..2000_u64), any::<bool>())
            .prop_map(|(version, wait, is_named)| Event::Wanted { version, wait, is_named }),
        5 => Just(Event::Begun),
        3 => Just(Event::Failed),
        1 => Just(Event::Removed),
        2 => (0..40_000_u64).prop_map(|milliseconds| Event::Passed { milliseconds }),
    ]
}

proptest! {
    #[test]
    fn the_counts_are_those_of_the_jobs_and_every_job_comes_up(
        events in prop::collection::vec((0..4_u64, event()), 0..80),
    ) {
        let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
        let mut running: Vec<PathBuf> = Vec::new();
        for (file, event) in events {
            let place = PathBuf::from(format!("/{file}"));
            match event {
                Event::Wanted { version, wait, is_named } => {
                    let when = match wait {
                        Some(wait) => When::NotBefore(now + Duration::from_millis(wait)),
                        None if is_named => When::First,
                        None => When::Last,
                    };
                    queue.add(&place, identity(file * 10 + version.unsigned_abs(), version), when);
                }
                Event::Begun => running.extend(queue.begin_next(now).map(|(begun, _)| begun)),
                Event::Failed => {
                    if let Some(failed) = running.pop() {
                        queue.end();
                        queue.retry(&failed, SkipReason::Changing, now);
                    }
                }
                Event::Removed => queue.remove(&place),
                Event::Passed { milliseconds } => now += Duration::from_millis(milliseconds),
            }
            let waited = queue.jobs.values().filter(|job| job.aside.is_none());
            prop_assert_eq!(queue.bytes_left(), waited.clone().map(|job| job.identity.size).sum::<u64>());
            prop_assert_eq!(queue.files_left(), waited.count());
            let is_delayed = |job: &&Job| matches!(job.stage, Stage::Delayed(..));
            prop_assert_eq!(queue.delayed.len(), queue.jobs.values().filter(is_delayed).count());
            prop_assert!(running.len() <= MAX_ACTIVE);
        }
        // With time and success, all of them are hashed.
        now += LONG_PAUSE * 2;
        loop {
            while let Some((begun, _)) = queue.begin_next(now) {
                running.push(begun);
            }
            let Some(done) = running.pop() else { break };
            queue.end();
            queue.remove(&done);
        }
        prop_assert_eq!((queue.jobs.len(), queue.next_due()), (0, None));
    }
}
