//! Which node holds which content under which name.

use std::collections::{BTreeSet, HashMap};

use protocol::index::Share;
use protocol::limits::MAX_FILES_PER_NODE;

use super::NameNo;
use super::address_groups::AddressGroups;
use crate::address_group::AddressGroup;
use crate::availability::Availability;
use crate::ids::{ContentNo, NodeNo};

/// Marks the holding of an unlisted node, which does not count.
const UNLISTED: u32 = 1 << 31;

/// Marks a holding of part of a content.
const PARTIAL: u32 = 1 << 31;

/// One shared file. Holdings sort by content, then listed before unlisted nodes, then by node, then complete before partial:
/// the first holding of a node is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holding {
    content: ContentNo,
    /// The node's number, and whether it is unlisted.
    node: u32,
    /// The name's number, and whether the content is partial.
    name: u32,
}

const _: () = assert!(size_of::<Holding>() == 12, "keep holdings small: there are millions");
const _: () = assert!(MAX_FILES_PER_NODE < Holdings::MAX_NAMES, "the list of one node fits");

impl Holding {
    pub(super) fn new(
        (content, node, name): (ContentNo, NodeNo, NameNo),
        share: Share,
        listed: bool,
    ) -> Self {
        debug_assert!(
            node.0 < Holdings::MAX_NODES && name.0 < Holdings::MAX_NAMES,
            "a number overlaps a mark"
        );
        let mark = |set, mark| if set { mark } else { 0 };
        let (node, name) =
            (node.0 | mark(!listed, UNLISTED), name.0 | mark(share == Share::Partial, PARTIAL));
        Self { content, node, name }
    }

    /// Returns a lower bound of all holdings of a content by a node.
    const fn lower_bound(content: ContentNo, node: NodeNo, listed: bool) -> Self {
        Self { content, node: node.0 | if listed { 0 } else { UNLISTED }, name: 0 }
    }

    pub(crate) const fn content(self) -> ContentNo {
        self.content
    }

    pub(crate) const fn node(self) -> NodeNo {
        NodeNo(self.node & !UNLISTED)
    }

    pub(crate) const fn name(self) -> NameNo {
        NameNo(self.name & !PARTIAL)
    }

    pub(crate) const fn share(self) -> Share {
        if self.name & PARTIAL == 0 { Share::Complete } else { Share::Partial }
    }

    /// Returns true if the node was listed when this holding was last updated.
    pub(crate) const fn is_listed(self) -> bool {
        self.node & UNLISTED == 0
    }

    /// Returns which file this is a holding of.
    const fn file(self) -> (u32, u32, u32) {
        (self.content().0, self.node().0, self.name().0)
    }

    /// Returns true if both have the same content, node and listed flag.
    fn has_same_content_and_node(self, other: Self) -> bool {
        (self.content, self.node) == (other.content, other.node)
    }
}

/// Returns the larger of two shares.
pub(super) fn larger_share(one: Option<Share>, other: Option<Share>) -> Option<Share> {
    // A complete copy sorts before a partial one.
    [one, other].into_iter().flatten().min()
}

/// All shared files of all nodes, sorted by content and node, and the address groups of these nodes.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    by_content: BTreeSet<Holding>,
    pub(super) address_groups: AddressGroups,
}

/// What the other nodes of an address group offer of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GroupOffer {
    /// The largest share of the content that one of them offers.
    pub(super) share: Option<Share>,
    /// Whether one of them offers the content under the same name.
    pub(super) has_title: bool,
}

impl Holdings {
    /// The maximum numbers of names and nodes that a holding can represent.
    pub(super) const MAX_NAMES: u32 = PARTIAL;
    pub(super) const MAX_NODES: u32 = UNLISTED;

