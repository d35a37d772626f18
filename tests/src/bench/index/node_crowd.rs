//! All benchmark nodes, on a thread of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use protocol::index::{FileRecord, Request};
use protocol::limits::MAX_BATCH;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant as Deadline, sleep_until};

use super::node::{EncodedFrame, RegistrationBatch, encode_request, join};
use super::node_lists::NodeLists;
use super::options::IndexBenchOptions;
use super::search_timing::LatencySamples;

/// Number of nodes that join concurrently.
const JOIN_CONCURRENCY: usize = 32;

/// The nodes; they disconnect when this is dropped.
#[derive(Debug)]
pub(super) struct NodeCrowd {
    nodes: Vec<mpsc::Sender<RegistrationBatch>>,
    stop: Arc<AtomicBool>,
    registered: Arc<AtomicU64>,
    registering: JoinSet<Result<()>>,
    // Dropped last: the other fields run on it.
    runtime: Runtime,
}

impl NodeCrowd {
    /// Connects `count` nodes to the index.
    pub(super) fn connect(index: SocketAddr, count: u32) -> Result<Self> {
        raise_descriptor_limit();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let joining = async {
            let (permits, mut joins) = (Arc::new(Semaphore::new(JOIN_CONCURRENCY)), JoinSet::new());
            for node in 0..count {
                let permits = Arc::clone(&permits);
                joins.spawn(async move {
                    let _permit = permits.acquire().await?;
                    Ok((node, join(index, u64::from(node)).await?))
                });
            }
            let joined: Result<Vec<(u32, mpsc::Sender<RegistrationBatch>)>> =
                joins.join_all().await.into_iter().collect();
            joined
        };
        let start = Instant::now();
        let mut nodes = runtime.block_on(joining)?;
        println!("{count} nodes joined and were probed in {:.2} s", start.elapsed().as_secs_f64());
        nodes.sort_unstable_by_key(|(number, _)| *number);
        let nodes = nodes.into_iter().map(|(_, node)| node).collect();
        Ok(Self {
            nodes,
            stop: Arc::default(),
            registered: Arc::default(),
            registering: JoinSet::new(),
            runtime,
        })
    }

    /// Registers the lists of all nodes at once. Returns the number of files, the total duration and the time to each
    /// acknowledgement.
    pub(super) fn register(
        &self,
        lists: &NodeLists,
        options: &IndexBenchOptions,
    ) -> Result<(u64, Duration, LatencySamples)> {
        // Encoded before the clock starts.
        let frames = |node| registration_frames(lists, node, 0).into_iter().map(|(_, frame)| frame).collect();
        let orders: Vec<Vec<EncodedFrame>> = (0..options.nodes).map(frames).collect();
        let registering = async {
            let mut all = JoinSet::new();
            for (node, frames) in self.nodes.iter().cloned().zip(orders) {
                all.spawn(async move { send_batch(&node, frames).await });
            }
            all.join_all().await.into_iter().collect::<Result<Vec<_>>>()
        };
        let start = Instant::now();
        let times = self.runtime.block_on(registering)?;
        Ok((
            options.files.into(),
            start.elapsed(),
            LatencySamples::from_durations(times.into_iter().flatten().collect()),
        ))
    }

    /// Lets some nodes register other lists repeatedly.
    pub(super) fn keep_registering(&mut self, lists: &NodeLists, options: &IndexBenchOptions) {
        self.stop.store(false, Ordering::Relaxed);
        self.registered.store(0, Ordering::Relaxed);
        let busy = options.busy.min(options.nodes);
        let rate = f64::from(options.rate) / f64::from(busy.max(1));
        for (number, node) in (0..busy).zip(&self.nodes) {
            let editions = [1, 2].map(|edition| registration_frames(lists, number, edition));
            let (node, stop, registered) =
                (node.clone(), Arc::clone(&self.stop), Arc::clone(&self.registered));
            let work = async move {
                let start = Deadline::now();
                let mut done = 0.0;
                for (files, frame) in editions.iter().cycle().flatten() {
                    // Each node gets its share of the rate, and their starts are spread out.
                    if rate > 0.0 {
                        let due = (done + f64::from(*files) * f64::from(number) / f64::from(busy)) / rate;
                        sleep_until(start + Duration::from_secs_f64(due)).await;
                    }
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    send_batch(&node, vec![frame.clone()]).await?;
                    done += f64::from(*files);
                    registered.fetch_add(u64::from(*files), Ordering::Relaxed);
                }
                Ok(())
            };
            self.registering.spawn_on(work, self.runtime.handle());
        }
    }

    /// Stops the repeated registrations and returns the number of files registered.
    pub(super) fn stop_registering(&mut self) -> Result<u64> {
        let files = self.registered.load(Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        let busy = std::mem::take(&mut self.registering);
        self.runtime.block_on(busy.join_all()).into_iter().collect::<Result<Vec<()>>>()?;
        Ok(files)
    }
}

async fn send_batch(
    node: &mpsc::Sender<RegistrationBatch>,
    frames: Vec<EncodedFrame>,
) -> Result<Vec<Duration>> {
    let (done, answer) = oneshot::channel();
    node.send(RegistrationBatch { frames, done }).await.context("a node stopped")?;
    answer.await.context("a node failed to register")
}

/// Encodes the messages that register a list, in the order in which nodes send them, each with its file count.
fn registration_frames(lists: &NodeLists, node: u32, edition: u32) -> Vec<(u32, EncodedFrame)> {
    let message = |files: &[FileRecord]| {
        (
            u32::try_from(files.len()).expect("a batch"),
            encode_request(Request::Register { files: files.to_vec() }),
        )
    };
    let mut files = lists.of_node(node, edition);
    files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    files.chunks(MAX_BATCH).map(message).collect()
}

/// Raises the descriptor limit of this process to its maximum: two sockets per node.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, joining fails with a descriptor error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
