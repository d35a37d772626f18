use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::super::model_list::{ModelList, file};
use super::super::sync_round::WINDOW;
use super::*;
use protocol::index::Reply;

/// A list synchronization and a model index with a simulated clock.
struct SyncHarness {
    sync: ListSync,
    index: ModelList,
    now: Instant,
    generation: u64,
    next_id: RequestId,
    in_flight: VecDeque<(RequestId, Request)>,
}

impl SyncHarness {
    fn new(files: &[(&str, u8)]) -> Self {
        let mut pair = Self {
            sync: ListSync::default(),
            index: ModelList::default(),
            now: Instant::now(),
            generation: 0,
            next_id: 1,
            in_flight: VecDeque::new(),
        };
        pair.share(files.iter().map(|&(path, digest)| file(path, digest)).collect());
        pair
    }

    fn share(&mut self, records: Vec<FileRecord>) {
        self.generation += 1;
        self.sync.update_shares(ShareSnapshot::of(self.generation, records, true));
    }

    fn connect(&mut self) {
        self.in_flight.clear();
        self.sync.begin_session(self.now, self.index.summary(), true);
    }

    fn send(&mut self) -> bool {
        let Some(request) = self.sync.next_request(self.now, self.next_id) else { return false };
        self.in_flight.push_back((self.next_id, request));
        self.next_id += 1;
        true
    }

    fn deliver_reply(&mut self) -> Option<Request> {
        let (id, request) = self.in_flight.pop_front()?;
        match self.index.answer(&request) {
            Reply::List(summary) => self.sync.handle_acknowledgement(self.now, id, summary),
            Reply::Refused(refusal) => self.sync.handle_refusal(self.now, id, refusal).unwrap(),
            other => panic!("{other:?}"),
        }
        Some(request)
    }

    /// Sends the beginning of a full list, after which nothing else may be sent until the reply.
    fn begin(&mut self) {
        assert!(self.send() && !self.send());
        assert_eq!(self.deliver_reply(), Some(Request::BeginList));
    }

