//! Which nodes are online: one session per node, its address, and whether that address answers.

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

/// A session's number, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(u64);

/// An online node.
#[derive(Debug)]
struct Presence {
    session: SessionId,
    address: SocketAddr,
    address_group: AddressGroup,
    /// Cancelled when a newer session of the node starts.
    replaced: CancellationToken,
    probe_context: Option<ProbeContext>,
}

/// What is needed to probe a node again that has answered once.
#[derive(Debug, Clone)]
pub(crate) struct ProbeContext {
    /// The nonce that the index sent on the node's connection.
    pub(crate) nonce: [u8; 32],
    /// The channel for notices to the node.
    pub(crate) notices: mpsc::Sender<Notice>,
    /// Cancelled when the node's connection has ended.
    pub(crate) ended: CancellationToken,
}

/// Which of the answering nodes are listed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListingRules {
    /// Maximum number of listed nodes per address; unlimited if `None`.
    pub(crate) per_address: Option<NonZeroU32>,
    /// Whether loopback addresses are limited like others.
    pub(crate) limit_loopback: bool,
}

/// The address has reached its limit of listed nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index lists at most {limit} nodes per address, and this address has reached the limit")]
pub(crate) struct AddressFull {
    /// The limit.
    pub(crate) limit: NonZeroU32,
}

/// All online nodes. Only nodes whose port has answered are *listed*, and only these are sources.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    present: HashMap<NodeNo, Presence>,
    by_address: HashMap<SocketAddr, NodeNo>,
    listed: ListedSet,
    /// The number of listed nodes per address group.
    listed_per_group: HashMap<AddressGroup, u32>,
    rules: ListingRules,
    last_session: u64,
}

/// One bit per node number, since a scan checks millions of them.
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
        debug_assert!(listed || self.count > 0, "more nodes are unlisted than were listed");
        debug_assert_eq!(self.contains(node), listed, "the flag of a node is set");
        self.count = if listed { self.count.saturating_add(1) } else { self.count.saturating_sub(1) };
    }
}

impl Roster {
    pub(crate) fn new(rules: ListingRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Adds a node's new session; its previous session is marked as replaced.
    pub(crate) fn enter(&mut self, node: NodeNo, address: SocketAddr) -> (SessionId, CancellationToken) {
        self.last_session = self.last_session.wrapping_add(1);
        let (session, replaced) = (SessionId(self.last_session), CancellationToken::new());
        let address_group = self.address_group_at(node, address.ip());
        let presence =
            Presence { session, address, address_group, replaced: replaced.clone(), probe_context: None };
        if let Some(before) = self.present.insert(node, presence) {
            before.replaced.cancel();
            self.unlist(node, (before.address, before.address_group));
        }
        (session, replaced)
    }

    /// Removes a session; the node is offline if it was its current one.
    pub(crate) fn leave(&mut self, node: NodeNo, session: SessionId) {
        if self.is_current(node, session)
            && let Some(presence) = self.present.remove(&node)
        {
            self.unlist(node, (presence.address, presence.address_group));
        }
    }

    /// Lists the session's node, which answered at its address, unless the address has reached its limit.
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

    /// Returns an error if the session's node may not be listed even if it answers.
    pub(crate) fn check_listing_limit(&self, node: NodeNo, session: SessionId) -> Result<(), AddressFull> {
        let Some(limit) = self.rules.per_address else { return Ok(()) };
        let presence = self.present.get(&node).filter(|presence| presence.session == session);
        let listed_count =
            presence.and_then(|presence| self.listed_per_group.get(&presence.address_group)).copied();
        let is_full = listed_count.unwrap_or_default() >= limit.get() && !self.listed.contains(node);
        if is_full { Err(AddressFull { limit }) } else { Ok(()) }
    }

    /// Stores what is needed to probe the session's node again.
    pub(crate) fn set_probe_context(&mut self, node: NodeNo, session: SessionId, context: ProbeContext) {
        if let Some(presence) = self.present.get_mut(&node).filter(|presence| presence.session == session) {
            presence.probe_context = Some(context);
        }
    }

    /// Returns the session of a listed node, its replacement token, and what is needed to probe it again.
    pub(crate) fn probe_context(&self, node: NodeNo) -> Option<(SessionId, CancellationToken, ProbeContext)> {
        let presence = self.present.get(&node).filter(|_| self.is_listed(node))?;
        Some((presence.session, presence.replaced.clone(), presence.probe_context.clone()?))
    }

    /// Unlists the session's node, which no longer answers at its address.
    pub(crate) fn demote(&mut self, node: NodeNo, session: SessionId) {
        if let Some(presence) = self.present.get(&node).filter(|presence| presence.session == session) {
            self.unlist(node, (presence.address, presence.address_group));
        }
    }

    fn unlist(&mut self, node: NodeNo, (address, group): (SocketAddr, AddressGroup)) {
        if !self.listed.contains(node) {
            return;
        }
        self.listed.set(node, false);
        if self.by_address.get(&address) == Some(&node) {
            self.by_address.remove(&address);
        }
        match self.listed_per_group.get_mut(&group) {
            Some(listed_count) if *listed_count > 1 => *listed_count -= 1,
            _ => drop(self.listed_per_group.remove(&group)),
        }
    }

    /// Returns the address group of a listed node.
    pub(crate) fn address_group(&self, node: NodeNo) -> Option<AddressGroup> {
        self.present.get(&node).filter(|_| self.is_listed(node)).map(|presence| presence.address_group)
    }

    /// Returns the address group of an online node, listed or not.
    pub(crate) fn present_address_group(&self, node: NodeNo) -> Option<AddressGroup> {
        self.present.get(&node).map(|presence| presence.address_group)
    }

    /// Returns the address group that a node would have at an address.
    pub(crate) fn address_group_at(&self, node: NodeNo, address: IpAddr) -> AddressGroup {
        AddressGroup::of(node, address, self.rules.limit_loopback)
    }

    /// Returns true if the session is the node's newest.
    pub(crate) fn is_current(&self, node: NodeNo, session: SessionId) -> bool {
        self.present.get(&node).is_some_and(|presence| presence.session == session)
    }

    /// Returns true if the node is online, listed or not.
    pub(crate) fn is_present(&self, node: NodeNo) -> bool {
        self.present.contains_key(&node)
    }

    /// Returns true if the node is online and was reached.
    pub(crate) fn is_listed(&self, node: NodeNo) -> bool {
        self.listed.contains(node)
    }

    /// Returns the address of a listed node.
    pub(crate) fn address(&self, node: NodeNo) -> Option<SocketAddr> {
        self.present.get(&node).filter(|_| self.is_listed(node)).map(|presence| presence.address)
    }

    /// Returns the listed node at an address.
    pub(crate) fn node_at(&self, address: SocketAddr) -> Option<NodeNo> {
        self.by_address.get(&address).copied()
    }

    /// Returns the listed nodes with their addresses.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (NodeNo, SocketAddr)> {
        let present = self.present.iter().filter(|(node, _)| self.is_listed(**node));
        present.map(|(node, presence)| (*node, presence.address))
    }

    /// Returns the number of listed nodes.
    pub(crate) const fn count_listed(&self) -> u32 {
        self.listed.count
    }
}
