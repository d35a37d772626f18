//! Request quotas per node and per address. Searches are additionally charged for the processor time that they took.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::address_group::address_group;
use protocol::index::{Refusal, Request};
use protocol::node_id::NodeId;

use crate::limits::{QuotaLimits, RequestRate};
use crate::rate_limiter::{RateLimiter, TimeBudgets};

/// The class of a request, which determines its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// A list change, which is written to disk.
    Registration,
    /// A search.
    Search,
    /// Any other query, which costs little.
    Query,
}

impl RequestClass {
    pub(crate) const fn of(request: &Request) -> Self {
        match request {
            Request::BeginList | Request::Register { .. } | Request::Unregister { .. } | Request::EndList => {
                Self::Registration
            }
            Request::Search { .. }
            | Request::SearchWithSources { .. }
            | Request::Suggest { .. }
            | Request::FindNodes { .. } => Self::Search,
            Request::Hello { .. }
            | Request::Greet { .. }
            | Request::Proof { .. }
            | Request::Renew
            | Request::Locate { .. }
            | Request::Browse { .. }
            | Request::ReportUnreachable { .. }
            | Request::Statistics
            | Request::OfferTorrent { .. }
            | Request::WithdrawTorrent { .. }
            | Request::FindTorrent { .. }
            | Request::FindTorrentByKey { .. }
            | Request::TorrentsOf { .. } => Self::Query,
        }
    }
}

/// The quotas of all nodes.
#[derive(Debug)]
pub(crate) struct Quotas {
    registrations: Mutex<RequestBuckets>,
    queries: Mutex<RequestBuckets>,
    search_time: Mutex<SearchTimeBudgets>,
    limit_loopback: bool,
}

/// Who has used up a budget of search time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BudgetHolder {
    Node,
    Address,
}

impl BudgetHolder {
    pub(crate) const ALL: [Self; 2] = [Self::Node, Self::Address];

    /// Returns the name used in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Address => "address",
        }
    }
}

/// The budgets of processor time for searches.
#[derive(Debug)]
struct SearchTimeBudgets {
    by_node: TimeBudgets<NodeId>,
    by_address: TimeBudgets<IpAddr>,
}

/// The rates of one class of requests.
#[derive(Debug)]
struct RequestBuckets {
    by_node: RateLimiter<NodeId>,
    by_address: RateLimiter<IpAddr>,
}

impl RequestBuckets {
    fn new(rate: RequestRate, nodes_per_address: u32) -> Mutex<Self> {
        let by_address = RateLimiter::new(rate.scaled(nodes_per_address));
        Mutex::new(Self { by_node: RateLimiter::new(rate), by_address })
    }
}

impl Quotas {
    pub(crate) fn new(limits: &QuotaLimits) -> Self {
        Self {
            registrations: RequestBuckets::new(limits.registrations, limits.nodes_per_address),
            queries: RequestBuckets::new(limits.queries, limits.nodes_per_address),
            search_time: Mutex::new(SearchTimeBudgets {
                by_node: TimeBudgets::new(limits.search_time_per_node),
                by_address: TimeBudgets::new(limits.search_time_per_address),
            }),
            limit_loopback: limits.limit_loopback,
        }
    }

    /// Counts a request of a node; if a quota is exceeded, the refusal contains the time to wait.
    pub(crate) fn admit(
        &self,
        now: Instant,
        (node, address): (NodeId, IpAddr),
        class: RequestClass,
    ) -> Result<(), Refusal> {
        if self.is_exempt(address) {
            return Ok(());
        }
        let buckets = if class == RequestClass::Registration { &self.registrations } else { &self.queries };
        let mut buckets = buckets.lock();
        let passed = buckets.by_node.try_acquire(now, node);
        let passed = passed.and_then(|()| buckets.by_address.try_acquire(now, address_group(address)));
        passed.map_err(too_fast)
    }