    /// Recounts the address groups of listed nodes that have a content, or returns `None` if more than `max_nodes` nodes do.
    pub(super) fn recount(&self, content: ContentNo, max_nodes: usize) -> Option<Availability> {
        let mut shares: HashMap<Option<AddressGroup>, Share> = HashMap::new();
        for (seen, holding) in self.of(content).enumerate() {
            if seen == max_nodes {
                return None;
            }
            let share = shares.entry(self.address_groups.group_of(holding.node())).or_insert(holding.share());
            *share = holding.share().min(*share);
        }
        let mut counted = Availability::default();
        for share in shares.into_values() {
            *counted.count_mut(share) += 1;
        }
        Some(counted)
    }

    /// Replaces one holding with another.
    pub(super) fn replace(&mut self, before: Option<Holding>, after: Option<Holding>) {
        debug_assert!(
            before.zip(after).is_none_or(|(before, after)| before.file() == after.file()),
            "a holding is replaced by that of another file"
        );
        if let Some(before) = before {
            let was_present = self.by_content.remove(&before);
            debug_assert!(was_present, "an unknown holding is removed: {before:?}");
        }
        if let Some(after) = after {
            let is_new = self.by_content.insert(after);
            debug_assert!(is_new, "a holding is inserted twice: {after:?}");
        }
    }

    /// Iterates over the listed nodes that hold a content, each with the holding that counts. Skips the other names of a node
    /// with one lookup.
    pub(super) fn of(&self, content: ContentNo) -> impl Iterator<Item = Holding> {
        let from = move |node| self.by_content.range(Holding::lower_bound(content, node, true)..);
        let (mut holdings, mut last) = (from(NodeNo(0)), None);
        std::iter::from_fn(move || {
            let mut next = holdings.next()?;
            if last == Some(next.node) {
                holdings = from(NodeNo(next.node.checked_add(1)?));
                next = holdings.next()?;
            }
            last = Some(next.node);
            (next.content == content && next.is_listed()).then_some(*next)
        })
    }

    /// Returns true if a node holds a content under a name other than `name`.
    pub(super) fn has_other(&self, content: ContentNo, node: NodeNo, name: Option<NameNo>) -> bool {
        [true, false].into_iter().any(|listed| {
            let first = Holding::lower_bound(content, node, listed);
            let own =
                self.by_content.range(first..).take_while(|holding| holding.has_same_content_and_node(first));
            own.take(2).any(|holding| Some(holding.name()) != name)
        })
    }

    /// Returns the share of a content that a node offers while listed.
    pub(super) fn offered_share(&self, content: ContentNo, node: NodeNo) -> Option<Share> {
        let first = Holding::lower_bound(content, node, true);
        self.by_content
            .range(first..)
            .next()
            .filter(|next| next.has_same_content_and_node(first))
            .map(|next| next.share())
    }

    /// Returns what the other nodes of a node's address group offer of a file. Visits at most the nodes that hold the content,
    /// and at most twice the members of the group.
    pub(super) fn group_offer(&self, (content, node, name): (ContentNo, NodeNo, NameNo)) -> GroupOffer {
        let members = self.address_groups.members_with(node);
        if members.is_empty() {
            return GroupOffer::default();
        }
        let mut offer = GroupOffer::default();
        let mut add = |other: NodeNo| {
            if other != node
                && let Some(share) = self.offered_share(content, other)
            {
                offer.share = larger_share(offer.share, Some(share));
                offer.has_title |= self.has_listed(content, other, name);
            }
        };
        let mut holders = self.of(content);
        let few: Vec<NodeNo> = holders.by_ref().take(members.len()).map(Holding::node).collect();
        if holders.next().is_some() {
            members.iter().copied().for_each(&mut add);
        } else {
            few.into_iter()
                .filter(|holder| self.address_groups.is_same_group(node, *holder))
                .for_each(&mut add);
        }
        offer
    }

    /// Returns true if a listed node holds a content under a name.
    fn has_listed(&self, content: ContentNo, node: NodeNo, name: NameNo) -> bool {
        let shares = [Share::Complete, Share::Partial];
        shares
            .iter()
            .any(|share| self.by_content.contains(&Holding::new((content, node, name), *share, true)))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = Holding> {
        self.by_content.iter().copied()
    }
}
