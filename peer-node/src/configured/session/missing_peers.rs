//! Whom a peer waits for: those that are not connected, and those that send nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredPeerId, Framing};

use super::neighbour::Neighbour;
use super::{GroupPhase, GroupSession};

/// How long somebody may take to connect, or to send anything, before that is reported.
const REPORT_DELAY: Duration = Duration::from_secs(5);

/// So many of those who are missing are named.
const MAX_NAMED: usize = 10;

impl GroupSession {
    /// Returns a text about those that are waited for, if any are and have been for a while.
    pub(super) fn waiting_for(&mut self, now: Instant) -> Option<String> {
        let texts = [self.missing_connections(now), self.silent_neighbours(now)];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn missing_connections(&mut self, now: Instant) -> Option<String> {
        let missing = self.missing_peers();
        if missing.is_empty() {
            self.waiting_since = None;
            return None;
        }
        let since = *self.waiting_since.get_or_insert(now);
        if now.saturating_duration_since(since) < REPORT_DELAY {
            return None;
        }
        Some(format!("not connected: {}", list_names(&missing)))
    }

    /// Names the neighbours that have sent nothing since they are connected, with the framing in which they may understand us. What
    /// the user has chosen is not questioned.
    fn silent_neighbours(&self, now: Instant) -> Option<String> {
        let silent = self.peers.neighbours().filter(|neighbour| neighbour.is_silent(now, REPORT_DELAY));
        let silent: Vec<&Neighbour> = silent.filter(|_| self.config.framing.is_none()).collect();
        let other = match silent.first()?.link.framing() {
            Some(Framing::Exclusive) => Framing::Inclusive,
            _ => Framing::Exclusive,
        };
        let peers: Vec<ConfiguredPeerId> = silent.iter().map(|neighbour| neighbour.peer).collect();
        Some(format!("connected but silent: {} (try --framing {other})", list_names(&peers)))
    }

    /// Returns those who are not connected and without whom it does not go on: everybody as long as pieces are missing that nobody
    /// who is connected has; and then those who are not known to have the file.
    fn missing_peers(&self) -> Vec<ConfiguredPeerId> {
        let is_whole = match self.phase {
            GroupPhase::Fetching if !self.peers.neighbours().any(Neighbour::is_wanted) => false,
            GroupPhase::Complete => true,
            _ => return Vec::new(),
        };
        let others = self.config.peer_list.others(self.own_id).map(|peer| peer.id);
        let here: BTreeSet<ConfiguredPeerId> =
            self.peers.neighbours().map(|neighbour| neighbour.peer).collect();
        let is_done_with =
            |peer: &ConfiguredPeerId| here.contains(peer) || is_whole && self.peers.is_complete(*peer);
        others.filter(|peer| !is_done_with(peer)).collect()
    }
}

/// Names the first few of some peers.
fn list_names(peers: &[ConfiguredPeerId]) -> String {
    let named: Vec<String> = peers.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    match peers.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
