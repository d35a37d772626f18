//! Timed searches, and search throughput.

use std::fmt;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use protocol::index::{Reply, Request};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::node::{EncodedFrame, IndexConnection, encode_request};
use super::options::IndexBenchOptions;
use super::queries::Queries;
use crate::index_session::IndexSession;

/// Delay between searches that must not slow down concurrent work.
const SEARCH_INTERVAL: Duration = Duration::from_millis(10);

/// Durations of one repeated operation.
#[derive(Debug, Default)]
pub(super) struct LatencySamples(Vec<Duration>);

impl LatencySamples {
    pub(super) fn from_durations(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn merge<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        Self::from_durations(all.flat_map(|timed| timed.0.iter().copied()).collect())
    }

    /// Returns the duration at a given permille of all samples.
    pub(super) fn permille(&self, thousandths: usize) -> Duration {
        let index = (self.0.len() * thousandths / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for LatencySamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, most] =
            [500, 990, 1000].map(|permille| self.permille(permille).as_secs_f64() * 1000.0);
        write!(f, "median {median:.3} ms, p99 {p99:.3} ms, most {most:.3} ms")
    }
}

/// Sends all queries over one connection, the kinds in turn. Returns the durations and the average number of hits per
/// kind.
#[expect(clippy::cast_precision_loss, reason = "an average")]
pub(super) fn time_searches(index: SocketAddr, queries: &Queries) -> Result<Vec<(LatencySamples, f64)>> {
    let mut session = IndexSession::open(index)?;
    let kinds = queries.by_kind().len();
    let mut times = vec![(Vec::new(), 0); kinds];
    for (number, query) in queries.interleaved().enumerate() {
        let request = Request::Search { query: query.into(), after: None, limit: queries.hits };
        let start = Instant::now();
        let reply = session.call(request)?;
        let (durations, found) = &mut times[number % kinds];
        durations.push(start.elapsed());
        match reply {
            Reply::Hits { hits, .. } => *found += hits.len(),
            other => bail!("{query:?} got the reply {other:?}"),
        }
    }
    let average = |(times, found): (Vec<Duration>, usize)| {
        let hits = found as f64 / times.len().max(1) as f64;
        (LatencySamples::from_durations(times), hits)
    };
    Ok(times.into_iter().map(average).collect())
}

/// Searches occasionally over one connection while `work` runs. Returns the result of the work and the search
/// durations.
pub(super) fn time_searches_beside<T>(
    index: SocketAddr,
    queries: &Queries,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, LatencySamples)> {
    let ended = CancellationToken::new();
    thread::scope(|scope| {
        let searches = scope.spawn(|| {
            let (mut session, mut times) = (IndexSession::open(index)?, Vec::new());
            for query in queries.interleaved().cycle() {
                if ended.is_cancelled() {
                    break;
                }
                let request = Request::Search { query: query.into(), after: None, limit: queries.hits };
                let start = Instant::now();
                let Reply::Hits { .. } = session.call(request)? else { bail!("a search was refused") };
                times.push(start.elapsed());
                thread::sleep(SEARCH_INTERVAL);
            }
            Ok(LatencySamples::from_durations(times))
        });
        let ending = ended.clone().drop_guard();
        let done = work();
        drop(ending);
        let times = searches.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok((done?, times))
    })
}

/// Searches over many connections, each as soon as it has received its reply. Returns the number of replies.
pub(super) fn count_searches(
    index: SocketAddr,
    queries: &Queries,
    options: &IndexBenchOptions,
) -> Result<(u64, LatencySamples)> {
    let frames: Arc<Vec<EncodedFrame>> = Arc::new(
        queries
            .interleaved()
            .map(|query| {
                encode_request(Request::Search { query: query.into(), after: None, limit: queries.hits })
            })
            .collect(),
    );
    let (connections, duration) = (options.connections, Duration::from_secs(options.seconds));
    Builder::new_current_thread().enable_all().build()?.block_on(async move {
        let mut links = Vec::new();
        for number in 0..connections {
            // Nothing listens on this port: a client that only searches need not be reachable.
            links.push(IndexConnection::log_in(index, 0x1_0000_0000 + u64::from(number), 9).await?.0);
        }
        let (end, mut all) = (Instant::now() + duration, JoinSet::new());
        for (number, mut link) in links.into_iter().enumerate() {
            let frames = Arc::clone(&frames);
            all.spawn(async move {
                let mut times = Vec::new();
                for frame in frames.iter().cycle().skip(number * 97) {
                    let start = Instant::now();
                    if start >= end {
                        break;
                    }
                    let Reply::Hits { .. } = link.request(frame).await? else {
                        bail!("a search was refused")
                    };
                    times.push(start.elapsed());
                }
                Ok(times)
            });
        }
        let times: Result<Vec<Vec<Duration>>> = all.join_all().await.into_iter().collect();
        let times: Vec<Duration> = times?.into_iter().flatten().collect();
        Ok((times.len() as u64, LatencySamples::from_durations(times)))
    })
}
