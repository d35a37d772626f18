//! Which node offers which torrent, and for which content. Lives in memory; the registrar changes it and writes the resulting
//! [`OfferWrite`]s to disk.
//!
//! An offer outlasts its node's connection: a single-file torrent follows from content, name and piece length, so every node
//! that shares the content can serve it. It ends when its node withdraws it, or when neither the node nor the content is known.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use protocol::bittorrent::mse::TorrentKey;
use protocol::digest::Digest;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::{MAX_TORRENT_BYTES_PER_NODE, MAX_TORRENT_HINTS, MAX_TORRENTS_PER_NODE};
use protocol::node_id::NodeId;

use crate::address_group::AddressGroup;

/// Maximum number of offers of all nodes, and total bytes of their hints: a few hundred MiB in memory.
const MAX_OFFERS: usize = 1_000_000;
const MAX_HINT_BYTES: u64 = 256 << 20;

/// Maximum number of hints about one torrent or content that are ranked, since anyone may make up more.
const MAX_HINTS_COMPARED: usize = 1024;
const _: () = assert!(MAX_HINTS_COMPARED >= MAX_TORRENT_HINTS, "a reply can be full");
const _: () = assert!(MAX_OFFERS > MAX_TORRENTS_PER_NODE as usize, "no node can take all offers");
const _: () =
    assert!(MAX_HINT_BYTES > MAX_TORRENT_BYTES_PER_NODE as u64, "no node can take all bytes of offers");

/// Identifies an offer: its node and its torrent.
pub(crate) type OfferKey = (NodeId, Infohash);

/// A write for an offer: the hint, or `None` to delete the offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferWrite {
    pub(crate) key: OfferKey,
    pub(crate) hint: Option<Arc<TorrentHint>>,
}

/// An offer as stored on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredOffer {
    pub(crate) node: NodeId,
    pub(crate) hint: TorrentHint,
}

/// All offers. A node makes one claim per torrent; claims of different nodes may differ.
#[derive(Debug, Default)]
pub(crate) struct TorrentOffers {
    offers: BTreeMap<OfferKey, HeldOffer>,
    by_node: BTreeMap<NodeId, NodeOfferUsage>,
    bytes: u64,
    /// The nodes behind each distinct hint. The hints about one torrent are adjacent.
    votes: BTreeMap<Arc<TorrentHint>, HintVotes>,
    by_digest: BTreeSet<(Digest, Arc<TorrentHint>)>,
    /// The offered torrents, by their key in an encrypted handshake (MSE).
    by_torrent_key: BTreeMap<TorrentKey, Infohash>,
    /// The number of writes handed out and not confirmed to be on disk.
    pending_writes: usize,
}

/// An offer in memory.
#[derive(Debug, PartialEq, Eq)]
struct HeldOffer {
    hint: Arc<TorrentHint>,
    /// The node's address group when it made the offer; unknown after a restart of the index.
    origin: Option<AddressGroup>,
}

/// The nodes that support one hint, counted per address group, because node keys cost nothing.
#[derive(Debug, Default)]
struct HintVotes(BTreeMap<Option<AddressGroup>, u32>);

impl HintVotes {
    fn add(&mut self, origin: Option<AddressGroup>) {
        *self.0.entry(origin).or_default() += 1;
    }

    fn remove(&mut self, origin: Option<AddressGroup>) {
        debug_assert!(self.0.contains_key(&origin), "a vote is withdrawn that was not cast");
        match self.0.get_mut(&origin) {
            Some(nodes) if *nodes > 1 => *nodes -= 1,
            _ => drop(self.0.remove(&origin)),
        }
    }

    /// Returns the number of votes: one per address group, and one for all nodes whose group is unknown.
    fn votes(&self) -> usize {
        self.0.len()
    }
}

/// What one node offers in total.
#[derive(Debug, Default, Clone, Copy)]
struct NodeOfferUsage {
    count: u32,
    bytes: u32,
}

impl TorrentOffers {
    /// Restores the offers from a store.
    pub(crate) fn restore(stored: impl IntoIterator<Item = StoredOffer>) -> Self {
        let mut offers = Self::default();
        for StoredOffer { node, hint } in stored {
            offers.insert(node, None, hint);
        }
        offers
    }

