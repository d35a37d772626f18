//! How long nodes were online, when they were seen last, and at which addresses their lists count.

use std::net::IpAddr;
use std::time::Instant;

use super::{Catalog, Header, NodeNo, Writes};

/// A node that was online for fewer seconds in total is a brief guest: its list is not kept for long.
const BRIEF: u32 = 3600;

/// What is kept of a node beside its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Seconds that it was online, in all its sessions together.
    pub(crate) online: u32,
    /// The address at which its list counts, if that is known and counts.
    pub(crate) address: Option<IpAddr>,
}

impl Standing {
    /// A node of which nothing is known: its list comes from an earlier release or an import.
    pub(crate) const ESTABLISHED: Self = Self { online: BRIEF, address: None };

    /// A node that comes for the first time.
    const NEW: Self = Self { online: 0, address: None };

    /// Returns true if the node was online for less than an hour.
    pub(crate) const fn is_brief(&self) -> bool {
        self.online < BRIEF
    }
}

/// A node's comings and goings, as its list has them.
#[derive(Debug)]
pub(super) struct Visits {
    /// When the node was last seen, in seconds since 1970.
    pub(super) last_seen: u64,
    pub(super) standing: Standing,
    /// Since when the node is there, as far as that is not counted yet.
    since: Option<Instant>,
    /// Whether the disk has the standing.
    pub(super) is_saved: bool,
}

impl Default for Visits {
    fn default() -> Self {
        Self { last_seen: 0, standing: Standing::NEW, since: None, is_saved: false }
    }
}

impl Visits {
    /// Returns what is left when the list is read again from the disk.
    pub(super) const fn kept(&self) -> Self {
        Self { last_seen: 0, standing: self.standing, since: self.since, is_saved: false }
    }

    /// Returns true if the node is there and was not online for long.
    pub(super) const fn is_new_and_there(&self) -> bool {
        self.since.is_some() && self.standing.is_brief()
    }

    /// Takes over what the disk has, except for what is known better of a node that is there.
    pub(super) fn restore(&mut self, header: &Header) {
        self.last_seen = header.last_seen;
        self.is_saved = self.since.is_none();
        if self.is_saved {
            self.standing = header.standing;
        }
    }

    /// Counts the time up to now.
    fn count(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let seconds = now.saturating_duration_since(since).as_secs();
        if seconds > 0 {
            let counted = u32::try_from(seconds).unwrap_or(u32::MAX);
            self.standing.online = self.standing.online.saturating_add(counted);
            // Beyond the hour nothing depends on it.
            self.is_saved &= self.standing.online.saturating_sub(counted) >= BRIEF;
            self.since = Some(now);
        }
    }
}

impl Catalog {
    /// Notes that a node has come, and at which address its list counts from now on.
    pub(crate) fn come(&mut self, node: NodeNo, address: Option<IpAddr>, now: Instant) {
        let Some(list) = self.lists.get_mut(&node) else { return };
        let (before, weight) = (list.visits.standing.address, list.weight());
        list.visits.since.get_or_insert(now);
        if before != address {
            list.visits.standing.address = address;
            list.visits.is_saved = false;
            self.bytes.shrink(before, weight);
            self.bytes.grow(address, weight);
        }
    }

    /// Notes that a node is there, and returns the row that says so, if it has one.
    pub(crate) fn seen(&mut self, node: NodeNo, (unix, now): (u64, Instant)) -> Option<Writes> {
        let visits = &mut self.lists.get_mut(&node)?.visits;
        visits.last_seen = unix;
        visits.count(now);
        self.header_writes(node)
    }

    /// Notes that a node has gone, and returns the row that says so, if it has one.
    pub(crate) fn part(&mut self, node: NodeNo, moment: (u64, Instant)) -> Option<Writes> {
        let writes = self.seen(node, moment);
        self.stop(node);
        writes
    }

    /// Stops to count how long a node is there.
    pub(crate) fn stop(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.visits.since = None;
        }
    }

    /// Takes a node for one that has been online long enough.
    pub(crate) fn establish(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            (list.visits.standing, list.visits.is_saved) = (Standing::ESTABLISHED, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn sessions_add_up_until_the_node_is_no_brief_guest() {
        let (mut visits, begin) = (Visits::default(), Instant::now());
        visits.count(begin + HOUR);
        assert_eq!(visits.standing, Standing::NEW, "it was not there");
        visits.since = Some(begin);
        visits.count(begin + HOUR / 2);
        visits.count(begin + HOUR / 2);
        assert_eq!((visits.standing.online, visits.standing.is_brief()), (1800, true));
        visits.is_saved = true;
        visits.count(begin + HOUR);
        assert_eq!((visits.standing.is_brief(), visits.is_saved), (false, false));
        visits.is_saved = true;
        visits.count(begin + 2 * HOUR);
        assert!(visits.is_saved, "it is written no more");
        assert!(!Standing::ESTABLISHED.is_brief());
    }
}
