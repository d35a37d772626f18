//! Who is there at the moment: one session a node, its address, and whether that address answers.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use protocol::index::Notice;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::address_group::AddressGroup;
use crate::ids::NodeNo;

/// A session's number, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(u64);

/// A node that is there.
#[derive(Debug)]
struct Presence {
    session: SessionId,
    address: SocketAddr,
    address_group: AddressGroup,
    /// Cancelled when another session takes the node over.
    replaced: CancellationToken,
    probe_context: Option<ProbeContext>,
}

/// What it takes to call a node again that has answered once.
#[derive(Debug, Clone)]
pub(crate) struct ProbeContext {
    /// What the index gave the node on its connection.
    pub(crate) nonce: [u8; 32],
    /// Where the node is told what comes of it.
    pub(crate) notices: mpsc::Sender<Notice>,
    /// Cancelled when its connection has ended.
    pub(crate) ended: CancellationToken,
}

/// Which nodes are listed of those that answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListingRules {
    /// So many of one address; none is no limit.
    pub(crate) per_address: Option<NonZeroU32>,
    /// Whether the nodes of this machine are of one address like others.
    pub(crate) limit_loopback: bool,
}

/// As many nodes of an address are listed as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index lists at most {limit} nodes of one address, and as many others of this one are listed")]
pub(crate) struct AddressFull {
    /// How many there may be.
    pub(crate) limit: NonZeroU32,
}

/// All nodes that are there. Those whose port has answered are *listed*: they, and only they, are sources.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    present: HashMap<NodeNo, Presence>,
    by_address: HashMap<SocketAddr, NodeNo>,
    listed: ListedSet,
    /// How many nodes of each address are listed.
    listed_per_group: HashMap<AddressGroup, u32>,
    rules: ListingRules,
    last_session: u64,
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
    pub(crate) fn new(rules: ListingRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Enters a node's new session; the one it had before is told that it is replaced.
    pub(crate) fn enter(&mut self, node: NodeNo, address: SocketAddr) -> (SessionId, CancellationToken) {
        self.last_session = self.last_session.wrapping_add(1);
        let (session, replaced) = (SessionId(self.last_session), CancellationToken::new());
        let household = self.address_group_at(node, address.ip());
        let presence = Presence {
            session,
            address,
            address_group: household,
            replaced: replaced.clone(),
            probe_context: None,
        };
        if let Some(before) = self.present.insert(node, presence) {
            before.replaced.cancel();
            self.unlist(node, (before.address, before.address_group));
        }
        (session, replaced)
    }

    /// Notes that a session has ended; if it was the node's last, the node is gone.
    pub(crate) fn leave(&mut self, node: NodeNo, session: SessionId) {
        if self.is_current(node, session)
            && let Some(presence) = self.present.remove(&node)
        {
            self.unlist(node, (presence.address, presence.address_group));
        }
    }

    /// Lists a session's node, which answered at its address, if there is room for another one there.
    pub(crate) fn list_node(&mut self, node: NodeNo, session: SessionId) -> Result<(), AddressFull> {
        self.check_listing_limit(node, session)?;
        if let Some(presence) = self.present.get(&node).filter(|presence| presence.session == session) {
            self.by_address.insert(presence.address, node);
            if !self.listed.contains(node) {
                *self.listed_per_group.entry(presence.address_group).or_default() += 1;
                self.listed.set(node, true);
            }
        }
        Ok(())
    }

    /// Returns an error if a session's node may not be listed even if it answers.
    pub(crate) fn check_listing_limit(&self, node: NodeNo, session: SessionId) -> Result<(), AddressFull> {
        let Some(limit) = self.rules.per_address else { return Ok(()) };
        let presence = self.present.get(&node).filter(|presence| presence.session == session);
        let crowd = presence.and_then(|presence| self.listed_per_group.get(&presence.address_group)).copied();
        let is_full = crowd.unwrap_or_default() >= limit.get() && !self.listed.contains(node);
        if is_full { Err(AddressFull { limit }) } else { Ok(()) }
    }

    /// Keeps what it takes to call a session's node again.
    pub(crate) fn set_probe_context(&mut self, node: NodeNo, session: SessionId, recall: ProbeContext) {
        if let Some(presence) = self.present.get_mut(&node).filter(|presence| presence.session == session) {
            presence.probe_context = Some(recall);
        }
    }

    /// Returns the session of a listed node, when another takes over, and what it takes to call it again.
    pub(crate) fn probe_context(&self, node: NodeNo) -> Option<(SessionId, CancellationToken, ProbeContext)> {
        let presence = self.present.get(&node).filter(|_| self.is_listed(node))?;
        Some((presence.session, presence.replaced.clone(), presence.probe_context.clone()?))
    }

    /// Notes that a session's node does not answer at its address any more.
    pub(crate) fn demote(&mut self, node: NodeNo, session: SessionId) {
        if let Some(presence) = self.present.get(&node).filter(|presence| presence.session == session) {
            self.unlist(node, (presence.address, presence.address_group));
        }
    }

    fn unlist(&mut self, node: NodeNo, (address, household): (SocketAddr, AddressGroup)) {
        if !self.listed.contains(node) {
            return;
        }
        self.listed.set(node, false);
        if self.by_address.get(&address) == Some(&node) {
            self.by_address.remove(&address);
        }
        match self.listed_per_group.get_mut(&household) {
            Some(crowd) if *crowd > 1 => *crowd -= 1,
            _ => drop(self.listed_per_group.remove(&household)),
        }
    }

    /// Returns what a listed node counts as.
    pub(crate) fn address_group(&self, node: NodeNo) -> Option<AddressGroup> {
        self.present.get(&node).filter(|_| self.is_listed(node)).map(|presence| presence.address_group)
    }

    /// Returns what a node that is here counts as, listed or not.
    pub(crate) fn present_address_group(&self, node: NodeNo) -> Option<AddressGroup> {
        self.present.get(&node).map(|presence| presence.address_group)
    }

    /// Returns what a node at an address counts as.
    pub(crate) fn address_group_at(&self, node: NodeNo, address: IpAddr) -> AddressGroup {
        AddressGroup::of(node, address, self.rules.limit_loopback)
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
    pub(crate) fn node_at(&self, address: SocketAddr) -> Option<NodeNo> {
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