    /// Returns an error if a budget of search time is used up: whose, and the refusal with the time to wait.
    pub(crate) fn admit_search(
        &self,
        now: Instant,
        (node, address): (NodeId, IpAddr),
    ) -> Result<(), (BudgetHolder, Refusal)> {
        if self.is_exempt(address) {
            return Ok(());
        }
        let mut times = self.search_time.lock();
        times.by_node.admit(now, node).map_err(|wait| (BudgetHolder::Node, too_fast(wait)))?;
        let passed = times.by_address.admit(now, address_group(address));
        passed.map_err(|wait| (BudgetHolder::Address, too_fast(wait)))
    }

    /// Charges a node and its address for the processor time of a search.
    pub(crate) fn charge_search(&self, now: Instant, (node, address): (NodeId, IpAddr), cpu_time: Duration) {
        if !self.is_exempt(address) {
            let mut times = self.search_time.lock();
            times.by_node.charge(now, node, cpu_time);
            times.by_address.charge(now, address_group(address), cpu_time);
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        address.is_loopback() && !self.limit_loopback
    }
}

fn too_fast(wait: Duration) -> Refusal {
    let retry_after = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
    Refusal::TooFast { retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_time_is_charged_to_node_and_address() {
        let limits =
            QuotaLimits { search_time_per_node: 100, search_time_per_address: 150, ..QuotaLimits::default() };
        let (quotas, now) = (Quotas::new(&limits), Instant::now());
        let (address, second): (IpAddr, _) = ("192.0.2.1".parse().unwrap(), Duration::from_secs(1));
        quotas.charge_search(now, (node(1), address), second + Duration::from_millis(1));
        let refused = quotas.admit_search(now, (node(1), address));
        assert_eq!(refused, Err((BudgetHolder::Node, Refusal::TooFast { retry_after: 11 })));
        assert_eq!(quotas.admit_search(now, (node(2), address)), Ok(()));
        quotas.charge_search(now, (node(2), address), second);
        let refused = quotas.admit_search(now, (node(3), address));
        assert!(matches!(refused, Err((BudgetHolder::Address, Refusal::TooFast { .. }))), "{refused:?}");
        assert_eq!(quotas.admit_search(now, (node(3), "192.0.2.2".parse().unwrap())), Ok(()));
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        quotas.charge_search(now, (node(4), local), 60 * second);
        assert_eq!(quotas.admit_search(now, (node(4), local)), Ok(()));
    }

    fn quotas(loopback_counts: bool) -> Quotas {
        let rate = RequestRate { per_second: 10, burst: 5 };
        let limits = QuotaLimits {
            registrations: rate,
            queries: rate,
            nodes_per_address: 2,
            ..QuotaLimits::default()
        };
        Quotas::new(&QuotaLimits { limit_loopback: loopback_counts, ..limits })
    }

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn node_and_address_are_limited_with_retry_time() {
        let (quotas, now) = (quotas(false), Instant::now());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let passed = |now, who, kind| (0..100).filter(|_| quotas.admit(now, who, kind).is_ok()).count();
        assert_eq!(passed(now, (node(1), address), RequestClass::Registration), 5);
        assert_eq!(
            quotas.admit(now, (node(1), address), RequestClass::Registration),
            Err(Refusal::TooFast { retry_after: 101 })
        );
        // Searches and other queries share one quota, separate from registrations.
        assert_eq!(passed(now, (node(1), address), RequestClass::Search), 5);
        assert_eq!(passed(now, (node(1), address), RequestClass::Query), 0);
        assert_eq!(passed(now, (node(2), address), RequestClass::Registration), 5);
        assert_eq!(passed(now, (node(3), address), RequestClass::Registration), 0);
        let elsewhere = "192.0.2.2".parse().unwrap();
        assert_eq!(passed(now, (node(4), elsewhere), RequestClass::Registration), 5);
        assert_eq!(
            passed(now + Duration::from_millis(101), (node(1), address), RequestClass::Registration),
            1
        );
    }

    #[test]
    fn loopback_is_limited_only_on_request() {
        let now = Instant::now();
        for (counts, passed) in [(false, 100), (true, 5)] {
            let quotas = quotas(counts);
            let who = (node(1), "127.0.0.1".parse().unwrap());
            assert_eq!(
                (0..100).filter(|_| quotas.admit(now, who, RequestClass::Search).is_ok()).count(),
                passed
            );
        }
    }
}
