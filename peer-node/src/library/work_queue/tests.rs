use proptest::prelude::*;

use super::*;

fn identity(size: u64, version: i64) -> FileIdentity {
    FileIdentity { dev: 1, ino: 1, size, mtime_ns: version, ctime_ns: version }
}

fn begin(queue: &mut WorkQueue, now: Instant) -> Option<String> {
    queue.begin_next(now).map(|(location, _)| location.to_str().unwrap().to_owned())
}

#[test]
fn files_start_in_order_a_few_at_a_time() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    for name in ["/a", "/b", "/c"] {
        queue.add(Path::new(name), identity(10, 1), JobStart::Last);
    }
    queue.add(Path::new("/first"), identity(10, 1), JobStart::First);
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
fn delayed_file_starts_when_due() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    let due = now + Duration::from_secs(1);
    queue.add(Path::new("/a"), identity(1, 1), JobStart::NotBefore(due));
    assert_eq!(begin(&mut queue, now), None);
    assert_eq!(queue.next_due(), Some(due));
    // An unchanged file keeps its position; a changed one is delayed again.
    queue.add(Path::new("/a"), identity(1, 1), JobStart::NotBefore(due + Duration::from_secs(1)));
    assert_eq!(queue.next_due(), Some(due));
    let later = due + Duration::from_secs(2);
    queue.add(Path::new("/a"), identity(2, 2), JobStart::NotBefore(later));
    assert_eq!(begin(&mut queue, due), None);
    assert_eq!(queue.begin_next(later), Some(("/a".into(), identity(2, 2))));
}

#[test]
fn requested_file_jumps_the_queue() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), JobStart::Last);
    queue.add(Path::new("/b"), identity(1, 1), JobStart::NotBefore(now + Duration::from_secs(9)));
    queue.add(Path::new("/b"), identity(1, 1), JobStart::First);
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/b"));
    assert_eq!(begin(&mut queue, now).as_deref(), Some("/a"));
    assert_eq!(begin(&mut queue, now + Duration::from_secs(10)), None);
}

#[test]
fn changing_file_is_parked_and_retried_later() {
    let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/d/log"), identity(5, 1), JobStart::Last);
    let mut retries = Vec::new();
    for version in 2..6 {
        assert!(begin(&mut queue, now).is_some());
        queue.end();
        retries.push(queue.retry(Path::new("/d/log"), SkipReason::Changing, now, 0));
        queue.add(Path::new("/d/log"), identity(5, version), JobStart::NotBefore(now));
        now = queue.next_due().unwrap().max(now);
    }
    assert_eq!(retries, [RetryOutcome::Soon, RetryOutcome::Soon, RetryOutcome::Soon, RetryOutcome::Parked]);
    assert_eq!((queue.files_left(), queue.bytes_left()), (0, 0));
    assert!(!queue.has_pending_beneath(Path::new("/d")));
    // The file is retried with its last identity.
    assert_eq!(queue.begin_next(now), Some(("/d/log".into(), identity(5, 5))));
    queue.end();
    queue.remove(Path::new("/d/log"));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn removed_file_is_neither_started_nor_retried() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), JobStart::Last);
    queue.add(Path::new("/b"), identity(1, 1), JobStart::NotBefore(now));
    queue.remove(Path::new("/a"));
    queue.remove(Path::new("/b"));
    assert_eq!(begin(&mut queue, now), None);
    queue.add(Path::new("/a"), identity(1, 1), JobStart::Last);
    assert!(begin(&mut queue, now).is_some());
    queue.remove(Path::new("/a"));
    queue.end();
    assert_eq!(queue.retry(Path::new("/a"), SkipReason::Changing, now, 0), RetryOutcome::Dropped);
}

#[test]
fn forbidden_file_is_parked_until_it_changes() {
    let (mut queue, now) = (WorkQueue::default(), Instant::now());
    queue.add(Path::new("/a"), identity(1, 1), JobStart::Last);
    assert!(begin(&mut queue, now).is_some());
    queue.end();
    let forbidden = SkipReason::Unreadable(ErrorKind::PermissionDenied);
    assert_eq!(queue.retry(Path::new("/a"), forbidden, now, 0), RetryOutcome::Parked);
    queue.add(Path::new("/a"), identity(1, 1), JobStart::Last);
    assert_eq!((begin(&mut queue, now), queue.files_left()), (None, 0));
    queue.add(Path::new("/a"), identity(1, 2), JobStart::Last);
    assert_eq!((begin(&mut queue, now).as_deref(), queue.files_left()), (Some("/a"), 1));
}

