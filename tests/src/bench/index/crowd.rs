//! All nodes together, on a thread of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use protocol::index::Request;
use protocol::limits::MAX_BATCH;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant as Deadline, sleep_until};

use super::asking::Timed;
use super::lists::Lists;
use super::node::{Frame, Order, frame, join};
use super::options::Options;

/// How many nodes join at once.
const JOINING: usize = 32;

/// The nodes; they leave when this is dropped.
#[derive(Debug)]
pub(super) struct Crowd {
    nodes: Vec<mpsc::Sender<Order>>,
    stop: Arc<AtomicBool>,
    registered: Arc<AtomicU64>,
    busy: JoinSet<Result<()>>,
    // Dropped last, since the others live on it.
    runtime: Runtime,
}

impl Crowd {
    /// Lets so many nodes join the index.
    pub(super) fn connect(index: SocketAddr, count: u32) -> Result<Self> {
        allow_many_connections();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let joining = async {
            let (permits, mut joins) = (Arc::new(Semaphore::new(JOINING)), JoinSet::new());
            for node in 0..count {
                let permits = Arc::clone(&permits);
                joins.spawn(async move {
                    let _permit = permits.acquire().await?;
                    Ok((node, join(index, u64::from(node)).await?))
                });
            }
            let joined: Result<Vec<(u32, mpsc::Sender<Order>)>> =
                joins.join_all().await.into_iter().collect();
            joined
        };
        let begun = Instant::now();
        let mut nodes = runtime.block_on(joining)?;
        println!("{count} nodes joined and were called back in {:.2} s", begun.elapsed().as_secs_f64());
        nodes.sort_unstable_by_key(|(number, _)| *number);
        let nodes = nodes.into_iter().map(|(_, node)| node).collect();
        Ok(Self { nodes, stop: Arc::default(), registered: Arc::default(), busy: JoinSet::new(), runtime })
    }

    /// Lets all nodes register their lists at once; returns how many files that were, how long it took, and how long
    /// the acknowledgements.
    pub(super) fn register(&self, lists: &Lists, options: &Options) -> Result<(u64, Duration, Timed)> {
        // Made before the clock starts.
        let orders: Vec<Vec<Frame>> = (0..options.nodes).map(|node| registrations(lists, node, 0)).collect();
        let registering = async {
            let mut all = JoinSet::new();
            for (node, frames) in self.nodes.iter().cloned().zip(orders) {
                all.spawn(async move { give_order(&node, frames).await });
            }
            all.join_all().await.into_iter().collect::<Result<Vec<_>>>()
        };
        let begun = Instant::now();
        let times = self.runtime.block_on(registering)?;
        Ok((options.files.into(), begun.elapsed(), Timed::of(times.into_iter().flatten().collect())))
    }

    /// Lets some nodes register other lists again and again.
    pub(super) fn keep_registering(&mut self, lists: &Lists, options: &Options) {
        self.stop.store(false, Ordering::Relaxed);
        self.registered.store(0, Ordering::Relaxed);
        let busy = options.busy.min(options.nodes);
        for (number, node) in (0..busy).zip(&self.nodes) {
            let editions = [1, 2].map(|edition| registrations(lists, number, edition));
            let (node, stop, registered) =
                (node.clone(), Arc::clone(&self.stop), Arc::clone(&self.registered));
            // Each its share of the rate, in messages of many files.
            let pause = match options.rate {
                0 => Duration::ZERO,
                rate => Duration::from_secs_f64(
                    f64::from(busy) * f64::from(u32::try_from(MAX_BATCH).expect("small")) / f64::from(rate),
                ),
            };
            let work = async move {
                let mut next = Deadline::now() + pause * number / busy.max(1);
                for frame in editions.iter().cycle().flatten() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    sleep_until(next).await;
                    next += pause;
                    give_order(&node, vec![frame.clone()]).await?;
                    registered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            self.busy.spawn_on(work, self.runtime.handle());
        }
    }

    /// Ends that, and returns how many files were registered meanwhile.
    pub(super) fn stop_registering(&mut self) -> Result<u64> {
        let batches = self.registered.load(Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        let busy = std::mem::take(&mut self.busy);
        self.runtime.block_on(busy.join_all()).into_iter().collect::<Result<Vec<()>>>()?;
        Ok(batches * MAX_BATCH as u64)
    }
}

async fn give_order(node: &mpsc::Sender<Order>, frames: Vec<Frame>) -> Result<Vec<Duration>> {
    let (done, answer) = oneshot::channel();
    node.send(Order { frames, done }).await.context("a node has gone")?;
    answer.await.context("a node could not register")
}

fn registrations(lists: &Lists, node: u32, edition: u32) -> Vec<Frame> {
    let files = lists.of_node(node, edition);
    files.chunks(MAX_BATCH).map(|files| frame(Request::Register { files: files.to_vec() })).collect()
}

/// Lets this process have as many sockets as it may: two for each node.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // If it may not, joining fails and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
