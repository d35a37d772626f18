//! Counters and health of the index, in the format of Prometheus.
//!
//! All tasks count atomically in one [`IndexMetrics`]; [`page`] formats it and [`http`] serves it.

mod histogram;
mod host;
mod http;
mod page;
mod refusals;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::budgets::Budget;
use crate::catalog::ExpiryReason;
use crate::directory::Directory;
use crate::quotas::BudgetHolder;
use crate::reports::ReportVerdict;
pub(crate) use histogram::Histogram;
pub(crate) use http::serve;
pub(crate) use refusals::RefusalCounts;

/// All counters.
#[derive(Debug, Default)]
pub struct IndexMetrics {
    pub(crate) connections: Gauge,
    pub(crate) registrations: Histogram,
    pub(crate) searches: Histogram,
    pub(crate) queries: Histogram,
    pub(crate) commits: Histogram,
    pub(crate) store_errors: AtomicU64,
    pub(crate) refusals: RefusalCounts,
    over_budget: [AtomicU64; Budget::ALL.len()],
    expired: [AtomicU64; ExpiryReason::ALL.len()],
    search_budget: [AtomicU64; BudgetHolder::ALL.len()],
    evicted: [AtomicU64; HttpService::ALL.len()],
    reports: [AtomicU64; ReportVerdict::ALL.len()],
    /// Reported nodes that were probed: those that did not answer, and those that did.
    rechecked: [AtomicU64; 2],
    unlisted: AtomicU64,
    health: AtomicU8,
    /// Provides the catalog's counts when the page is requested.
    directory: OnceLock<Directory>,
}

/// A service over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpService {
    Metrics,
    Tracker,
}

impl HttpService {
    const ALL: [Self; 2] = [Self::Metrics, Self::Tracker];

    /// Returns the name used in the log and in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Tracker => "tracker",
        }
    }
}

/// The health of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// The store is being loaded.
    Loading,
    /// All is well.
    Ready,
    /// The store is unavailable: queries are answered, registrations refused.
    Degraded,
    /// The index is shutting down.
    Stopping,
}

impl IndexMetrics {
    /// Sets the health; [`Health::Stopping`] is final.
    pub(crate) fn set_health(&self, health: Health) {
        let raise = |now| (now != Health::Stopping as u8).then_some(health as u8);
        // The update fails only during shutdown, where nothing changes.
        let _ = self.health.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise);
    }

    /// Counts an HTTP connection that was evicted for another.
    pub(crate) fn count_evicted(&self, service: HttpService) {
        if let Some(count) = self.evicted.get(service as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a registration refused because a byte budget is used up.
    pub(crate) fn count_over_budget(&self, budget: Budget) {
        if let Some(count) = self.over_budget.get(budget as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an expired list.
    pub(crate) fn count_expired(&self, reason: ExpiryReason) {
        if let Some(count) = self.expired.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a search refused because a budget of search time is used up.
    pub(crate) fn count_search_budget(&self, holder: BudgetHolder) {
        for (_, count) in
            BudgetHolder::ALL.iter().zip(&self.search_budget).filter(|(other, _)| **other == holder)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of registrations refused per budget.
    fn over_budget(&self) -> impl Iterator<Item = (Budget, u64)> {
        Budget::ALL.into_iter().zip(&self.over_budget).map(|(of, count)| (of, count.load(Ordering::Relaxed)))
    }

    /// Returns the number of expired lists per reason.
    fn expired(&self) -> impl Iterator<Item = (ExpiryReason, u64)> {
        ExpiryReason::ALL
            .into_iter()
            .zip(&self.expired)
            .map(|(of, count)| (of, count.load(Ordering::Relaxed)))
    }

    /// Returns the number of searches refused for lack of search time, per holder of the budget.
    fn search_budget_refusals(&self) -> impl Iterator<Item = (BudgetHolder, u64)> {
        BudgetHolder::ALL
            .into_iter()
            .zip(&self.search_budget)
            .map(|(holder, count)| (holder, count.load(Ordering::Relaxed)))
    }

    /// Returns the number of evicted HTTP connections per service.
    fn evicted(&self) -> impl Iterator<Item = (HttpService, u64)> {
        HttpService::ALL
            .into_iter()
            .zip(&self.evicted)
            .map(|(service, count)| (service, count.load(Ordering::Relaxed)))
    }

    /// Counts a report of an unreachable node.
    pub(crate) fn count_report(&self, verdict: ReportVerdict) {
        for (_, count) in ReportVerdict::ALL.iter().zip(&self.reports).filter(|(other, _)| **other == verdict)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a reported node that was probed.
    pub(crate) fn count_rechecked(&self, answers: bool) {
        if let Some(count) = self.rechecked.get(usize::from(answers)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an attempt to list a node whose address has reached its limit of listed nodes.
    pub(crate) fn count_unlisted(&self) {
        self.unlisted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Loading,
            1 => Health::Ready,
            2 => Health::Degraded,
            _ => Health::Stopping,
        }
    }

    /// Returns the page in Prometheus format.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        page::page(self)
    }

    /// Sets the source of the catalog's counts.
    pub(crate) fn set_directory(&self, directory: Directory) {
        // A second index in the same process is not counted.
        let _ = self.directory.set(directory);
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one until the returned guard is dropped.
    pub(crate) fn count(&self) -> GaugeGuard<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(self)
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Subtracts one from its gauge when dropped.
#[derive(Debug)]
pub(crate) struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
