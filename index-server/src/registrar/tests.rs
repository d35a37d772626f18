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
use crate::catalog::{Catalog, StoredList, Writes};
use crate::offers::{OfferWrite, Offers, StoredOffer};
use crate::roster::ListingRules;
use crate::store::{StoreError, Stored};

/// A disk that does as it is told: a commit waits for its turn and then works or fails.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    commits: Vec<Vec<Writes>>,
    offers: Vec<OfferWrite>,
    /// How the next commits end; when there are none left, they succeed.
    failures: VecDeque<bool>,
    reopened: usize,
    /// Whether it cannot be opened anew.
    shut: bool,
    /// What the next commit waits for before it begins.
    held: Option<std::sync::mpsc::Receiver<()>>,
    /// What is found when the store is opened anew.
    kept: Vec<StoredList>,
    kept_offers: Vec<StoredOffer>,
}

impl Backing for Disk {
    fn commit(&mut self, lists: &[Writes], offers: &[OfferWrite]) -> Result<(), StoreError> {
        let held = self.0.lock().held.take();
        if let Some(held) = held {
            // Ends when the other end is dropped.
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

    fn reopen(&mut self) -> Result<Stored, StoreError> {
        let mut state = self.0.lock();
        if state.shut {
            return Err(StoreError::Closed);
        }
        state.reopened += 1;
        Ok(Stored { lists: state.kept.clone(), offers: state.kept_offers.clone() })
    }
}

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Whole }
}

fn empty_directory() -> Directory {
    Directory::new(Catalog::default(), Offers::default(), ListingRules::default())
}

fn hint(torrent: u8) -> TorrentHint {
    let (infohash, digest) = (Infohash::from_bytes([torrent; 20]), Digest::from_bytes([1; 32]));
    TorrentHint { infohash, digest, name: "a".into(), piece_length: 1 << 14 }
}

/// The torrents that nodes are said to offer.
fn offered(directory: &Directory) -> usize {
    directory.look(|state| state.offers.page(None, 100).len())
}

fn start() -> (Registrar, Directory, Disk, TaskTracker) {
    let (disk, directory, tasks) = (Disk::default(), empty_directory(), TaskTracker::new());
    let limits = Limits { reopening: vec![Duration::from_millis(10)], ..Limits::default() };
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, Arc::default()), &tasks);
    (registrar, directory, disk, tasks)
}

fn start_with(limits: &Limits) -> (Registrar, Directory, Disk, TaskTracker, Arc<Metrics>) {
    let (disk, directory, tasks) = (Disk::default(), empty_directory(), TaskTracker::new());
    let metrics = Arc::<Metrics>::default();
    let registrar = Registrar::start(disk.clone(), directory.clone(), (limits, Arc::clone(&metrics)), &tasks);
    (registrar, directory, disk, tasks, metrics)
}

fn arrive(directory: &Directory, node: u8) -> Arrival {
    directory.arrive(NodeId::from_bytes([node; 32]), ([127, 0, 0, 1], u16::from(node)).into()).unwrap()
}

async fn offer(registrar: &Registrar, arrival: &Arrival, offer: Offer) -> Result<u32, Refusal> {
    registrar.begin_offer(arrival, offer).await.await.unwrap()
}

