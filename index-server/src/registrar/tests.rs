use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::index::Share;
use protocol::node_id::NodeId;
use tokio::time::timeout;

use super::*;
use crate::catalog::{Catalog, StoredList, Writes};
use crate::store::StoreError;

/// A disk that does as it is told: a commit waits for its turn and then works or fails.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    commits: Vec<Vec<Writes>>,
    /// How the next commits end; when there are none left, they succeed.
    failures: VecDeque<bool>,
    reopened: usize,
    /// Whether it cannot be opened anew.
    shut: bool,
    /// What the next commit waits for before it begins.
    held: Option<std::sync::mpsc::Receiver<()>>,
    /// What is found when the store is opened anew.
    kept: Vec<StoredList>,
}

impl Backing for Disk {
    fn commit(&mut self, writes: &[Writes]) -> Result<(), StoreError> {
        let held = self.0.lock().held.take();
        if let Some(held) = held {
            // Ends when the other end is dropped.
            let _ = held.recv();
        }
        let mut state = self.0.lock();
        state.commits.push(writes.to_vec());
        match state.failures.pop_front() {
            Some(true) => Err(StoreError::Failed { what: "no space".into() }),
            _ => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<Vec<StoredList>, StoreError> {
        let mut state = self.0.lock();
        if state.shut {
            return Err(StoreError::Closed);
        }
        state.reopened += 1;
        Ok(state.kept.clone())
    }
}

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Whole }
}

fn start() -> (Registrar, Directory, Disk, TaskTracker) {
    let (disk, directory, tasks) = (Disk::default(), Directory::new(Catalog::default()), TaskTracker::new());
    let limits = Limits { reopening: vec![Duration::from_millis(10)], ..Limits::default() };
    let registrar = Registrar::start(disk.clone(), directory.clone(), (&limits, Arc::default()), &tasks);
    (registrar, directory, disk, tasks)
}

fn arrive(directory: &Directory, node: u8) -> Arrival {
    directory.arrive(NodeId::from_bytes([node; 32]), ([127, 0, 0, 1], u16::from(node)).into()).unwrap()
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
    let (disk, directory, tasks) = (Disk::default(), Directory::new(Catalog::default()), TaskTracker::new());
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
    let (disk, directory, tasks) = (Disk::default(), Directory::new(Catalog::default()), TaskTracker::new());
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
