//! What the index counts of itself, for whoever watches it: numbers as Prometheus reads them, and whether it is well.
//!
//! Everybody counts in the one [`IndexMetrics`] with atomics; [`page`] writes them down and [`http`] serves them.

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

/// Everything that is counted.
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
    /// Nodes that were called because they were reported: those that did not answer, and those that did.
    rechecked: [AtomicU64; 2],
    unlisted: AtomicU64,
    health: AtomicU8,
    /// What is counted in it is asked for when the numbers are.
    directory: OnceLock<Directory>,
}

/// What is served over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpService {
    Metrics,
    Tracker,
}

impl HttpService {
    const ALL: [Self; 2] = [Self::Metrics, Self::Tracker];

    /// Returns its name in the log and in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Tracker => "tracker",
        }
    }
}

/// How the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// It reads its store.
    Loading,
    /// All is well.
    Ready,
    /// Its store is out of order: it answers questions and takes no registrations.
    Degraded,
    /// It is being stopped.
    Stopping,
}

impl IndexMetrics {
    /// Notes how the index is; one that is being stopped stays so.
    pub(crate) fn set_health(&self, condition: Health) {
        let raise = |now| (now != Health::Stopping as u8).then_some(condition as u8);
        // Nothing to do where it is being stopped.
        let _ = self.health.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise);
    }

    /// Counts a connection over HTTP that was closed to make room for another.
    pub(crate) fn count_evicted(&self, service: HttpService) {
        if let Some(count) = self.evicted.get(service as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a registration that was refused because a budget is used up.
    pub(crate) fn count_over_budget(&self, budget: Budget) {
        if let Some(count) = self.over_budget.get(budget as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a list that was forgotten.
    pub(crate) fn count_expired(&self, reason: ExpiryReason) {
        if let Some(count) = self.expired.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a search that was refused because a budget of search time was used up.
    pub(crate) fn count_search_budget(&self, holder: BudgetHolder) {
        for (_, count) in
            BudgetHolder::ALL.iter().zip(&self.search_budget).filter(|(other, _)| **other == holder)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many registrations were refused, by the budget that was used up.
    fn over_budget(&self) -> impl Iterator<Item = (Budget, u64)> {
        Budget::ALL.into_iter().zip(&self.over_budget).map(|(of, count)| (of, count.load(Ordering::Relaxed)))
    }

    /// Returns how many lists were forgotten, by reason.
    fn expired(&self) -> impl Iterator<Item = (ExpiryReason, u64)> {
        ExpiryReason::ALL
            .into_iter()
            .zip(&self.expired)
            .map(|(of, count)| (of, count.load(Ordering::Relaxed)))
    }

    /// Returns how many searches were refused for want of a budget of search time, by whose it was.
    fn search_budget_refusals(&self) -> impl Iterator<Item = (BudgetHolder, u64)> {
        BudgetHolder::ALL
            .into_iter()
            .zip(&self.search_budget)
            .map(|(holder, count)| (holder, count.load(Ordering::Relaxed)))
    }

    /// Returns how many connections over HTTP were closed to make room for others.
    fn evicted(&self) -> impl Iterator<Item = (HttpService, u64)> {
        HttpService::ALL
            .into_iter()
            .zip(&self.evicted)
            .map(|(service, count)| (service, count.load(Ordering::Relaxed)))
    }

    /// Counts a report that a node does not answer.
    pub(crate) fn count_report(&self, verdict: ReportVerdict) {
        for (_, count) in ReportVerdict::ALL.iter().zip(&self.reports).filter(|(other, _)| **other == verdict)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a node that was called because it was reported.
    pub(crate) fn count_rechecked(&self, answers: bool) {
        if let Some(count) = self.rechecked.get(usize::from(answers)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an attempt to list a node at an address of which as many are listed as may be.
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

    /// Returns the page as Prometheus reads it.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        page::page(self)
    }

    /// Takes in what knows the nodes and their files.
    pub(crate) fn set_directory(&self, directory: Directory) {
        // A second index in one process would go uncounted.
        let _ = self.directory.set(directory);
    }
}

/// Something that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Counts one more until the returned value is dropped.
    pub(crate) fn count(&self) -> GaugeGuard<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(self)
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that is counted.
#[derive(Debug)]
pub(crate) struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
