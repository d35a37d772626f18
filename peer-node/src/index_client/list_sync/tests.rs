use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::super::model_list::{ModelList, file};
use super::super::round::WINDOW;
use super::*;
use protocol::index::Reply;

/// The synchronisation and an index, face to face, with a clock of their own.
struct Pair {
    sync: ListSync,
    index: ModelList,
    now: Instant,
    generation: u64,
    next_id: RequestId,
    flying: VecDeque<(RequestId, Request)>,
}

impl Pair {
    fn new(files: &[(&str, u8)]) -> Self {
        let mut pair = Self {
            sync: ListSync::default(),
            index: ModelList::default(),
            now: Instant::now(),
            generation: 0,
            next_id: 1,
            flying: VecDeque::new(),
        };
        pair.share(files.iter().map(|&(path, digest)| file(path, digest)).collect());
        pair
    }

    fn share(&mut self, records: Vec<FileRecord>) {
        self.generation += 1;
        self.sync.share(Snapshot { generation: self.generation, records, settled: true });
    }

    fn meet(&mut self) {
        self.flying.clear();
        self.sync.welcome(self.now, self.index.summary(), true);
    }

    fn send(&mut self) -> bool {
        let Some(request) = self.sync.next(self.now, self.next_id) else { return false };
        self.flying.push_back((self.next_id, request));
        self.next_id += 1;
        true
    }

    fn land(&mut self) -> Option<Request> {
        let (id, request) = self.flying.pop_front()?;
        match self.index.answer(&request) {
            Reply::List(summary) => self.sync.acknowledged(self.now, id, summary),
            Reply::Refused(refusal) => self.sync.refused(self.now, id, refusal).unwrap(),
            other => panic!("{other:?}"),
        }
        Some(request)
    }

    /// Sends the beginning of a list, which nothing overtakes.
    fn begin(&mut self) {
        assert!(self.send() && !self.send());
        assert_eq!(self.land(), Some(Request::BeginList));
    }