async fn end(registrar: Registrar, tasks: TaskTracker) {
    drop(registrar);
    tasks.close();
    timeout(Duration::from_secs(20), tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn many_changes_share_few_commits_and_all_are_answered() {
    let (registrar, directory, disk, tasks) = start();
    // While the disk is held, everybody's changes gather.
    let (release, held) = std::sync::mpsc::channel();
    disk.0.lock().held = Some(held);
    let changes = TaskTracker::new();
    for node in 0..40 {
        let (registrar, arrival) = (registrar.clone(), arrive(&directory, node));
        changes.spawn(async move {
            let change = Change::Register(vec![file("a")]);
            assert_eq!(registrar.change(&arrival, change).await.unwrap().files, 1);
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
async fn what_fails_is_never_acknowledged_and_the_store_is_opened_again() {
    let (registrar, directory, disk, tasks) = start();
    let arrival = arrive(&directory, 1);
    disk.0.lock().failures.push_back(true);
    disk.0.lock().shut = true;
    let register = |path| registrar.change(&arrival, Change::Register(vec![file(path)]));
    assert_eq!(register("a").await, Err(Refusal::StoreUnavailable));
    assert_eq!(directory.summary(arrival.node), None);
    assert_eq!(arrive(&directory, 1).list, ListSummary::default());
    let arrival = arrive(&directory, 1);
    let register = |path| registrar.change(&arrival, Change::Register(vec![file(path)]));
    assert_eq!(register("b").await, Err(Refusal::StoreUnavailable));
    disk.0.lock().shut = false;
    let accepted = async {
        loop {
            if let Ok(summary) = register("c").await {
                break summary;
            }
            tokio::task::yield_now().await;
        }
    };
    // Only `c` is there: the disk had kept nothing of `a`, and `b` was refused.
    assert_eq!(timeout(Duration::from_secs(20), accepted).await.unwrap().files, 1);
    assert_eq!(disk.0.lock().reopened, 1);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn what_is_changed_while_a_commit_fails_is_refused_too() {
    let (registrar, directory, disk, tasks) = start();
    let (one, other) = (arrive(&directory, 1), arrive(&directory, 2));
    let (release, held) = std::sync::mpsc::channel();
    {
        let mut disk = disk.0.lock();
        disk.failures.push_back(true);
        (disk.held, disk.shut) = (Some(held), true);
    }
    let register = |arrival| registrar.change(arrival, Change::Register(vec![file("a")]));
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
async fn an_older_session_changes_nothing_any_more() {
    let (registrar, directory, disk, tasks) = start();
    let old = arrive(&directory, 1);
    let new = arrive(&directory, 1);
    assert!(registrar.change(&old, Change::Register(vec![file("a")])).await.is_err());
    assert_eq!(registrar.change(&new, Change::Begin).await, Ok(ListSummary::default()));
    assert!(disk.0.lock().commits.is_empty());
    end(registrar, tasks).await;
}

#[tokio::test]
async fn a_node_that_has_gone_is_remembered_by_its_files_alone() {
    let (registrar, directory, disk, tasks) = start();
    let (sharer, guest) = (arrive(&directory, 1), arrive(&directory, 2));
    registrar.change(&sharer, Change::Register(vec![file("a")])).await.unwrap();
    for arrival in [&sharer, &guest] {
        directory.leave(arrival);
        registrar.left(arrival.node).await;
    }
    end(registrar, tasks).await;
    let known = |node| directory.change(|state| state.catalog.number(&NodeId::from_bytes([node; 32])));
    assert_eq!((known(1), known(2)), (Some(sharer.node), None));
    let commits = &disk.0.lock().commits;
    assert!(
        commits.last().unwrap().iter().all(|writes| writes.node == sharer.node && writes.header.is_some())
    );
}

#[tokio::test]
async fn who_was_not_seen_for_long_is_forgotten_and_who_is_there_is_not() {
    let (disk, directory, tasks) = (Disk::default(), empty_directory(), TaskTracker::new());
    let limits = Limits { forget_after: Duration::from_millis(1100), ..Limits::default() };
    let metrics = Arc::<Metrics>::default();
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, metrics), &tasks);
    let (here, gone) = (arrive(&directory, 1), arrive(&directory, 2));
    for arrival in [&here, &gone] {
        registrar.change(arrival, Change::Register(vec![file("a")])).await.unwrap();
    }
    directory.leave(&gone);
    registrar.left(gone.node).await;
    let known = |node| directory.change(|state| state.catalog.number(&NodeId::from_bytes([node; 32])));
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    let forgotten = async {
        while known(2).is_some() {
            pause.tick().await;
        }
    };
    timeout(Duration::from_secs(20), forgotten).await.unwrap();
    assert_eq!((known(1), directory.summary(here.node).unwrap().files), (Some(here.node), 1));
    let writes: Vec<Writes> = disk.0.lock().commits.iter().flatten().cloned().collect();
    let row = |writes: &&Writes| writes.node == gone.node && writes.header.is_none();
    assert_eq!(writes.iter().filter(row).count(), 1);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn a_node_shares_no_more_files_than_it_may() {
    let (disk, directory, tasks) = (Disk::default(), empty_directory(), TaskTracker::new());
    let quotas = crate::limits::QuotaLimits { files_per_node: 2, ..Limits::default().quotas };
    let limits = Limits { quotas, ..Limits::default() };
    let registrar = Registrar::start(disk, directory.clone(), (&limits, Arc::default()), &tasks);
    let node = arrive(&directory, 1);
    let register = |paths: &[&str]| {
        registrar.change(&node, Change::Register(paths.iter().map(|path| file(path)).collect()))
    };
    assert_eq!(register(&["a", "b"]).await.unwrap().files, 2);
    assert_eq!(register(&["b", "c"]).await, Err(Refusal::TooMany { what: "files".into(), limit: 2 }));
    assert_eq!(register(&["b"]).await.unwrap().files, 2);
    end(registrar, tasks).await;
}

#[tokio::test]
async fn a_commit_that_does_not_end_is_reported_as_stuck() {
    let limits = Limits { commit: Duration::from_millis(50), ..Limits::default() };
    let (registrar, directory, disk, tasks, metrics) = start_with(&limits);
    let arrival = arrive(&directory, 1);
    registrar.change(&arrival, Change::Register(vec![file("a")])).await.unwrap();
    assert!(!registrar.stuck().is_cancelled());
    let (release, held) = std::sync::mpsc::channel::<()>();
    disk.0.lock().held = Some(held);
    let waiting = registrar.clone();
    let unanswered = {
        let arrival = arrival.clone();
        tokio::spawn(async move { waiting.change(&arrival, Change::Register(vec![file("b")])).await })
    };
    timeout(Duration::from_secs(20), registrar.stuck().cancelled()).await.unwrap();
    // What comes later is refused, and the registrar ends although the disk does not.
    let refused = registrar.change(&arrival, Change::Register(vec![file("c")])).await;
    assert_eq!(refused, Err(Refusal::StoreUnavailable));
    assert_eq!(metrics.store_errors.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(!unanswered.is_finished());
    unanswered.abort();
    assert!(unanswered.await.is_err_and(|error| error.is_cancelled()));
    end(registrar, tasks).await;
    drop(release);
}

#[tokio::test]
async fn an_offer_is_durable_when_answered_and_written_once() {
    let (registrar, directory, disk, tasks) = start();
    let arrival = arrive(&directory, 1);
    let (release, held) = std::sync::mpsc::channel();
    disk.0.lock().held = Some(held);
    let making = offer(&registrar, &arrival, Offer::Make(hint(1)));
    let looking = async {
        while offered(&directory) == 0 {
            tokio::task::yield_now().await;
        }
        // In memory already, but not promised.
        assert_eq!(directory.offers_already(arrival.id, &Offer::Make(hint(1))), None);
        drop(release);
    };
    let (made, ()) = timeout(Duration::from_secs(20), async { tokio::join!(making, looking) }).await.unwrap();
    assert_eq!(made, Ok(1));
    assert_eq!(directory.offers_already(arrival.id, &Offer::Make(hint(1))), Some(1));
    assert_eq!(offer(&registrar, &arrival, Offer::Make(hint(1))).await, Ok(1));
    directory.leave(&arrival);
    registrar.left(arrival.node).await;
    // Its node has gone, and the offer stands.
    assert_eq!(offered(&directory), 1);
    let again = arrive(&directory, 1);
    assert_eq!(
        offer(&registrar, &arrival, Offer::Withdraw(hint(1).infohash)).await,
        Err(Refusal::NoSuchPeer)
    );
    assert_eq!(offer(&registrar, &again, Offer::Withdraw(hint(1).infohash)).await, Ok(0));
    end(registrar, tasks).await;
    let written: Vec<bool> = disk.0.lock().offers.iter().map(|write| write.hint.is_some()).collect();
    assert_eq!(written, [true, false]);
}

#[tokio::test]
async fn an_offer_that_fails_is_refused_and_what_the_disk_has_counts() {
    let (registrar, directory, disk, tasks) = start();
    let arrival = arrive(&directory, 1);
    {
        let mut disk = disk.0.lock();
        disk.failures.push_back(true);
        disk.kept_offers = vec![StoredOffer { node: arrival.id, hint: hint(7) }];
    }
    let refused = offer(&registrar, &arrival, Offer::Make(hint(1))).await;
    assert_eq!(refused, Err(Refusal::StoreUnavailable));
    let accepted = async {
        loop {
            if let Ok(count) = offer(&registrar, &arrival, Offer::Make(hint(2))).await {
                break count;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), accepted).await.unwrap(), 2);
    let has = |torrent| directory.look(|state| state.offers.has(arrival.id, &hint(torrent)));
    assert_eq!((has(1), has(2), has(7)), (false, true, true));
    end(registrar, tasks).await;
}

#[tokio::test]
async fn offers_are_forgotten_when_neither_node_nor_content_is_known() {
    let (disk, directory, tasks) = (Disk::default(), empty_directory(), TaskTracker::new());
    let limits = Limits { forget_after: Duration::from_millis(1100), ..Limits::default() };
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, Arc::default()), &tasks);
    let (maker, other, holder) = (arrive(&directory, 1), arrive(&directory, 2), arrive(&directory, 3));
    registrar.change(&holder, Change::Register(vec![file("a")])).await.unwrap();
    let nowhere = TorrentHint { digest: Digest::from_bytes([9; 32]), ..hint(2) };
    let elsewhere = TorrentHint { digest: Digest::from_bytes([9; 32]), ..hint(3) };
    // Its content is shared; its node stays; neither.
    offer(&registrar, &maker, Offer::Make(hint(1))).await.unwrap();
    offer(&registrar, &other, Offer::Make(elsewhere.clone())).await.unwrap();
    offer(&registrar, &maker, Offer::Make(nowhere.clone())).await.unwrap();
    directory.leave(&maker);
    registrar.left(maker.node).await;
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    let forgotten = async {
        while directory.look(|state| state.offers.has(maker.id, &nowhere)) {
            pause.tick().await;
        }
    };
    timeout(Duration::from_secs(20), forgotten).await.unwrap();
    let kept = directory
        .look(|state| (state.offers.has(maker.id, &hint(1)), state.offers.has(other.id, &elsewhere)));
    assert_eq!(kept, (true, true));
    end(registrar, tasks).await;
    let gone: Vec<_> = disk.0.lock().offers.iter().filter(|write| write.hint.is_none()).cloned().collect();
    assert_eq!(gone, [OfferWrite { key: (maker.id, nowhere.infohash), hint: None }]);
}
