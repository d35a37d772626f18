//! Searches that are timed, and searches that are counted.

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

/// So long after an answer the next search follows where they are not to take time from anything else.
const SEARCH_INTERVAL: Duration = Duration::from_millis(10);

/// How long something took, many times over.
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

    /// Returns the time that so many in a thousand did not exceed.
    pub(super) fn permille(&self, thousandths: usize) -> Duration {
        let place = (self.0.len() * thousandths / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for LatencySamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, most] = [500, 990, 1000].map(|place| self.permille(place).as_secs_f64() * 1000.0);
        write!(f, "median {median:.3} ms, p99 {p99:.3} ms, most {most:.3} ms")
    }
}

/// Asks all queries over one connection, the kinds in turn; returns the times and how many hits there were on average,
/// kind by kind.
#[expect(clippy::cast_precision_loss, reason = "an average")]
pub(super) fn time_searches(index: SocketAddr, queries: &Queries) -> Result<Vec<(LatencySamples, f64)>> {
    let mut session = IndexSession::open(index)?;
    let kinds = queries.by_kind().len();
    let mut times = vec![(Vec::new(), 0); kinds];
    for (number, query) in queries.interleaved().enumerate() {
        let request = Request::Search { query: query.into(), after: None, limit: queries.hits };
        let begun = Instant::now();
        let reply = session.call(request)?;
        let (taken, found) = &mut times[number % kinds];
        taken.push(begun.elapsed());
        match reply {
            Reply::Hits { hits, .. } => *found += hits.len(),
            other => bail!("{query:?} was answered with {other:?}"),
        }
    }
    let average = |(times, found): (Vec<Duration>, usize)| {
        let hits = found as f64 / times.len().max(1) as f64;
        (LatencySamples::from_durations(times), hits)
    };
    Ok(times.into_iter().map(average).collect())
}

/// Asks now and then over one connection while something else is done; returns what that says and how long the answers took.
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
                let begun = Instant::now();
                let Reply::Hits { .. } = session.call(request)? else { bail!("a search was refused") };
                times.push(begun.elapsed());
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

/// Asks over many connections, on each as soon as the answer before has come; returns how many were answered.
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
            // A port on which nobody listens: who only looks need not be reached.
            links.push(IndexConnection::log_in(index, 0x1_0000_0000 + u64::from(number), 9).await?.0);
        }
        let (end, mut all) = (Instant::now() + duration, JoinSet::new());
        for (number, mut link) in links.into_iter().enumerate() {
            let frames = Arc::clone(&frames);
            all.spawn(async move {
                let mut times = Vec::new();
                for frame in frames.iter().cycle().skip(number * 97) {
                    let begun = Instant::now();
                    if begun >= end {
                        break;
                    }
                    let Reply::Hits { .. } = link.request(frame).await? else {
                        bail!("a search was refused")
                    };
                    times.push(begun.elapsed());
                }
                Ok(times)
            });
        }
        let times: Result<Vec<Vec<Duration>>> = all.join_all().await.into_iter().collect();
        let times: Vec<Duration> = times?.into_iter().flatten().collect();
        Ok((times.len() as u64, LatencySamples::from_durations(times)))
    })
}