    /// Replaces a node's offer of a torrent; returns the write if the offer changed. `origin` is the node's address group, if
    /// known.
    pub(crate) fn add(
        &mut self,
        node: NodeId,
        origin: Option<AddressGroup>,
        hint: TorrentHint,
    ) -> Result<Option<OfferWrite>, Refusal> {
        let key = (node, hint.infohash);
        if self.offers.get(&key).is_some_and(|before| *before.hint == hint) {
            self.move_to(&key, origin);
            return Ok(None);
        }
        // The new offer replaces the old one, which therefore does not count against the limits.
        let before = self.offers.get(&key).map(|before| &before.hint);
        let (old_count, old_bytes) = before.map_or((0, 0), |before| (1, weight(before)));
        let usage = self.by_node.get(&node).copied().unwrap_or_default();
        let bytes = weight(&hint);
        if usage.count - old_count >= MAX_TORRENTS_PER_NODE {
            return Err(too_many("torrents offered by one node", MAX_TORRENTS_PER_NODE.into()));
        }
        if usage.bytes - old_bytes + bytes > MAX_TORRENT_BYTES_PER_NODE {
            let limit = MAX_TORRENT_BYTES_PER_NODE.into();
            return Err(too_many("bytes of torrents offered by one node", limit));
        }
        if self.offers.len() - old_count as usize >= MAX_OFFERS {
            return Err(too_many("torrents offered at this index", MAX_OFFERS as u64));
        }
        if self.bytes - u64::from(old_bytes) + u64::from(bytes) > MAX_HINT_BYTES {
            return Err(too_many("bytes of torrents offered at this index", MAX_HINT_BYTES));
        }
        self.remove_offer(&key);
        let hint = self.insert(node, origin, hint);
        debug_assert!(
            self.count(&node) <= MAX_TORRENTS_PER_NODE && self.offers.len() <= MAX_OFFERS,
            "too many offers"
        );
        debug_assert!(self.bytes <= MAX_HINT_BYTES, "the offers take too many bytes");
        self.pending_writes += 1;
        Ok(Some(OfferWrite { key, hint: Some(hint) }))
    }

    /// Withdraws an offer; returns the write if the offer existed.
    pub(crate) fn withdraw(&mut self, key: &OfferKey) -> Option<OfferWrite> {
        self.remove_offer(key)?;
        self.pending_writes += 1;
        Some(OfferWrite { key: *key, hint: None })
    }

    /// Records that `writes` writes are on disk.
    pub(crate) fn confirm_writes(&mut self, writes: usize) {
        debug_assert!(writes <= self.pending_writes, "more writes confirmed than handed out");
        self.pending_writes = self.pending_writes.saturating_sub(writes);
    }

    /// Returns true if all changes are known to be on disk.
    pub(crate) const fn is_all_written(&self) -> bool {
        self.pending_writes == 0
    }

    /// Returns the total bytes of all hints, each with its node and torrent.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of offers.
    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    /// Returns true if a node makes exactly this offer.
    pub(crate) fn contains(&self, node: NodeId, hint: &TorrentHint) -> bool {
        self.offers.get(&(node, hint.infohash)).is_some_and(|made| *made.hint == *hint)
    }

    /// Returns true if a node offers a torrent.
    pub(crate) fn contains_key(&self, key: &OfferKey) -> bool {
        self.offers.contains_key(key)
    }

    /// Returns the number of torrents a node offers.
    pub(crate) fn count(&self, node: &NodeId) -> u32 {
        self.by_node.get(node).map_or(0, |usage| usage.count)
    }

