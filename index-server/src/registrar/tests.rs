mod budgets;

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::index::{Share, TorrentHint};
use protocol::infohash::Infohash;
use protocol::node_id::NodeId;
use tokio::time::timeout;

use super::*;
use crate::catalog::{Catalog, ListWrites, StoredFileList};
use crate::offers::{OfferWrite, StoredOffer, TorrentOffers};
use crate::roster::ListingRules;
use crate::store::{StoreError, StoredData};
use protocol::index::FileRecord;

/// A scripted store: commits can be blocked and made to fail.
#[derive(Clone, Default)]
struct FakeStore(Arc<Mutex<FakeStoreState>>);

#[derive(Default)]
struct FakeStoreState {
    commits: Vec<Vec<ListWrites>>,
    offers: Vec<OfferWrite>,
    /// Whether the next commits fail; further ones succeed.
    failures: VecDeque<bool>,
    reopened: usize,
    /// Whether reopening fails.
    closed: bool,
    /// If set, the next commit waits until the sender is dropped.
    blocked: Option<std::sync::mpsc::Receiver<()>>,
    /// The lists returned by reopening.
    stored_lists: Vec<StoredFileList>,
    stored_offers: Vec<StoredOffer>,
}

impl StoreBackend for FakeStore {
    fn commit(&mut self, lists: &[ListWrites], offers: &[OfferWrite]) -> Result<(), StoreError> {
        let held = self.0.lock().blocked.take();
        if let Some(held) = held {
            // Returns when the sender is dropped.
            let _ = held.recv();
        }
        let mut state = self.0.lock();
        state.commits.push(lists.to_vec());
        state.offers.extend(offers.iter().cloned());
        match state.failures.pop_front() {
            Some(true) => Err(StoreError::Failed { what: "no space".into() }),
            _ => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<StoredData, StoreError> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        state.reopened += 1;
        Ok(StoredData { lists: state.stored_lists.clone(), offers: state.stored_offers.clone() })
    }
}

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Complete }
}

fn empty_directory() -> Directory {
    Directory::new(Catalog::default(), TorrentOffers::default(), ListingRules::default())
}

fn hint(torrent: u8) -> TorrentHint {
    let (infohash, digest) = (Infohash::from_bytes([torrent; 20]), Digest::from_bytes([1; 32]));
    TorrentHint { infohash, digest, name: "a".into(), piece_length: 1 << 14 }
}

/// Returns the number of offered torrents.
fn offered(directory: &Directory) -> usize {
    directory.read(|state| state.offers.page(None, 100).len())
}

fn start() -> (Registrar, Directory, FakeStore, TaskTracker) {
    let (disk, directory, tasks) = (FakeStore::default(), empty_directory(), TaskTracker::new());
    let limits = IndexLimits { reopen_delays: vec![Duration::from_millis(10)], ..IndexLimits::default() };
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, Arc::default()), &tasks);
    (registrar, directory, disk, tasks)
}

fn start_with(limits: &IndexLimits) -> (Registrar, Directory, FakeStore, TaskTracker, Arc<IndexMetrics>) {
    let (disk, directory, tasks) = (FakeStore::default(), empty_directory(), TaskTracker::new());
    let metrics = Arc::<IndexMetrics>::default();
    let registrar = Registrar::start(disk.clone(), directory.clone(), (limits, Arc::clone(&metrics)), &tasks);
    (registrar, directory, disk, tasks, metrics)
}

fn arrive(directory: &Directory, node: u8) -> NodeSession {
    directory.start_session(NodeId::from_bytes([node; 32]), ([127, 0, 0, 1], u16::from(node)).into()).unwrap()
}

async fn offer(registrar: &Registrar, session: &NodeSession, offer: OfferChange) -> Result<u32, Refusal> {
    registrar.begin_offer(session, offer).await.await.unwrap()
}