    /// Goes on until nothing more is sent, and tells what was.
    fn run(&mut self) -> Vec<Request> {
        let mut sent = Vec::new();
        loop {
            while self.send() {}
            match self.land() {
                Some(request) => sent.push(request),
                None => return sent,
            }
            assert!(sent.len() < 10_000, "it never ends");
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn known(&self) -> Vec<&str> {
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
fn an_equal_list_is_not_sent_again() {
    let mut pair = Pair::new(&[("a", 1), ("b", 2)]);
    for (path, digest) in [("b", 2), ("a", 1)] {
        pair.index.files.insert(path.into(), file(path, digest));
    }
    pair.meet();
    assert_eq!(pair.run(), []);
    assert!(pair.sync.is_synced());
    assert_eq!((pair.sync.registered(), pair.sync.acknowledged_generation()), (2, Some(1)));
}

#[test]
fn an_unknown_list_is_told_whole_and_then_only_changes() {
    let mut pair = Pair::new(&[("a", 1), ("b", 2)]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.meet();
    assert!(!pair.sync.is_synced());
    assert_eq!(pair.run(), [Request::BeginList, register(&[("a", 1), ("b", 2)]), Request::EndList]);
    assert_eq!((pair.known(), pair.sync.is_synced()), (vec!["a", "b"], true));
    pair.share(vec![file("b", 3), file("c", 1)]);
    assert_eq!(pair.sync.acknowledged_generation(), None);
    assert_eq!(pair.run(), [unregister(&["a"]), register(&[("b", 3), ("c", 1)])]);
    assert_eq!(pair.sync.acknowledged_generation(), Some(2));
    pair.share(vec![file("c", 1), file("b", 3)]);
    assert_eq!((pair.run(), pair.sync.acknowledged_generation()), (vec![], Some(3)));
    pair.share(vec![]);
    assert_eq!(pair.run(), [unregister(&["b", "c"])]);
}

#[test]
fn what_the_index_has_is_left_alone_until_the_library_knows_its_files() {
    let unsettled = |files: &[(&str, u8)]| {
        let mut pair = Pair::new(&[]);
        pair.sync = ListSync::default();
        let records = files.iter().map(|&(path, digest)| file(path, digest)).collect();
        pair.sync.share(Snapshot { generation: 1, records, settled: false });
        pair
    };
    let list = [("a", 1), ("b", 2)].map(|(path, digest)| (path.to_owned(), file(path, digest)));
    let mut pair = unsettled(&[("a", 1)]);
    pair.index.files.extend(list.clone());
    pair.meet();
    assert_eq!(pair.run(), []);
    assert_eq!((pair.sync.is_synced(), pair.sync.registered()), (false, 2));
    pair.share(vec![file("a", 1), file("b", 2)]);
    assert_eq!((pair.run(), pair.sync.is_synced()), (vec![], true));

    let mut pair = unsettled(&[("a", 1)]);
    pair.index.files.extend(list);
    pair.meet();
    assert_eq!(pair.run(), []);
    assert_eq!(pair.sync.deadline(), Some(pair.now + PATIENCE));
    pair.pass(PATIENCE);
    assert_eq!(pair.run().len(), 3, "a library that takes long tells what it has");

    let mut pair = unsettled(&[("a", 1)]);
    pair.meet();
    assert_eq!(pair.run().len(), 3, "an index that has nothing has nothing to lose");
}

#[test]
fn nothing_shared_empties_a_list() {
    let mut pair = Pair::new(&[]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.meet();
    assert_eq!(pair.run(), [Request::BeginList, Request::EndList]);
    assert_eq!((pair.known(), pair.sync.is_synced()), (vec![], true));
}

#[test]
fn a_node_that_comes_back_tells_only_what_has_changed_meanwhile() {
    let mut pair = Pair::new(&[("a", 1), ("b", 2)]);
    pair.meet();
    pair.run();
    pair.share(vec![file("a", 1), file("c", 2)]);
    pair.meet();
    assert_eq!(pair.run(), [unregister(&["b"]), register(&[("c", 2)])]);
    pair.index.files.clear();
    pair.meet();
    let files = [("a", 1), ("c", 2)];
    assert_eq!(pair.run(), [Request::BeginList, register(&files), Request::EndList], "the index forgot");
}

#[test]
fn a_window_of_batches_is_in_flight_and_the_end_waits_for_all() {
    let mut pair = Pair::new(&[]);
    pair.share((0..20_000).map(|n| file(&n.to_string(), 1)).collect());
    pair.meet();
    pair.begin();
    while pair.send() {}
    assert_eq!(pair.flying.len(), WINDOW);
    let sent = pair.run();
    assert_eq!((sent.len(), pair.index.files.len()), (21, 20_000));
    assert_eq!(sent.last(), Some(&Request::EndList));
    assert!(pair.sync.is_synced());
}

#[test]
fn a_refused_file_does_not_keep_the_others_out() {
    let mut pair = Pair::new(&[("a", 1), ("b\u{202e}d", 1), ("c", 1)]);
    pair.index.bad.insert("b\u{202e}d".into());
    pair.meet();
    let sent = pair.run();
    assert_eq!(sent.len(), 4);
    assert_eq!(sent[2..], [register(&[("a", 1), ("c", 1)]), Request::EndList]);
    assert_eq!((pair.known(), pair.sync.is_synced()), (vec!["a", "c"], true));
    assert_eq!(pair.sync.trouble(), Some(SyncTrouble::Refused { files: 1 }));
    pair.share(vec![file("a", 1), file("b\u{202e}d", 1)]);
    assert_eq!(pair.run(), [unregister(&["c"])], "it is not tried again");
    pair.share(vec![file("a", 1)]);
    assert_eq!((pair.run(), pair.sync.trouble()), (vec![], None));
}

#[test]
fn a_file_is_known_by_the_beginning_of_a_long_path() {
    let long = vec!["x".repeat(200); 8].join("/");
    let mut pair = Pair::new(&[("a", 1), (&long, 1)]);
    pair.meet();
    pair.begin();
    assert!(pair.send());
    let refusal = |path: &str| Refusal::BadRecord { path: path.into(), reason: "x".into() };
    assert!(pair.sync.refused(pair.now, 2, refusal(&long[..1024])).is_ok());
    assert_eq!(pair.sync.trouble(), Some(SyncTrouble::Refused { files: 1 }));
}

#[test]
fn a_refusal_of_a_file_that_was_never_sent_is_not_believed() {
    let mut pair = Pair::new(&[("a", 1)]);
    pair.meet();
    pair.begin();
    assert!(pair.send());
    let refusal = Refusal::BadRecord { path: "other".into(), reason: "x".into() };
    assert_eq!(pair.sync.refused(pair.now, 2, refusal.clone()), Err(refusal));
}

#[test]
fn an_index_that_refuses_everything_is_left_alone() {
    let mut pair = Pair::new(&[]);
    let paths: Vec<_> = (0..3 * MAX_REFUSED).map(|n| n.to_string()).collect();
    pair.index.bad.extend(paths.iter().cloned());
    pair.share(paths.iter().map(|path| file(path, 1)).collect());
    pair.meet();
    let sent = pair.run();
    assert!(sent.len() < MAX_REFUSED + WINDOW + 3, "{}", sent.len());
    assert!(!pair.sync.is_synced());
    assert!(pair.sync.deadline() > Some(pair.now));
}

#[test]
fn a_full_index_is_tried_again_after_a_pause() {
    let mut pair = Pair::new(&[("a", 1)]);
    pair.meet();
    pair.run();
    pair.index.most = Some(1);
    pair.share(vec![file("a", 1), file("b", 1)]);
    assert_eq!(pair.run(), [register(&[("b", 1)])]);
    assert_eq!(pair.sync.trouble(), Some(SyncTrouble::TooMany { what: "files".into(), limit: 1 }));
    assert_eq!((pair.sync.registered(), pair.sync.is_synced()), (1, false));
    pair.pass(RETRY / 2);
    assert_eq!(pair.run(), []);
    pair.index.most = None;
    pair.pass(RETRY);
    assert_eq!(pair.run(), [register(&[("b", 1)])]);
    assert_eq!((pair.sync.trouble(), pair.sync.is_synced()), (None, true));
}

#[test]
fn the_end_of_a_list_makes_room_for_its_rest() {
    let mut pair = Pair::new(&[("a", 1)]);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.index.most = Some(1);
    pair.meet();
    pair.run();
    assert_eq!((pair.known(), pair.sync.is_synced()), (vec!["a"], true));
}

#[test]
fn an_index_without_a_store_is_told_later_with_growing_pauses() {
    let mut pair = Pair::new(&[("a", 1)]);
    pair.index.store_fails = true;
    pair.meet();
    assert_eq!(pair.run().len(), 1);
    assert_eq!(pair.sync.trouble(), Some(SyncTrouble::StoreUnavailable));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = pair.sync.deadline().unwrap() - pair.now;
        pauses.push(pause.as_secs());
        assert_eq!(pair.run(), []);
        pair.pass(pause);
        assert_ne!(pair.run(), []);
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    pair.index.store_fails = false;
    pair.pass(RETRY);
    assert_eq!(pair.run().len(), 3);
    assert_eq!((pair.known(), pair.sync.is_synced(), pair.sync.trouble()), (vec!["a"], true, None));
}

#[test]
fn another_list_is_told_whole_once_and_then_rarely() {
    let mut pair = Pair::new(&[("a", 1)]);
    pair.meet();
    pair.run();
    pair.sync.observed(pair.now, pair.index.summary());
    assert_eq!(pair.run(), [], "a renewal that finds the same list changes nothing");
    for _ in 0..2 {
        pair.sync.observed(pair.now, ListSummary::default());
        assert_eq!(pair.run().len(), 3, "one slip is put right at once");
    }
    // Now the index keeps another list whatever it is told.
    let mut summary = ListSummary::default();
    summary.add(&file("x", 1));
    let mut rounds = 0;
    pair.sync.observed(pair.now, summary);
    for _ in 0..60 * 24 {
        while pair.send() {
            rounds += u32::from(matches!(pair.flying.back(), Some((_, Request::EndList))));
            let (id, _) = pair.flying.pop_back().unwrap();
            pair.sync.acknowledged(pair.now, id, summary);
        }
        pair.pass(RETRY);
    }
    assert_eq!(pair.sync.trouble(), Some(SyncTrouble::Mismatch));
    assert!((20..40).contains(&rounds), "{rounds} whole lists in a day");
}

proptest! {
    #[test]
    fn whatever_happens_the_index_ends_with_the_list(
        lists in prop::collection::vec(prop::collection::btree_map("[a-h]", 0u8..3, 0..8), 1..6),
        bad in prop::collection::btree_set("[a-h]", 0..3),
        before in prop::collection::btree_map("[a-j]", 0u8..3, 0..8),
        steps in prop::collection::vec(0u8..16, 0..100),
    ) {
        let mut pair = Pair::new(&[]);
        pair.index.bad.clone_from(&bad);
        pair.index.files = before.iter().map(|(path, digest)| (path.clone(), file(path, *digest))).collect();
        pair.index.files.retain(|path, _| !bad.contains(path));
        let records = |list: &BTreeMap<String, u8>| -> Vec<_> {
            list.iter().map(|(path, digest)| file(path, *digest)).collect()
        };
        pair.meet();
        let mut coming = lists.iter();
        for step in steps {
            match step {
                0..6 => drop(pair.send()),
                6..12 => drop(pair.land()),
                12..14 => if let Some(list) = coming.next() { pair.share(records(list)) },
                14 => pair.index.store_fails = !pair.index.store_fails,
                // The connection breaks; what flew may have landed unheard.
                _ => {
                    if let Some((_, request)) = pair.flying.pop_front() {
                        pair.index.answer(&request);
                    }
                    pair.meet();
                }
            }
        }
        pair.index.store_fails = false;
        let last = lists.last().unwrap();
        pair.share(records(last));
        for _ in 0..3 {
            pair.run();
            pair.pass(LONGEST_RETRY);
        }
        let expected: Vec<_> = records(last).into_iter().filter(|file| !bad.contains(&file.path)).collect();
        prop_assert!(pair.index.files.values().eq(&expected), "{:?} {:?}", pair.index.files, expected);
        prop_assert!(pair.sync.is_synced());
    }
}

#[test]
fn an_index_that_wants_the_list_slower_gets_it_whole_all_the_same() {
    let names: Vec<String> = (0..9500).map(|number| format!("{number:05}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut pair = Pair::new(&files);
    pair.index.files.insert("old".into(), file("old", 9));
    pair.meet();
    // Every third request comes too soon, the first one among them.
    for turn in 0.. {
        while pair.send() {}
        let Some((id, _)) = pair.flying.front() else {
            let Some(later) = pair.sync.deadline() else { break };
            pair.now = later;
            continue;
        };
        if turn % 3 == 0 {
            pair.sync.postponed(pair.now, *id, Duration::from_secs(1));
            pair.flying.pop_front();
        } else {
            pair.land();
        }
        assert!(turn < 1000, "it never ends");
    }
    assert_eq!((pair.known().len(), pair.sync.is_synced()), (9500, true));
    assert!(!pair.index.files.contains_key("old"));
}
