//! Whom a peer waits for: those that are not connected, and those that send nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::configured::{Framing, PeerId};

use super::neighbour::Neighbour;
use super::{Phase, Session};

/// How long somebody may take to connect, or to send anything, before that is reported.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many of those who are missing are named.
const NAMED: usize = 10;

impl Session {
    /// Returns a text about those that are waited for, if any are and have been for a while.
    pub(super) fn awaited(&mut self, now: Instant) -> Option<String> {
        let texts = [self.awaited_connections(now), self.silent_neighbours(now)];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn awaited_connections(&mut self, now: Instant) -> Option<String> {
        let missing = self.missing();
        if missing.is_empty() {
            self.alone_since = None;
            return None;
        }
        let since = *self.alone_since.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        Some(format!("not connected: {}", names(&missing)))
    }

    /// Names the neighbours that have sent nothing since they are connected, with the framing in which they may understand us. What
    /// the user has chosen is not questioned.
    fn silent_neighbours(&self, now: Instant) -> Option<String> {
        let silent = self.group.neighbours().filter(|neighbour| neighbour.is_silent(now, PATIENCE));
        let silent: Vec<&Neighbour> = silent.filter(|_| self.plan.framing.is_none()).collect();
        let other = match silent.first()?.link.framing() {
            Some(Framing::Exclusive) => Framing::Inclusive,
            _ => Framing::Exclusive,
        };
        let peers: Vec<PeerId> = silent.iter().map(|neighbour| neighbour.peer).collect();
        Some(format!("connected but silent: {} (try --framing {other})", names(&peers)))
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

/// Names the first few of some peers.
fn names(peers: &[PeerId]) -> String {
    let named: Vec<String> = peers.iter().take(NAMED).map(ToString::to_string).collect();
    match peers.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
