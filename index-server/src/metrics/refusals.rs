use std::sync::atomic::{AtomicU64, Ordering};

use protocol::index::Refusal;

/// The reasons, in the order of their counters.
const REASONS: [&str; 14] = [
    "malformed",
    "out_of_order",
    "bad_proof",
    "bad_port",
    "bad_query",
    "bad_record",
    "too_many",
    "no_such_peer",
    "busy",
    "store_unavailable",
    "too_fast",
    "not_allowed",
    "unsupported",
    "over_budget",
];

/// Counts of refusals per reason.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounts([AtomicU64; REASONS.len()]);

impl RefusalCounts {
    pub(crate) fn count(&self, refusal: &Refusal) {
        if let Some(count) = self.0.get(reason_index(refusal)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns every reason with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.0).map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
    }
}

const fn reason_index(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::Malformed { .. } => 0,
        Refusal::OutOfOrder { .. } => 1,
        Refusal::BadProof => 2,
        Refusal::BadPort { .. } => 3,
        Refusal::BadQuery { .. } => 4,
        Refusal::BadRecord { .. } => 5,
        Refusal::TooMany { .. } => 6,
        Refusal::NoSuchPeer => 7,
        Refusal::Busy { .. } => 8,
        Refusal::StoreUnavailable => 9,
        Refusal::TooFast { .. } => 10,
        Refusal::NotAllowed { .. } => 11,
        Refusal::Unsupported { .. } => 12,
        Refusal::OverBudget { .. } => 13,
    }
}
