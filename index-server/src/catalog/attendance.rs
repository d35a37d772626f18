//! How long nodes were online, when they were last seen, and at which addresses their lists count.

use std::net::IpAddr;
use std::time::Instant;

use super::{Catalog, ListHeader, ListWrites};
use crate::ids::NodeNo;

/// A node that was online for fewer seconds in total is short-lived: its list expires sooner.
const SHORT_LIVED_SECONDS: u32 = 3600;

/// The record kept of a node beside its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attendance {
    /// Total time online in seconds, over all sessions.
    pub(crate) online: u32,
    /// The address at which its list counts, if known and counted.
    pub(crate) address: Option<IpAddr>,
}

impl Attendance {
    /// A node without history: its list comes from an earlier release or an import.
    pub(crate) const ESTABLISHED: Self = Self { online: SHORT_LIVED_SECONDS, address: None };

    /// A new node.
    const NEW: Self = Self { online: 0, address: None };

    /// Returns true if the node was online for less than an hour.
    pub(crate) const fn is_short_lived(&self) -> bool {
        self.online < SHORT_LIVED_SECONDS
    }
}

/// When a node was online.
#[derive(Debug)]
pub(super) struct Visits {
    /// When the node was last seen, in seconds since 1970.
    pub(super) last_seen: u64,
    pub(super) attendance: Attendance,
    /// Start of the online time that is not counted yet; `None` while the node is offline.
    online_since: Option<Instant>,
    /// Whether the attendance on disk is current.
    pub(super) is_saved: bool,
}

impl Default for Visits {
    fn default() -> Self {
        Self { last_seen: 0, attendance: Attendance::NEW, online_since: None, is_saved: false }
    }
}

impl Visits {
    /// Returns the state to keep when the list is read again from disk.
    pub(super) const fn after_reload(&self) -> Self {
        Self { last_seen: 0, attendance: self.attendance, online_since: self.online_since, is_saved: false }
    }

    /// Returns true if the node is online and short-lived.
    pub(super) const fn is_new_and_online(&self) -> bool {
        self.online_since.is_some() && self.attendance.is_short_lived()
    }

    /// Adopts the state on disk, except for the attendance of an online node, which is newer in memory.
    pub(super) fn restore(&mut self, header: &ListHeader) {
        self.last_seen = header.last_seen;
        self.is_saved = self.online_since.is_none();
        if self.is_saved {
            self.attendance = header.attendance;
        }
    }

    /// Adds the online time up to now.
    fn count_online_time(&mut self, now: Instant) {
        let Some(since) = self.online_since else { return };
        let seconds = now.saturating_duration_since(since).as_secs();
        if seconds > 0 {
            let counted = u32::try_from(seconds).unwrap_or(u32::MAX);
            self.attendance.online = self.attendance.online.saturating_add(counted);
            // Beyond the threshold nothing depends on the exact time.
            self.is_saved &= self.attendance.online.saturating_sub(counted) >= SHORT_LIVED_SECONDS;
            self.online_since = Some(now);
        }
    }
}

impl Catalog {
    /// Records that a node is online, and the address at which its list counts from now on.
    pub(crate) fn record_arrival(&mut self, node: NodeNo, address: Option<IpAddr>, now: Instant) {
        let Some(list) = self.lists.get_mut(&node) else { return };
        let (before, weight) = (list.visits.attendance.address, list.weight());
        list.visits.online_since.get_or_insert(now);
        if before != address {
            list.visits.attendance.address = address;
            list.visits.is_saved = false;
            self.list_bytes.shrink(before, weight);
            self.list_bytes.grow(address, weight);
        }
    }

    /// Records that a node is online; returns the row to write, if the node has one.
    pub(crate) fn record_seen(&mut self, node: NodeNo, (unix, now): (u64, Instant)) -> Option<ListWrites> {
        let visits = &mut self.lists.get_mut(&node)?.visits;
        visits.last_seen = unix;
        visits.count_online_time(now);
        self.header_writes(node)
    }

    /// Records that a node has left; returns the row to write, if the node has one.
    pub(crate) fn record_departure(&mut self, node: NodeNo, moment: (u64, Instant)) -> Option<ListWrites> {
        let writes = self.record_seen(node, moment);
        self.stop_counting(node);
        writes
    }

    /// Stops counting a node's online time.
    pub(crate) fn stop_counting(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            list.visits.online_since = None;
        }
    }

    /// Marks a node as online for long enough.
    pub(crate) fn mark_established(&mut self, node: NodeNo) {
        if let Some(list) = self.lists.get_mut(&node) {
            (list.visits.attendance, list.visits.is_saved) = (Attendance::ESTABLISHED, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn session_times_add_up_until_node_is_established() {
        let (mut visits, begin) = (Visits::default(), Instant::now());
        visits.count_online_time(begin + HOUR);
        assert_eq!(visits.attendance, Attendance::NEW, "the node was offline");
        visits.online_since = Some(begin);
        visits.count_online_time(begin + HOUR / 2);
        visits.count_online_time(begin + HOUR / 2);
        assert_eq!((visits.attendance.online, visits.attendance.is_short_lived()), (1800, true));
        visits.is_saved = true;
        visits.count_online_time(begin + HOUR);
        assert_eq!((visits.attendance.is_short_lived(), visits.is_saved), (false, false));
        visits.is_saved = true;
        visits.count_online_time(begin + 2 * HOUR);
        assert!(visits.is_saved, "an established node is not written again");
        assert!(!Attendance::ESTABLISHED.is_short_lived());
    }
}
