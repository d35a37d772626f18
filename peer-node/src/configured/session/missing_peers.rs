//! Reports the peers that a session waits for: those that are not connected, and those that are connected but silent.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::configured::{ConfiguredPeerId, Framing};

use super::neighbour::Neighbour;
use super::{GroupPhase, GroupSession};

/// Time for a peer to connect, or to send anything, before it is reported.
const REPORT_DELAY: Duration = Duration::from_secs(5);

/// Maximum number of peers to name.
const MAX_NAMED: usize = 10;

impl GroupSession {
    /// Returns a description of the peers that have been awaited for some time, if any.
    pub(super) fn waiting_for(&mut self, now: Instant) -> Option<String> {
        let write_problem =
            self.write_problem.as_ref().map(|error| format!("cannot write: {error}; retrying"));
        let texts = [write_problem, self.missing_connections(now), self.silent_neighbours(now)];
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

    /// Describes the neighbours that have sent nothing, and suggests the other framing. Without a suggestion if the user has
    /// chosen the framing.
    fn silent_neighbours(&self, now: Instant) -> Option<String> {
        let silent = self.peers.neighbours().filter(|neighbour| neighbour.is_silent(now, REPORT_DELAY));
        let silent: Vec<&Neighbour> = silent.filter(|_| self.config.framing.is_none()).collect();
        let other = match silent.first()?.link.framing() {
            Some(Framing::Exclusive) => Framing::Inclusive,
            _ => Framing::Exclusive,
        };
        let peers: Vec<ConfiguredPeerId> = silent.iter().map(|neighbour| neighbour.peer).collect();
        let advice = (self.config.framing_advice)(other);
        Some(format!("connected but silent: {} ({advice})", list_names(&peers)))
    }

    /// Returns the unconnected peers that the session needs: while fetching, all of them if no neighbour has a wanted piece;
    /// later, those not known to have the file.
    fn missing_peers(&self) -> Vec<ConfiguredPeerId> {
        let is_complete = match self.phase {
            GroupPhase::Fetching if !self.peers.neighbours().any(Neighbour::is_wanted) => false,
            GroupPhase::Complete => true,
            _ => return Vec::new(),
        };
        let others = self.config.peer_list.others(self.own_id).map(|peer| peer.id);
        let connected: BTreeSet<ConfiguredPeerId> =
            self.peers.neighbours().map(|neighbour| neighbour.peer).collect();
        let is_dispensable = |peer: &ConfiguredPeerId| {
            connected.contains(peer) || is_complete && self.peers.is_complete(*peer)
        };
        others.filter(|peer| !is_dispensable(peer)).collect()
    }
}

/// Lists the first few peers.
fn list_names(peers: &[ConfiguredPeerId]) -> String {
    let named: Vec<String> = peers.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    match peers.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
