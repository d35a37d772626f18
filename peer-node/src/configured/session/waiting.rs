//! Whom a peer waits for that nobody hears of.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::configured::PeerId;

use super::neighbour::Neighbour;
use super::{Phase, Session};

/// How long somebody may take to come before it is said that they are missing.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many of those who are missing are named.
const NAMED: usize = 10;

impl Session {
    /// Says who is missing, if it does not go on without them and has not for a while.
    pub(super) fn awaited(&mut self, now: Instant) -> Option<String> {
        let missing = self.missing();
        if missing.is_empty() {
            self.alone_since = None;
            return None;
        }
        let since = *self.alone_since.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        let named: Vec<String> = missing.iter().take(NAMED).map(ToString::to_string).collect();
        let others = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("not connected: {}{others}", named.join(", ")))
    }

    /// Returns those who are not connected and without whom it does not go on: everybody as long as pieces are missing that nobody
    /// who is connected has; and then those who are not known to have the file.
    fn missing(&self) -> Vec<PeerId> {
        let is_whole = match self.phase {
            Phase::Fetching if !self.group.neighbours().any(Neighbour::is_wanted) => false,
            Phase::Whole => true,
            _ => return Vec::new(),
        };
        let others = self.plan.list.others(self.us).map(|peer| peer.id);
        let here: BTreeSet<PeerId> = self.group.neighbours().map(|neighbour| neighbour.peer).collect();
        let is_done_with = |peer: &PeerId| here.contains(peer) || is_whole && self.group.has_whole(*peer);
        others.filter(|peer| !is_done_with(peer)).collect()
    }
}