    /// Runs until nothing more is sent; returns the requests.
    fn run_until_idle(&mut self) -> Vec<Request> {
        let mut sent = Vec::new();
        loop {
            while self.send() {}
            match self.deliver_reply() {
                Some(request) => sent.push(request),
                None => return sent,
            }
            assert!(sent.len() < 10_000, "the synchronization does not end");
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    fn index_paths(&self) -> Vec<&str> {
        self.index.files.keys().map(String::as_str).collect()
    }
}

fn register(files: &[(&str, u8)]) -> Request {
    Request::Register { files: files.iter().map(|&(path, digest)| file(path, digest)).collect() }
}

fn unregister(paths: &[&str]) -> Request {
    Request::Unregister { paths: paths.iter().map(|&path| path.to_owned()).collect() }
}

#[test]
fn equal_list_is_not_sent_again() {
    let mut pair = SyncHarness::new(&[("a", 1), ("b", 2)]);
    for (path, digest) in [("b", 2), ("a", 1)] {
        pair.index.files.insert(path.into(), file(path, digest));
    }
    pair.connect();
    assert_eq!(pair.run_until_idle(), []);
    assert!(pair.sync.is_synced());
    assert_eq!((pair.sync.registered(), pair.sync.acknowledged_generation()), (2, Some(1)));
}

#[test]
fn unknown_list_is_sent_in_full_and_then_only_changes() {
    let mut pair = SyncHarness::new(&[("a", 1), ("b", 2)]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.connect();
    assert!(!pair.sync.is_synced());
    assert_eq!(
        pair.run_until_idle(),
        [Request::BeginList, register(&[("a", 1), ("b", 2)]), Request::EndList]
    );
    assert_eq!((pair.index_paths(), pair.sync.is_synced()), (vec!["a", "b"], true));
    pair.share(vec![file("b", 3), file("c", 1)]);
    assert_eq!(pair.sync.acknowledged_generation(), None);
    assert_eq!(pair.run_until_idle(), [unregister(&["a"]), register(&[("b", 3), ("c", 1)])]);
    assert_eq!(pair.sync.acknowledged_generation(), Some(2));
    pair.share(vec![file("c", 1), file("b", 3)]);
    assert_eq!((pair.run_until_idle(), pair.sync.acknowledged_generation()), (vec![], Some(3)));
    pair.share(vec![]);
    assert_eq!(pair.run_until_idle(), [unregister(&["b", "c"])]);
}

#[test]
fn index_list_is_kept_until_the_library_has_settled() {
    let unsettled = |files: &[(&str, u8)]| {
        let mut pair = SyncHarness::new(&[]);
        pair.sync = ListSync::default();
        let records = files.iter().map(|&(path, digest)| file(path, digest)).collect();
        pair.sync.update_shares(ShareSnapshot::of(1, records, false));
        pair
    };
    let list = [("a", 1), ("b", 2)].map(|(path, digest)| (path.to_owned(), file(path, digest)));
    let mut pair = unsettled(&[("a", 1)]);
    pair.index.files.extend(list.clone());
    pair.connect();
    assert_eq!(pair.run_until_idle(), []);
    assert_eq!((pair.sync.is_synced(), pair.sync.registered()), (false, 2));
    pair.share(vec![file("a", 1), file("b", 2)]);
    assert_eq!((pair.run_until_idle(), pair.sync.is_synced()), (vec![], true));

    let mut pair = unsettled(&[("a", 1)]);
    pair.index.files.extend(list);
    pair.connect();
    assert_eq!(pair.run_until_idle(), []);
    assert_eq!(pair.sync.deadline(), Some(pair.now + SETTLE_TIMEOUT));
    pair.advance(SETTLE_TIMEOUT);
    assert_eq!(pair.run_until_idle().len(), 3, "the list is sent after the settle timeout");
    let mut pair = unsettled(&[("a", 1)]);
    pair.connect();
    assert_eq!(pair.run_until_idle().len(), 3, "an empty index is sent the list immediately");
}

#[test]
fn empty_library_empties_the_list() {
    let mut pair = SyncHarness::new(&[]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.connect();
    assert_eq!(pair.run_until_idle(), [Request::BeginList, Request::EndList]);
    assert_eq!((pair.index_paths(), pair.sync.is_synced()), (vec![], true));
}

#[test]
fn reconnected_node_sends_only_changes() {
    let mut pair = SyncHarness::new(&[("a", 1), ("b", 2)]);
    pair.connect();
    pair.run_until_idle();
    pair.share(vec![file("a", 1), file("c", 2)]);
    pair.connect();
    assert_eq!(pair.run_until_idle(), [unregister(&["b"]), register(&[("c", 2)])]);
    pair.index.files.clear();
    pair.connect();
    let files = [("a", 1), ("c", 2)];
    assert_eq!(
        pair.run_until_idle(),
        [Request::BeginList, register(&files), Request::EndList],
        "the index has lost the list"
    );
}

#[test]
fn window_of_batches_is_in_flight_and_end_waits_for_all() {
    let mut pair = SyncHarness::new(&[]);
    pair.share((0..20_000).map(|n| file(&n.to_string(), 1)).collect());
    pair.connect();
    pair.begin();
    while pair.send() {}
    assert_eq!(pair.in_flight.len(), WINDOW);
    let sent = pair.run_until_idle();
    assert_eq!((sent.len(), pair.index.files.len()), (21, 20_000));
    assert_eq!(sent.last(), Some(&Request::EndList));
    assert!(pair.sync.is_synced());
}

#[test]
fn refused_file_does_not_block_the_others() {
    let mut pair = SyncHarness::new(&[("a", 1), ("b\u{202e}d", 1), ("c", 1)]);
    pair.index.rejected_paths.insert("b\u{202e}d".into());
    pair.connect();
    let sent = pair.run_until_idle();
    assert_eq!(sent.len(), 4);
    assert_eq!(sent[2..], [register(&[("a", 1), ("c", 1)]), Request::EndList]);
    assert_eq!((pair.index_paths(), pair.sync.is_synced()), (vec!["a", "c"], true));
    assert_eq!(pair.sync.trouble(), Some(SyncProblem::Refused { files: 1 }));
    pair.share(vec![file("a", 1), file("b\u{202e}d", 1)]);
    assert_eq!(pair.run_until_idle(), [unregister(&["c"])], "the refused file is not sent again");
    pair.share(vec![file("a", 1)]);
    assert_eq!((pair.run_until_idle(), pair.sync.trouble()), (vec![], None));
}

#[test]
fn refused_file_is_found_by_its_truncated_path() {
    let long = vec!["x".repeat(200); 8].join("/");
    let mut pair = SyncHarness::new(&[("a", 1), (&long, 1)]);
    pair.connect();
    pair.begin();
    assert!(pair.send());
    let refusal = |path: &str| Refusal::BadRecord { path: path.into(), reason: "x".into() };
    assert!(pair.sync.handle_refusal(pair.now, 2, refusal(&long[..1024])).is_ok());
    assert_eq!(pair.sync.trouble(), Some(SyncProblem::Refused { files: 1 }));
}

#[test]
fn refusal_of_a_file_never_sent_is_an_error() {
    let mut pair = SyncHarness::new(&[("a", 1)]);
    pair.connect();
    pair.begin();
    assert!(pair.send());
    let refusal = Refusal::BadRecord { path: "other".into(), reason: "x".into() };
    assert_eq!(pair.sync.handle_refusal(pair.now, 2, refusal.clone()), Err(refusal));
}

#[test]
fn index_that_refuses_everything_is_not_retried_at_once() {
    let mut pair = SyncHarness::new(&[]);
    let paths: Vec<_> = (0..3 * MAX_REFUSED).map(|n| n.to_string()).collect();
    pair.index.rejected_paths.extend(paths.iter().cloned());
    pair.share(paths.iter().map(|path| file(path, 1)).collect());
    pair.connect();
    let sent = pair.run_until_idle();
    assert!(sent.len() < MAX_REFUSED + WINDOW + 3, "{}", sent.len());
    assert!(!pair.sync.is_synced());
    assert!(pair.sync.deadline() > Some(pair.now));
}

#[test]
fn full_index_is_retried_after_a_delay() {
    let mut pair = SyncHarness::new(&[("a", 1)]);
    pair.connect();
    pair.run_until_idle();
    pair.index.max_files = Some(1);
    pair.share(vec![file("a", 1), file("b", 1)]);
    assert_eq!(pair.run_until_idle(), [register(&[("b", 1)])]);
    assert_eq!(pair.sync.trouble(), Some(SyncProblem::TooMany { what: "files".into(), limit: 1 }));
    assert_eq!((pair.sync.registered(), pair.sync.is_synced()), (1, false));
    pair.advance(RETRY_DELAY / 2);
    assert_eq!(pair.run_until_idle(), []);
    pair.index.max_files = None;
    pair.advance(RETRY_DELAY);
    assert_eq!(pair.run_until_idle(), [register(&[("b", 1)])]);
    assert_eq!((pair.sync.trouble(), pair.sync.is_synced()), (None, true));
}

#[test]
fn end_of_a_list_frees_space_for_the_rest() {
    let mut pair = SyncHarness::new(&[("a", 1)]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.index.max_files = Some(1);
    pair.connect();
    pair.run_until_idle();
    assert_eq!((pair.index_paths(), pair.sync.is_synced()), (vec!["a"], true));
}

#[test]
fn unavailable_store_is_retried_with_growing_delays() {
    let mut pair = SyncHarness::new(&[("a", 1)]);
    pair.index.store_fails = true;
    pair.connect();
    assert_eq!(pair.run_until_idle().len(), 1);
    assert_eq!(pair.sync.trouble(), Some(SyncProblem::StoreUnavailable));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = pair.sync.deadline().unwrap() - pair.now;
        pauses.push(pause);
        assert_eq!(pair.run_until_idle(), []);
        pair.advance(pause);
        assert_ne!(pair.run_until_idle(), []);
    }
    assert!((0..).zip(pauses).all(|(number, pause)| pause >= STORE_RETRY_DELAYS.base(number)));
    pair.index.store_fails = false;
    pair.advance(RETRY_DELAY);
    assert_eq!(pair.run_until_idle().len(), 3);
    assert_eq!((pair.index_paths(), pair.sync.is_synced(), pair.sync.trouble()), (vec!["a"], true, None));
}

#[test]
fn mismatch_is_fixed_once_at_once_and_then_rarely() {
    let mut pair = SyncHarness::new(&[("a", 1)]);
    pair.connect();
    pair.run_until_idle();
    pair.sync.handle_renewal(pair.now, pair.index.summary());
    assert_eq!(pair.run_until_idle(), [], "an equal list is not sent again");
    for _ in 0..2 {
        pair.sync.handle_renewal(pair.now, ListSummary::default());
        assert_eq!(pair.run_until_idle().len(), 3, "the first mismatch is fixed immediately");
    }
    // From now on the index has a different list, whatever is sent.
    let mut summary = ListSummary::default();
    summary.add(&file("x", 1));
    let mut rounds = 0;
    pair.sync.handle_renewal(pair.now, summary);
    for _ in 0..60 * 24 {
        while pair.send() {
            rounds += u32::from(matches!(pair.in_flight.back(), Some((_, Request::EndList))));
            let (id, _) = pair.in_flight.pop_back().unwrap();
            pair.sync.handle_acknowledgement(pair.now, id, summary);
        }
        pair.advance(RETRY_DELAY);
    }
    assert_eq!(pair.sync.trouble(), Some(SyncProblem::Mismatch));
    assert!((20..40).contains(&rounds), "{rounds} full lists per day");
}

proptest! {
    #[test]
    fn index_always_ends_up_with_the_list(
        lists in prop::collection::vec(prop::collection::btree_map("[a-h]", 0u8..3, 0..8), 1..6),
        bad in prop::collection::btree_set("[a-h]", 0..3),
        before in prop::collection::btree_map("[a-j]", 0u8..3, 0..8),
        steps in prop::collection::vec(0u8..16, 0..100),
    ) {
        let mut pair = SyncHarness::new(&[]);
        pair.index.rejected_paths.clone_from(&bad);
        pair.index.files = before.iter().map(|(path, digest)| (path.clone(), file(path, *digest))).collect();
        pair.index.files.retain(|path, _| !bad.contains(path));
        let records = |list: &BTreeMap<String, u8>| -> Vec<_> {
            list.iter().map(|(path, digest)| file(path, *digest)).collect()
        };
        pair.connect();
        let mut next_lists = lists.iter();
        for step in steps {
            match step {
                0..6 => drop(pair.send()),
                6..12 => drop(pair.deliver_reply()),
                12..14 => if let Some(list) = next_lists.next() { pair.share(records(list)) },
                14 => pair.index.store_fails = !pair.index.store_fails,
                // The connection breaks; the index may have handled a request without its reply arriving.
                _ => {
                    if let Some((_, request)) = pair.in_flight.pop_front() {
                        pair.index.answer(&request);
                    }
                    pair.connect();
                }
            }
        }
        pair.index.store_fails = false;
        let last = lists.last().unwrap();
        pair.share(records(last));
        for _ in 0..3 {
            pair.run_until_idle();
            pair.advance(MISMATCH_DELAYS.max());
        }
        let expected: Vec<_> = records(last).into_iter().filter(|file| !bad.contains(&file.path)).collect();
        prop_assert!(pair.index.files.values().eq(&expected), "{:?} {:?}", pair.index.files, expected);
        prop_assert!(pair.sync.is_synced());
    }
}

#[test]
fn throttling_index_still_receives_the_full_list() {
    let names: Vec<String> = (0..9500).map(|number| format!("{number:05}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut pair = SyncHarness::new(&files);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.connect();
    // Every third request is refused as too early, starting with the first one.
    for number in 0.. {
        while pair.send() {}
        let Some((id, _)) = pair.in_flight.front() else {
            let Some(later) = pair.sync.deadline() else { break };
            pair.now = later;
            continue;
        };
        if number % 3 == 0 {
            pair.sync.handle_postponement(pair.now, *id, Duration::from_secs(1));
            pair.in_flight.pop_front();
        } else {
            pair.deliver_reply();
        }
        assert!(number < 1000, "the synchronization does not end");
    }
    assert_eq!((pair.index_paths().len(), pair.sync.is_synced()), (9500, true));
    assert!(!pair.index.files.contains_key("old"));
}