async fn end(registrar: Registrar, tasks: TaskTracker) {
    drop(registrar);
    tasks.close();
    timeout(Duration::from_secs(20), tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn many_changes_share_few_commits() {
    let (registrar, directory, disk, tasks) = start();
    // While the disk is blocked, the changes of all nodes accumulate.
    let (release, held) = std::sync::mpsc::channel();
    disk.0.lock().blocked = Some(held);
    let changes = TaskTracker::new();
    for node in 0..40 {
        let (registrar, session) = (registrar.clone(), arrive(&directory, node));
        changes.spawn(async move {
            let change = ListChange::Register(vec![file("a")]);
            assert_eq!(registrar.change(&session, change).await.unwrap().files, 1);
        });
    }
    tokio::task::yield_now().await;
    drop(release);
    changes.close();
    timeout(Duration::from_secs(20), changes.wait()).await.unwrap();
    let commits: Vec<usize> = disk.0.lock().commits.iter().map(Vec::len).collect();
    assert_eq!(commits.iter().sum::<usize>(), 40);
    assert!(commits.len() <= 3, "{commits:?}");
    end(registrar, tasks).await;
}

#[tokio::test]
async fn failed_changes_are_refused_and_store_reopens() {
    let (registrar, directory, disk, tasks) = start();
    let session = arrive(&directory, 1);
    disk.0.lock().failures.push_back(true);
    disk.0.lock().closed = true;
    let register = |path| registrar.change(&session, ListChange::Register(vec![file(path)]));
    assert_eq!(register("a").await, Err(Refusal::StoreUnavailable));
    assert_eq!(directory.summary(session.node), None);
    assert_eq!(arrive(&directory, 1).summary, ListSummary::default());
    let session = arrive(&directory, 1);
    let register = |path| registrar.change(&session, ListChange::Register(vec![file(path)]));
    assert_eq!(register("b").await, Err(Refusal::StoreUnavailable));
    disk.0.lock().closed = false;
    let accepted = async {
        loop {
            if let Ok(summary) = register("c").await {
                break summary;
            }
            tokio::task::yield_now().await;
        }
    };
    // Only `c` is listed: `a` is not on disk, and `b` was refused.
    assert_eq!(timeout(Duration::from_secs(20), accepted).await.unwrap().files, 1);
    assert_eq!(disk.0.lock().reopened, 1);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn changes_during_a_failed_commit_are_refused() {
    let (registrar, directory, disk, tasks) = start();
    let (one, other) = (arrive(&directory, 1), arrive(&directory, 2));
    let (release, held) = std::sync::mpsc::channel();
    {
        let mut disk = disk.0.lock();
        disk.failures.push_back(true);
        (disk.blocked, disk.closed) = (Some(held), true);
    }
    let register = |session| registrar.change(session, ListChange::Register(vec![file("a")]));
    let entered = async {
        while directory.summary(other.node).is_none_or(|list| list.files == 0) {
            tokio::task::yield_now().await;
        }
        drop(release);
    };
    let (first, second, ()) = tokio::join!(register(&one), register(&other), entered);
    assert_eq!((first, second), (Err(Refusal::StoreUnavailable), Err(Refusal::StoreUnavailable)));
    assert_eq!((directory.summary(one.node), directory.summary(other.node)), (None, None));
    assert_eq!(disk.0.lock().commits.len(), 1);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn older_session_cannot_change_lists() {
    let (registrar, directory, disk, tasks) = start();
    let old = arrive(&directory, 1);
    let new = arrive(&directory, 1);
    assert!(registrar.change(&old, ListChange::Register(vec![file("a")])).await.is_err());
    assert_eq!(registrar.change(&new, ListChange::Begin).await, Ok(ListSummary::default()));
    assert!(disk.0.lock().commits.is_empty());
    end(registrar, tasks).await;
}

#[tokio::test]
async fn departed_node_is_kept_only_if_it_has_files() {
    let (registrar, directory, disk, tasks) = start();
    let (sharer, guest) = (arrive(&directory, 1), arrive(&directory, 2));
    registrar.change(&sharer, ListChange::Register(vec![file("a")])).await.unwrap();
    for session in [&sharer, &guest] {
        directory.end_session(session);
        registrar.node_left(session.node).await;
    }
    end(registrar, tasks).await;
    let known = |node| directory.write(|state| state.catalog.number(&NodeId::from_bytes([node; 32])));
    assert_eq!((known(1), known(2)), (Some(sharer.node), None));
    let commits = &disk.0.lock().commits;
    assert!(
        commits.last().unwrap().iter().all(|writes| writes.node == sharer.node && writes.header.is_some())
    );
}

#[tokio::test]
async fn long_absent_nodes_expire_online_ones_do_not() {
    let (disk, directory, tasks) = (FakeStore::default(), empty_directory(), TaskTracker::new());
    let limits = IndexLimits { expire_after: Duration::from_millis(1100), ..IndexLimits::default() };
    let metrics = Arc::<IndexMetrics>::default();
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, metrics), &tasks);
    let (online, offline) = (arrive(&directory, 1), arrive(&directory, 2));
    for session in [&online, &offline] {
        registrar.change(session, ListChange::Register(vec![file("a")])).await.unwrap();
    }
    directory.end_session(&offline);
    registrar.node_left(offline.node).await;
    let known = |node| directory.write(|state| state.catalog.number(&NodeId::from_bytes([node; 32])));
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    let forgotten = async {
        while known(2).is_some() {
            pause.tick().await;
        }
    };
    timeout(Duration::from_secs(20), forgotten).await.unwrap();
    assert_eq!((known(1), directory.summary(online.node).unwrap().files), (Some(online.node), 1));
    let writes: Vec<ListWrites> = disk.0.lock().commits.iter().flatten().cloned().collect();
    let row = |writes: &&ListWrites| writes.node == offline.node && writes.header.is_none();
    assert_eq!(writes.iter().filter(row).count(), 1);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn files_per_node_are_limited() {
    let (disk, directory, tasks) = (FakeStore::default(), empty_directory(), TaskTracker::new());
    let quotas = crate::limits::QuotaLimits { files_per_node: 2, ..IndexLimits::default().quotas };
    let limits = IndexLimits { quotas, ..IndexLimits::default() };
    let registrar = Registrar::start(disk, directory.clone(), (&limits, Arc::default()), &tasks);
    let node = arrive(&directory, 1);
    let register = |paths: &[&str]| {
        registrar.change(&node, ListChange::Register(paths.iter().map(|path| file(path)).collect()))
    };
    assert_eq!(register(&["a", "b"]).await.unwrap().files, 2);
    assert_eq!(register(&["b", "c"]).await, Err(Refusal::TooMany { what: "files".into(), limit: 2 }));
    assert_eq!(register(&["b"]).await.unwrap().files, 2);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn hanging_commit_is_reported_as_stuck() {
    let limits = IndexLimits { commit_timeout: Duration::from_millis(50), ..IndexLimits::default() };
    let (registrar, directory, disk, tasks, metrics) = start_with(&limits);
    let session = arrive(&directory, 1);
    registrar.change(&session, ListChange::Register(vec![file("a")])).await.unwrap();
    assert!(!registrar.commit_stuck().is_cancelled());
    let (release, held) = std::sync::mpsc::channel::<()>();
    disk.0.lock().blocked = Some(held);
    let waiting = registrar.clone();
    let unanswered = {
        let session = session.clone();
        tokio::spawn(async move { waiting.change(&session, ListChange::Register(vec![file("b")])).await })
    };
    timeout(Duration::from_secs(20), registrar.commit_stuck().cancelled()).await.unwrap();
    // Later changes are refused, and the registrar ends although the disk is still stuck.
    let refused = registrar.change(&session, ListChange::Register(vec![file("c")])).await;
    assert_eq!(refused, Err(Refusal::StoreUnavailable));
    assert_eq!(metrics.store_errors.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(!unanswered.is_finished());
    unanswered.abort();
    assert!(unanswered.await.is_err_and(|error| error.is_cancelled()));
    end(registrar, tasks).await;
    drop(release);
}

#[tokio::test]
async fn offer_is_durable_when_answered_and_written_once() {
    let (registrar, directory, disk, tasks) = start();
    let session = arrive(&directory, 1);
    let (release, held) = std::sync::mpsc::channel();
    disk.0.lock().blocked = Some(held);
    let making = offer(&registrar, &session, OfferChange::Add(hint(1)));
    let observing = async {
        while offered(&directory) == 0 {
            tokio::task::yield_now().await;
        }
        // The offer is in memory but not durable yet.
        assert_eq!(directory.unchanged_offer_count(session.id, &OfferChange::Add(hint(1))), None);
        drop(release);
    };
    let (made, ()) =
        timeout(Duration::from_secs(20), async { tokio::join!(making, observing) }).await.unwrap();
    assert_eq!(made, Ok(1));
    assert_eq!(directory.unchanged_offer_count(session.id, &OfferChange::Add(hint(1))), Some(1));
    assert_eq!(offer(&registrar, &session, OfferChange::Add(hint(1))).await, Ok(1));
    directory.end_session(&session);
    registrar.node_left(session.node).await;
    // The offer outlasts the node's session.
    assert_eq!(offered(&directory), 1);
    let again = arrive(&directory, 1);
    assert_eq!(
        offer(&registrar, &session, OfferChange::Withdraw(hint(1).infohash)).await,
        Err(Refusal::NoSuchPeer)
    );
    assert_eq!(offer(&registrar, &again, OfferChange::Withdraw(hint(1).infohash)).await, Ok(0));
    end(registrar, tasks).await;
    let written: Vec<bool> = disk.0.lock().offers.iter().map(|write| write.hint.is_some()).collect();
    assert_eq!(written, [true, false]);
}

#[tokio::test]
async fn failed_offer_is_refused_and_disk_state_wins() {
    let (registrar, directory, disk, tasks) = start();
    let session = arrive(&directory, 1);
    {
        let mut disk = disk.0.lock();
        disk.failures.push_back(true);
        disk.stored_offers = vec![StoredOffer { node: session.id, hint: hint(7) }];
    }
    let refused = offer(&registrar, &session, OfferChange::Add(hint(1))).await;
    assert_eq!(refused, Err(Refusal::StoreUnavailable));
    let accepted = async {
        loop {
            if let Ok(count) = offer(&registrar, &session, OfferChange::Add(hint(2))).await {
                break count;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), accepted).await.unwrap(), 2);
    let has = |torrent| directory.read(|state| state.offers.contains(session.id, &hint(torrent)));
    assert_eq!((has(1), has(2), has(7)), (false, true, true));
    end(registrar, tasks).await;
}

#[tokio::test]
async fn orphaned_offers_expire() {
    let (disk, directory, tasks) = (FakeStore::default(), empty_directory(), TaskTracker::new());
    let limits = IndexLimits { expire_after: Duration::from_millis(1100), ..IndexLimits::default() };
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, Arc::default()), &tasks);
    let (maker, other, holder) = (arrive(&directory, 1), arrive(&directory, 2), arrive(&directory, 3));
    registrar.change(&holder, ListChange::Register(vec![file("a")])).await.unwrap();
    let nowhere = TorrentHint { digest: Digest::from_bytes([9; 32]), ..hint(2) };
    let elsewhere = TorrentHint { digest: Digest::from_bytes([9; 32]), ..hint(3) };
    // The first offer's content is shared; the second's node stays; the third has neither.
    offer(&registrar, &maker, OfferChange::Add(hint(1))).await.unwrap();
    offer(&registrar, &other, OfferChange::Add(elsewhere.clone())).await.unwrap();
    offer(&registrar, &maker, OfferChange::Add(nowhere.clone())).await.unwrap();
    directory.end_session(&maker);
    registrar.node_left(maker.node).await;
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    let forgotten = async {
        while directory.read(|state| state.offers.contains(maker.id, &nowhere)) {
            pause.tick().await;
        }
    };
    timeout(Duration::from_secs(20), forgotten).await.unwrap();
    let kept = directory.read(|state| {
        (state.offers.contains(maker.id, &hint(1)), state.offers.contains(other.id, &elsewhere))
    });
    assert_eq!(kept, (true, true));
    end(registrar, tasks).await;
    let expired: Vec<_> = disk.0.lock().offers.iter().filter(|write| write.hint.is_none()).cloned().collect();
    assert_eq!(expired, [OfferWrite { key: (maker.id, nowhere.infohash), hint: None }]);
}
