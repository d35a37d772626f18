//! Who has which content under which name.

use std::collections::BTreeSet;

use protocol::index::Share;

use super::{ContentNo, NameNo, NodeNo};

/// A holding whose node is not listed does not count.
const UNLISTED: u32 = 1 << 31;

/// A holding of some of the content, not of all.
const PARTIAL: u32 = 1 << 30;

/// One shared file. Of those of one content by one node, the first is the one that counts, if any does: those of a
/// listed node come before others, and whole ones before partial ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holding {
    content: ContentNo,
    node: NodeNo,
    /// The name's number and the two marks.
    rest: u32,
}

impl Holding {
    pub(super) fn new(
        (content, node, name): (ContentNo, NodeNo, NameNo),
        share: Share,
        listed: bool,
    ) -> Self {
        let mark = |set, mark| if set { mark } else { 0 };
        let rest = name.0 | mark(share == Share::Partial, PARTIAL) | mark(!listed, UNLISTED);
        Self { content, node, rest }
    }

    pub(crate) const fn content(self) -> ContentNo {
        self.content
    }

    pub(crate) const fn node(self) -> NodeNo {
        self.node
    }

    #[cfg(test)]
    pub(crate) const fn name(self) -> NameNo {
        NameNo(self.rest & !(UNLISTED | PARTIAL))
    }

    pub(crate) const fn share(self) -> Share {
        if self.rest & PARTIAL == 0 { Share::Whole } else { Share::Partial }
    }

    /// Says whether the node was listed when this was entered or settled last.
    pub(crate) const fn is_listed(self) -> bool {
        self.rest & UNLISTED == 0
    }
}

/// All shared files of all nodes, content by content and node by node.
#[derive(Debug, Default)]
pub(super) struct Holdings(BTreeSet<Holding>);

impl Holdings {
    /// The names that can be held.
    pub(super) const NAMES: u32 = PARTIAL;

    /// Puts one holding in the place of another.
    pub(super) fn exchange(&mut self, before: Option<Holding>, after: Option<Holding>) {
        if let Some(before) = before {
            self.0.remove(&before);
        }
        self.0.extend(after);
    }

    /// Walks over the nodes that hold a content, each with the holding that counts: under however many names it has it, the
    /// others are passed over at once.
    pub(super) fn of(&self, content: ContentNo) -> impl Iterator<Item = Holding> {
        let from = move |node| self.0.range(Holding { content, node, rest: 0 }..);
        let (mut holdings, mut last) = (from(NodeNo(0)), None);
        std::iter::from_fn(move || {
            let mut next = holdings.next()?;
            if last == Some(next.node) {
                holdings = from(NodeNo(next.node.0.checked_add(1)?));
                next = holdings.next()?;
            }
            last = Some(next.node);
            (next.content == content).then_some(*next)
        })
    }

    /// Says whether a node holds a content, under another name than one.
    pub(super) fn has_other(&self, content: ContentNo, node: NodeNo, name: Option<NameNo>) -> bool {
        let all = self.0.range(Holding { content, node, rest: 0 }..);
        let own = all.take_while(|holding| holding.content == content && holding.node == node);
        own.take(2).any(|holding| Some(NameNo(holding.rest & !(UNLISTED | PARTIAL))) != name)
    }

    /// Says how much of a content a node offers, while it is listed.
    pub(super) fn offered(&self, content: ContentNo, node: NodeNo) -> Option<Share> {
        let first = Holding { content, node, rest: 0 };
        let next = self.0.range(first..).next()?;
        (next.content == content && next.node == node && next.is_listed()).then(|| next.share())
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = Holding> {
        self.0.iter().copied()
    }
}
