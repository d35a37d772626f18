//! Stories over loopback: an index in this process, and clients that say exactly what they are told to.

mod budgets;
mod client;
mod extremes;
mod greeting;
mod hostile;
mod lists;
mod presence;
mod tracker;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Conditions, Listeners, TrackerListener};
use crate::limits::{CallLimits, Limits};
use crate::store::Store;

/// Nothing in these stories takes so long unless it has gone wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// An index in this process.
struct Index {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Result<(), crate::StoreError>>,
}

impl Index {
    async fn start(dir: &Path) -> Self {
        Self::start_with(dir, limits()).await
    }

    async fn start_with(dir: &Path, limits: Limits) -> Self {
        Self::start_tracking(dir, limits, None).await
    }

    async fn start_tracking(dir: &Path, limits: Limits, tracker: Option<TrackerListener>) -> Self {
        Self::start_under(dir, Conditions { limits, ..Conditions::default() }, tracker).await
    }

    async fn start_under(dir: &Path, conditions: Conditions, tracker: Option<TrackerListener>) -> Self {
        Self::start_on("127.0.0.1:0", dir, conditions, tracker).await
    }

    /// Starts one that listens at a place of its own.
    async fn start_at(dir: &Path, listen: &str) -> Self {
        let conditions = Conditions { limits: limits(), ..Conditions::default() };
        Self::start_on(listen, dir, conditions, None).await
    }

    async fn start_on(
        listen: &str,
        dir: &Path,
        conditions: Conditions,
        tracker: Option<TrackerListener>,
    ) -> Self {
        let dir = dir.to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir)).await.unwrap().unwrap();
        let listener = TcpListener::bind(listen).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let running =
            tokio::spawn(crate::run(Listeners { nodes: listener, tracker }, store, conditions, stop.clone()));
        Self { address, stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        within(self.running).await.unwrap().unwrap();
    }
}

fn limits() -> Limits {
    let pauses = vec![Duration::from_millis(20)];
    Limits { calls: CallLimits { pauses, ..CallLimits::default() }, ..Limits::default() }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it takes too long")
}
