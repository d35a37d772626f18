//! Crowds at an index: a few hundred clients by default, or as many as `STORY_CROWD` says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peer_node::{
    ExposedKeyPolicy, Identity, IndexClient, IndexConfig, IndexStatus, ProbeKey, ShareChanges, ShareRecords,
    ShareSource, SourceAddress,
};
use protocol::index::FileRecord;
use tests::content::TestContent;
use tests::crowd::{Latencies, SlowClient};
use tests::environment::story_crowd;
use tests::eventually::{DEFAULT_TIMEOUT, poll_within, wait_until};
use tests::index::IndexProcess;
use tests::index_session::IndexSession;
use tests::raw_client::RawClient;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const MIB: u64 = 1 << 20;

#[test]
fn many_idle_connections_take_little_memory() {
    let (many, is_set) = story_crowd(300);
    let mut index = IndexProcess::start_with("127.0.0.1:0", &["--max-connections", "12000"]);
    let before = index.memory();
    let start = Instant::now();
    let sessions: Vec<IndexSession> = (0..many)
        .map(|number| {
            IndexSession::open_unreachable(index.address(), 60_000 + number as u64).expect("a welcome")
        })
        .collect();
    let took = start.elapsed();
    let mut observer = index.session();
    observer.search("nothing");
    let after = index.memory();
    let each = (after - before) / many as u64;
    eprintln!("{many} idle connections in {took:?}: {} KiB, {each} bytes each", after >> 10);
    assert!(after <= before + 4 * MIB + many as u64 * (8 << 10), "{before} and then {after} bytes");
    if is_set && many <= 10_000 {
        assert!(after <= 100 * MIB, "{after} bytes");
    }
    drop(sessions);
}

#[test]
fn many_slow_connections_are_closed_and_searches_continue() {
    let (many, is_set) = story_crowd(300);
    let options = ["--max-connections", "12000", "--metrics", "127.0.0.1:0"];
    let index = IndexProcess::start_with("127.0.0.1:0", &options);
    let mut honest = index.session();
    let files: Vec<FileRecord> = (0..1000)
        .map(|at| TestContent::random(at, 20).file_record(&format!("some folder/a file {at}.iso")))
        .collect();
    honest.register(&files).expect("acknowledged");
    let (mut drippers, metrics) = (Vec::new(), index.metrics());
    let (mut latencies, start, mut next) = (Latencies::default(), Instant::now(), Instant::now());
    let mut connected = None;
    while connected.is_none() || !drippers.is_empty() {
        latencies.measure(|| honest.search("file iso"));
        if connected.is_none() {
            let number = drippers.len();
            drippers.extend(
                (number..many.min(number + 100)).map(|number| SlowClient::connect(index.address(), number)),
            );
            connected = (drippers.len() == many).then(Instant::now);
        }
        if next.elapsed() >= Duration::from_millis(900) {
            next = Instant::now();
            drippers.retain_mut(SlowClient::send_next_byte);
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{} are still connected", drippers.len());
    }
    let reaped = connected.map(|at| at.elapsed()).unwrap_or_default();
    let (count, p99) = (latencies.count(), latencies.percentile(99));
    eprintln!(
        "{many} drip: all cut off {reaped:?} after the last came; {count} searches meanwhile, p99 {p99:?}"
    );
    // The greeting may take 10 seconds.
    assert!(reaped < Duration::from_secs(20), "{reaped:?}");
    assert!(p99 < Duration::from_millis(if is_set { 50 } else { 500 }), "{p99:?}");
    wait_until("the connections to be closed", DEFAULT_TIMEOUT, || metrics.value("index_connections") < 1.5);
}

#[test]
fn index_with_few_descriptors_keeps_serving_and_stays_idle() {
    let mut index = IndexProcess::start_with_descriptor_limit(64, &["--metrics", "127.0.0.1:0"]);
    let mut honest = index.session();
    let metrics = index.metrics();
    let crowd: Vec<RawClient> = (0..1000).map(|_| RawClient::connect(index.address())).collect();
    let before = index.processor_time();
    let start = Instant::now();
    let mut latencies = Latencies::default();
    // Runs past the greeting timeout, when clients of the crowd are replaced by others.
    poll_within(Duration::from_secs(12), || {
        latencies.measure(|| honest.search("nothing"));
        None::<()>
    });
    let file = TestContent::random(1, 10).file_record("a file");
    honest.register(&[file]).expect("acknowledged");
    let (used, took) = (index.processor_time().saturating_sub(before), start.elapsed());
    eprintln!(
        "{used:?} of {took:?} used, {} searches, p99 {:?}",
        latencies.count(),
        latencies.percentile(99)
    );
    assert!(used < took / 4, "{used:?} of {took:?}");
    assert!(metrics.get("/healthz").status == 200 && index.is_running());
    drop(crowd);
    wait_until("other clients to be served", DEFAULT_TIMEOUT, || IndexSession::open(index.address()).is_ok());
}

/// A fixed list of files.
struct StaticShares {
    files: Vec<FileRecord>,
    changes: watch::Sender<u64>,
}

impl ShareSource for StaticShares {
    fn records(&self) -> ShareRecords {
        self.files.clone().into()
    }

    fn changes(&self) -> ShareChanges {
        ShareChanges::of_one(self.changes.subscribe())
    }

    fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_reconnects_without_sending_its_lists_again() {
    let (many, _) = story_crowd(40);
    let mut index = IndexProcess::start_with("127.0.0.1:0", &["--metrics", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let clients: Vec<IndexClient> = (0..many)
        .map(|number| {
            let key = folder.path().join(number.to_string());
            let identity = Identity::load_or_create(&key, ExposedKeyPolicy::Refused).expect("a key");
            let file = |at: usize| {
                TestContent::from_bytes(format!("{number} {at}")).file_record(&format!("{number}/{at}.txt"))
            };
            let shares = StaticShares { files: (0..20).map(file).collect(), changes: watch::Sender::new(1) };
            let config = IndexConfig {
                address: index.address().to_string(),
                source: SourceAddress::default(),
                port: 1,
                agent: "crowd".into(),
            };
            let (identity, key) = (Arc::new(identity), ProbeKey::default());
            IndexClient::start(config, identity, shares, key, &tasks, cancel.clone())
        })
        .collect();
    for client in &clients {
        client.synced(Duration::from_mins(2)).await.expect("registered");
    }
    let files = f64::from(u32::try_from(many).expect("a crowd")) * 20.0;
    assert!((index.metrics().value("index_sources") - files).abs() < 0.5);
    index.restart();
    let start = Instant::now();
    for client in &clients {
        let mut status = client.status();
        let back = status.wait_for(|status| matches!(status, IndexStatus::Online { synced: true, .. }));
        tokio::time::timeout(Duration::from_mins(2), back).await.expect("back in time").expect("a client");
    }
    // Some nodes may not have noticed the restart yet.
    let metrics = index.metrics();
    let nodes = f64::from(u32::try_from(many).expect("a crowd"));
    wait_until("all nodes to be connected", Duration::from_mins(1), || {
        metrics.value("index_connections") > nodes - 0.5
    });
    for client in &clients {
        client.synced(Duration::from_mins(1)).await.expect("registered as before");
    }
    let took = start.elapsed();
    let sent = metrics.value("index_registration_seconds_count");
    eprintln!("{many} nodes back after {took:?}, {sent} changes of lists sent");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(sent < 0.5, "{sent} changes of lists were sent");
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
}