    /// Returns up to `limit` offers behind a key, or from the start.
    pub(crate) fn page(&self, after: Option<OfferKey>, limit: usize) -> Vec<OfferKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.offers.range((from, Bound::Unbounded)).take(limit).map(|(key, _)| *key).collect()
    }

    /// Returns the content named by an offer, if it exists.
    pub(crate) fn digest_of(&self, key: &OfferKey) -> Option<Digest> {
        self.offers.get(key).map(|made| made.hint.digest)
    }

    /// Returns the hints about a torrent, those from the most address groups first.
    pub(crate) fn hints_for_torrent(&self, infohash: &Infohash) -> Vec<&TorrentHint> {
        by_votes(self.hints_of(*infohash).map(|(hint, voters)| (hint.as_ref(), voters.votes())))
    }

    /// Returns the torrent with a key, if it is offered.
    pub(crate) fn torrent_with_key(&self, key: &TorrentKey) -> Option<Infohash> {
        self.by_torrent_key.get(key).copied()
    }

    /// Returns the hints about torrents of a content, those from the most address groups first.
    pub(crate) fn hints_for_content(&self, digest: &Digest) -> Vec<&TorrentHint> {
        let hints = self.by_digest.range((*digest, Arc::new(smallest()))..);
        let hints = hints.take_while(|(of, _)| of == digest);
        by_votes(hints.map(|(_, hint)| (hint.as_ref(), self.votes.get(hint).map_or(0, HintVotes::votes))))
    }

    fn hints_of(&self, infohash: Infohash) -> impl Iterator<Item = (&Arc<TorrentHint>, &HintVotes)> {
        let first = TorrentHint { infohash, ..smallest() };
        self.votes.range(first..).take_while(move |(hint, _)| hint.infohash == infohash)
    }

    /// Updates the address group of an offer's node.
    fn move_to(&mut self, key: &OfferKey, origin: Option<AddressGroup>) {
        let Some(made) = self.offers.get_mut(key) else {
            return impossible!("an unknown offer moves", torrent = key.1);
        };
        let before = std::mem::replace(&mut made.origin, origin);
        if before != origin
            && let Some(voters) = self.votes.get_mut(&made.hint)
        {
            voters.remove(before);
            voters.add(origin);
        }
    }

    fn insert(&mut self, node: NodeId, origin: Option<AddressGroup>, hint: TorrentHint) -> Arc<TorrentHint> {
        let bytes = weight(&hint);
        // Equal hints share one copy.
        let known = self.votes.get_key_value(&hint).map(|(known, _)| Arc::clone(known));
        let hint = known.unwrap_or_else(|| Arc::new(hint));
        self.votes.entry(Arc::clone(&hint)).or_default().add(origin);
        self.by_digest.insert((hint.digest, Arc::clone(&hint)));
        self.by_torrent_key.insert(TorrentKey::of(hint.infohash), hint.infohash);
        let made = HeldOffer { hint: Arc::clone(&hint), origin };
        let replaced = self.offers.insert((node, hint.infohash), made);
        debug_assert!(replaced.is_none(), "an offer is inserted before the previous one is removed");
        let usage = self.by_node.entry(node).or_default();
        usage.count += 1;
        usage.bytes = usage.bytes.saturating_add(bytes);
        self.bytes += u64::from(bytes);
        hint
    }

    fn remove_offer(&mut self, key: &OfferKey) -> Option<()> {
        let HeldOffer { hint, origin } = self.offers.remove(key)?;
        let bytes = weight(&hint);
        if let Some(voters) = self.votes.get_mut(&hint) {
            voters.remove(origin);
            if voters.votes() == 0 {
                self.votes.remove(&hint);
                self.by_digest.remove(&(hint.digest, hint));
                if self.hints_of(key.1).next().is_none() {
                    self.by_torrent_key.remove(&TorrentKey::of(key.1));
                }
            }
        }
        if let Some(usage) = self.by_node.get_mut(&key.0) {
            debug_assert!(usage.count > 0 && bytes <= usage.bytes, "a node withdraws more than it offered");
            usage.count = usage.count.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(bytes);
            if usage.count == 0 {
                self.by_node.remove(&key.0);
            }
        }
        debug_assert!(u64::from(bytes) <= self.bytes, "more bytes of offers are removed than were added");
        self.bytes = self.bytes.saturating_sub(bytes.into());
        debug_assert!(self.votes.len() == self.by_digest.len(), "each distinct hint has votes and a content");
        Some(())
    }
}

/// Returns the hint that sorts before all others.
fn smallest() -> TorrentHint {
    let (infohash, digest) = (Infohash::from_bytes([0; 20]), Digest::from_bytes([0; 32]));
    TorrentHint { infohash, digest, name: String::new(), piece_length: 0 }
}

fn weight(hint: &TorrentHint) -> u32 {
    u32::try_from(hint.weight()).unwrap_or(u32::MAX)
}

fn by_votes<'a>(hints: impl Iterator<Item = (&'a TorrentHint, usize)>) -> Vec<&'a TorrentHint> {
    let mut hints: Vec<(&TorrentHint, usize)> = hints.take(MAX_HINTS_COMPARED).collect();
    hints.sort_by_key(|(_, votes)| Reverse(*votes));
    hints.into_iter().map(|(hint, _)| hint).collect()
}

fn too_many(what: &str, limit: u64) -> Refusal {
    Refusal::TooMany { what: what.into(), limit }
}
