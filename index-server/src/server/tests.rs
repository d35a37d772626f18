//! End-to-end tests over loopback: an index in this process and scripted clients.

mod budgets;
mod client;
mod edge_cases;
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

use super::{Listeners, ServerConfig, TrackerListener};
use crate::limits::{IndexLimits, ProbeLimits};
use crate::store::Store;

/// Timeout of each step; reached only on failure.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// An index in this process.
struct TestIndex {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Result<(), crate::StoreError>>,
}

impl TestIndex {
    async fn start(dir: &Path) -> Self {
        Self::start_with(dir, limits()).await
    }

    async fn start_with(dir: &Path, limits: IndexLimits) -> Self {
        Self::start_tracking(dir, limits, None).await
    }

    async fn start_tracking(dir: &Path, limits: IndexLimits, tracker: Option<TrackerListener>) -> Self {
        Self::start_with_config(dir, ServerConfig { limits, ..ServerConfig::default() }, tracker).await
    }

    async fn start_with_config(dir: &Path, config: ServerConfig, tracker: Option<TrackerListener>) -> Self {
        Self::start_on("127.0.0.1:0", dir, config, tracker).await
    }

    /// Starts an index that listens on the given address.
    async fn start_at(dir: &Path, listen: &str) -> Self {
        let config = ServerConfig { limits: limits(), ..ServerConfig::default() };
        Self::start_on(listen, dir, config, None).await
    }

    async fn start_on(
        listen: &str,
        dir: &Path,
        config: ServerConfig,
        tracker: Option<TrackerListener>,
    ) -> Self {
        let dir = dir.to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir)).await.unwrap().unwrap();
        let listener = TcpListener::bind(listen).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let running =
            tokio::spawn(crate::run(Listeners { index: listener, tracker }, store, config, stop.clone()));
        Self { address, stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        with_timeout(self.running).await.unwrap().unwrap();
    }
}

fn limits() -> IndexLimits {
    let pauses = vec![Duration::from_millis(20)];
    IndexLimits {
        probes: ProbeLimits { retry_delays: pauses, ..ProbeLimits::default() },
        ..IndexLimits::default()
    }
}

async fn with_timeout<T>(work: impl Future<Output = T>) -> T {
    timeout(TEST_TIMEOUT, work).await.expect("timed out")
}