#[test]
fn pending_jobs_are_known_by_place() {
    let mut queue = WorkQueue::default();
    queue.add(Path::new("/d/e/f"), identity(1, 1), JobStart::Last);
    assert!(queue.has_pending_beneath(Path::new("/d")) && queue.has_pending_beneath(Path::new("/d/e/f")));
    assert!(!queue.has_pending_beneath(Path::new("/d/e/fg")) && !queue.has_pending_beneath(Path::new("/x")));
}

#[test]
fn growing_file_is_parked_but_hashed_at_rest() {
    let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
    let settle = Duration::from_secs(1);
    for version in 0..40 {
        queue.add(Path::new("/d/log"), identity(5, version), JobStart::NotBefore(now + settle));
        assert_eq!(begin(&mut queue, now), None);
        assert_eq!(queue.has_pending_beneath(Path::new("/d")), version < 10);
        now += settle / 3;
    }
    let parked: Vec<SkippedEntry> = queue.parked_beneath(Path::new("/d")).collect();
    assert_eq!(parked, [SkippedEntry { location: "/d/log".into(), reason: SkipReason::Changing }]);
    assert!(begin(&mut queue, now + settle).is_some());
}

#[derive(Debug, Clone)]
enum QueueEvent {
    Wanted { version: i64, wait: Option<u64>, is_named: bool },
    Started,
    Failed,
    Removed,
    TimePassed { milliseconds: u64 },
}

fn event() -> impl Strategy<Value = QueueEvent> {
    prop_oneof![
        5 => (0..3_i64, prop::option::of(0..2000_u64), any::<bool>())
            .prop_map(|(version, wait, is_named)| QueueEvent::Wanted { version, wait, is_named }),
        5 => Just(QueueEvent::Started),
        3 => Just(QueueEvent::Failed),
        1 => Just(QueueEvent::Removed),
        2 => (0..40_000_u64).prop_map(|milliseconds| QueueEvent::TimePassed { milliseconds }),
    ]
}

proptest! {
    #[test]
    fn counts_match_jobs_and_every_job_runs(
        events in prop::collection::vec((0..4_u64, event()), 0..80),
    ) {
        let (mut queue, mut now) = (WorkQueue::default(), Instant::now());
        let mut running: Vec<PathBuf> = Vec::new();
        for (file, event) in events {
            let place = PathBuf::from(format!("/{file}"));
            match event {
                QueueEvent::Wanted { version, wait, is_named } => {
                    let when = match wait {
                        Some(wait) => JobStart::NotBefore(now + Duration::from_millis(wait)),
                        None if is_named => JobStart::First,
                        None => JobStart::Last,
                    };
                    queue.add(&place, identity(file * 10 + version.unsigned_abs(), version), when);
                }
                QueueEvent::Started => running.extend(queue.begin_next(now).map(|(begun, _)| begun)),
                QueueEvent::Failed => {
                    if let Some(failed) = running.pop() {
                        queue.end();
                        queue.retry(&failed, SkipReason::Changing, now, 0);
                    }
                }
                QueueEvent::Removed => queue.remove(&place),
                QueueEvent::TimePassed { milliseconds } => now += Duration::from_millis(milliseconds),
            }
            let waited = queue.jobs.values().filter(|job| job.parked.is_none());
            prop_assert_eq!(queue.bytes_left(), waited.clone().map(|job| job.identity.size).sum::<u64>());
            prop_assert_eq!(queue.files_left(), waited.count());
            let is_delayed = |job: &&HashJob| matches!(job.stage, JobStage::Delayed(..));
            prop_assert_eq!(queue.delayed.len(), queue.jobs.values().filter(is_delayed).count());
            prop_assert!(running.len() <= MAX_ACTIVE);
        }
        // Eventually every file is hashed.
        now += PARKED_RETRY_DELAY * 2;
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
