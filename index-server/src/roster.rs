//! Who is there at the moment: one session a node, its address, and whether that address answers.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::catalog::NodeNo;

/// A session's number, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(u64);

/// A node that is there.
#[derive(Debug)]
struct Presence {
    session: SessionId,
    address: SocketAddr,
    /// Cancelled when another session takes the node over.
    replaced: CancellationToken,
}

/// All nodes that are there. Those whose port has answered are *listed*: they, and only they, are sources.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    present: HashMap<NodeNo, Presence>,
    by_address: HashMap<SocketAddr, NodeNo>,
    listed: ListedSet,
    sessions: u64,
}

/// A bit for each node number: a scan asks for millions of them.
#[derive(Debug, Default)]
struct ListedSet {
    words: Vec<u64>,
    count: u32,
}

impl ListedSet {
    fn contains(&self, node: NodeNo) -> bool {
        self.words.get(node.0 as usize / 64).is_some_and(|word| word >> (node.0 % 64) & 1 == 1)
    }

    fn set(&mut self, node: NodeNo, listed: bool) {
        if self.contains(node) == listed {
            return;
        }
        let index = node.0 as usize / 64;
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        if let Some(word) = self.words.get_mut(index) {
            *word ^= 1 << (node.0 % 64);
        }
        self.count = if listed { self.count.saturating_add(1) } else { self.count.saturating_sub(1) };
    }
}

impl Roster {
    /// Enters a node's new session; the one it had before is told that it is replaced.
    pub(crate) fn enter(&mut self, node: NodeNo, address: SocketAddr) -> (SessionId, CancellationToken) {
        self.sessions = self.sessions.wrapping_add(1);
        let (session, replaced) = (SessionId(self.sessions), CancellationToken::new());
        let presence = Presence { session, address, replaced: replaced.clone() };
        if let Some(before) = self.present.insert(node, presence) {
            before.replaced.cancel();
            self.unlist(node, before.address);
        }
        (session, replaced)
    }

    /// Notes that a session has ended; if it was the node's last, the node is gone.
    pub(crate) fn leave(&mut self, node: NodeNo, session: SessionId) {
        if self.is_current(node, session)
            && let Some(presence) = self.present.remove(&node)
        {
            self.unlist(node, presence.address);
        }
    }

    /// Notes that a session's node answered at its address.
    pub(crate) fn list(&mut self, node: NodeNo, session: SessionId) {
        if let Some(presence) = self.present.get(&node).filter(|presence| presence.session == session) {
            self.by_address.insert(presence.address, node);
            self.listed.set(node, true);
        }
    }

    fn unlist(&mut self, node: NodeNo, address: SocketAddr) {
        self.listed.set(node, false);
        if self.by_address.get(&address) == Some(&node) {
            self.by_address.remove(&address);
        }
    }

    /// Says whether a session is the node's newest.
    pub(crate) fn is_current(&self, node: NodeNo, session: SessionId) -> bool {
        self.present.get(&node).is_some_and(|presence| presence.session == session)
    }

    /// Says whether a node is there, listed or not.
    pub(crate) fn is_present(&self, node: NodeNo) -> bool {
        self.present.contains_key(&node)
    }

    /// Says whether a node is there and was reached.
    pub(crate) fn is_listed(&self, node: NodeNo) -> bool {
        self.listed.contains(node)
    }

    /// Returns where a listed node is reached.
    pub(crate) fn address(&self, node: NodeNo) -> Option<SocketAddr> {
        self.present.get(&node).filter(|_| self.is_listed(node)).map(|presence| presence.address)
    }

    /// Returns the listed node that is reached at an address.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<NodeNo> {
        self.by_address.get(&address).copied()
    }

    /// Returns the listed nodes and where they are reached.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (NodeNo, SocketAddr)> {
        let present = self.present.iter().filter(|(node, _)| self.is_listed(**node));
        present.map(|(node, presence)| (*node, presence.address))
    }

    /// Counts the listed nodes.
    pub(crate) const fn count_listed(&self) -> u32 {
        self.listed.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeNo = NodeNo(70);

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn a_node_is_a_source_only_while_it_is_there_and_reached() {
        let mut roster = Roster::default();
        let (session, _) = roster.enter(NODE, address(1));
        assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (true, false));
        roster.list(NODE, session);
        roster.list(NODE, session);
        assert_eq!((roster.address(NODE), roster.at(address(1))), (Some(address(1)), Some(NODE)));
        assert_eq!(roster.count_listed(), 1);
        roster.leave(NODE, session);
        assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (false, false));
        assert_eq!((roster.at(address(1)), roster.count_listed()), (None, 0));
    }

    #[test]
    fn the_newest_session_counts_and_the_older_one_can_no_longer_change_anything() {
        let mut roster = Roster::default();
        let (old, replaced) = roster.enter(NODE, address(1));
        roster.list(NODE, old);
        let (new, _) = roster.enter(NODE, address(2));
        assert!(replaced.is_cancelled());
        assert!(!roster.is_listed(NODE));
        roster.list(NODE, old);
        roster.leave(NODE, old);
        assert!(roster.is_current(NODE, new) && !roster.is_listed(NODE));
        roster.list(NODE, new);
        assert_eq!((roster.at(address(1)), roster.at(address(2))), (None, Some(NODE)));
    }

    #[test]
    fn an_address_belongs_to_who_answered_there_last() {
        let mut roster = Roster::default();
        let (one, _) = roster.enter(NodeNo(1), address(1));
        let (two, _) = roster.enter(NodeNo(2), address(1));
        roster.list(NodeNo(1), one);
        roster.list(NodeNo(2), two);
        roster.leave(NodeNo(1), one);
        assert_eq!(roster.at(address(1)), Some(NodeNo(2)));
    }
}
