//! Which node offers which torrent, and for which content. Pure memory; the registrar changes it and brings the
//! [`OfferWrite`]s that follow to disk.
//!
//! An offer outlasts its node's connection: a torrent of one file follows from content, name and piece length, so every node
//! that shares the content can serve it. It ends when its node withdraws it, or when neither that node nor the content is
//! known any more.

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
use protocol::limits::{MAX_TORRENT_BYTES_PER_NODE, MAX_TORRENTS_PER_NODE};
use protocol::node_id::NodeId;

use crate::household::Household;

/// The most offers of all nodes together, and the most bytes of their hints: a few hundred MiB in memory.
const MOST: usize = 1_000_000;
const MOST_BYTES: u64 = 256 << 20;

/// The most hints about one torrent, or one content, that are compared before an answer: anybody may make up more.
const COMPARED: usize = 1024;

/// Which offer: by which node, and of which torrent.
pub(crate) type OfferKey = (NodeId, Infohash);

/// What is to be written of an offer: the hint, or nothing if the offer is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferWrite {
    pub(crate) key: OfferKey,
    pub(crate) hint: Option<Arc<TorrentHint>>,
}

/// An offer as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredOffer {
    pub(crate) node: NodeId,
    pub(crate) hint: TorrentHint,
}

/// All offers. Each node says one thing of a torrent; what different nodes say may differ.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    made: BTreeMap<OfferKey, MadeOffer>,
    shares: BTreeMap<NodeId, NodeShare>,
    bytes: u64,
    /// Who says the same. The hints of one torrent stand together.
    said: BTreeMap<Arc<TorrentHint>, Voters>,
    by_digest: BTreeSet<(Digest, Arc<TorrentHint>)>,
    /// The torrents that are offered, by what stands for them in a key exchange (MSE).
    by_key: BTreeMap<TorrentKey, Infohash>,
    /// How many writes were handed out that are not known to be on disk.
    unsettled: usize,
}

/// An offer in memory.
#[derive(Debug, PartialEq, Eq)]
struct MadeOffer {
    hint: Arc<TorrentHint>,
    /// Where its node was when it made it; unknown since a restart of the index.
    origin: Option<Household>,
}

/// The nodes that say the same of a torrent, counted by where they are: keys cost nothing.
#[derive(Debug, Default)]
struct Voters(BTreeMap<Option<Household>, u32>);

impl Voters {
    fn add(&mut self, origin: Option<Household>) {
        *self.0.entry(origin).or_default() += 1;
    }

    fn remove(&mut self, origin: Option<Household>) {
        match self.0.get_mut(&origin) {
            Some(nodes) if *nodes > 1 => *nodes -= 1,
            _ => drop(self.0.remove(&origin)),
        }
    }

    /// Returns how many votes they have: one for each address, and one for all whose address is unknown.
    fn votes(&self) -> usize {
        self.0.len()
    }
}

/// What one node offers in all.
#[derive(Debug, Default, Clone, Copy)]
struct NodeShare {
    count: u32,
    bytes: u32,
}

impl Offers {
    /// Puts together what a store has.
    pub(crate) fn restore(stored: impl IntoIterator<Item = StoredOffer>) -> Self {
        let mut offers = Self::default();
        for StoredOffer { node, hint } in stored {
            offers.put(node, None, hint);
        }
        offers
    }

    /// Takes a node's offer in place of what it said of the torrent before, and returns what is to be written if that is
    /// new. `origin` is where the node is, if that is known.
    pub(crate) fn make(
        &mut self,
        node: NodeId,
        origin: Option<Household>,
        hint: TorrentHint,
    ) -> Result<Option<OfferWrite>, Refusal> {
        let key = (node, hint.infohash);
        if self.made.get(&key).is_some_and(|before| *before.hint == hint) {
            self.move_to(&key, origin);
            return Ok(None);
        }
        let before = self.made.get(&key).map(|before| &before.hint);
        let (old_count, old_bytes) = before.map_or((0, 0), |before| (1, weight(before)));
        let share = self.shares.get(&node).copied().unwrap_or_default();
        let bytes = weight(&hint);
        if share.count - old_count >= MAX_TORRENTS_PER_NODE {
            return Err(too_many("torrents offered by one node", MAX_TORRENTS_PER_NODE.into()));
        }
        if share.bytes - old_bytes + bytes > MAX_TORRENT_BYTES_PER_NODE {
            let limit = MAX_TORRENT_BYTES_PER_NODE.into();
            return Err(too_many("bytes of torrents offered by one node", limit));
        }
        if self.made.len() - old_count as usize >= MOST {
            return Err(too_many("torrents offered at this index", MOST as u64));
        }
        if self.bytes - u64::from(old_bytes) + u64::from(bytes) > MOST_BYTES {
            return Err(too_many("bytes of torrents offered at this index", MOST_BYTES));
        }
        self.take(&key);
        let hint = self.put(node, origin, hint);
        self.unsettled += 1;
        Ok(Some(OfferWrite { key, hint: Some(hint) }))
    }

    /// Takes an offer back, and returns what is to be written if it was made.
    pub(crate) fn withdraw(&mut self, key: &OfferKey) -> Option<OfferWrite> {
        self.take(key)?;
        self.unsettled += 1;
        Some(OfferWrite { key: *key, hint: None })
    }

    /// Notes that so many writes are on disk.
    pub(crate) fn settle(&mut self, writes: usize) {
        debug_assert!(writes <= self.unsettled, "more offers are on disk than were written");
        self.unsettled = self.unsettled.saturating_sub(writes);
    }

    /// Returns true if all that was changed is known to be on disk.
    pub(crate) const fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Returns how many bytes the hints of all offers take, each with its node and its torrent.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many offers there are.
    pub(crate) fn len(&self) -> usize {
        self.made.len()
    }

    /// Returns true if a node makes exactly this offer.
    pub(crate) fn has(&self, node: NodeId, hint: &TorrentHint) -> bool {
        self.made.get(&(node, hint.infohash)).is_some_and(|made| *made.hint == *hint)
    }

    /// Returns true if a node offers a torrent.
    pub(crate) fn is_made(&self, key: &OfferKey) -> bool {
        self.made.contains_key(key)
    }

    /// Returns how many torrents a node offers.
    pub(crate) fn count(&self, node: &NodeId) -> u32 {
        self.shares.get(node).map_or(0, |share| share.count)
    }

    /// Returns at most `most` offers behind a key, or from the first on.
    pub(crate) fn page(&self, after: Option<OfferKey>, most: usize) -> Vec<OfferKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.made.range((from, Bound::Unbounded)).take(most).map(|(key, _)| *key).collect()
    }

    /// Returns the content that an offer names, if it is made.
    pub(crate) fn digest_of(&self, key: &OfferKey) -> Option<Digest> {
        self.made.get(key).map(|made| made.hint.digest)
    }

    /// Returns what a torrent is said to stand for, the word of most addresses first.
    pub(crate) fn find(&self, infohash: &Infohash) -> Vec<&TorrentHint> {
        most_said(self.hints_of(*infohash).map(|(hint, voters)| (hint.as_ref(), voters.votes())))
    }

    /// Returns the torrent with a key, if it is offered.
    pub(crate) fn with_key(&self, key: &TorrentKey) -> Option<Infohash> {
        self.by_key.get(key).copied()
    }

    /// Returns the torrents that are said to stand for a content, those of most addresses first.
    pub(crate) fn of(&self, digest: &Digest) -> Vec<&TorrentHint> {
        let hints = self.by_digest.range((*digest, Arc::new(smallest()))..);
        let hints = hints.take_while(|(of, _)| of == digest);
        most_said(hints.map(|(_, hint)| (hint.as_ref(), self.said.get(hint).map_or(0, Voters::votes))))
    }

    fn hints_of(&self, infohash: Infohash) -> impl Iterator<Item = (&Arc<TorrentHint>, &Voters)> {
        let first = TorrentHint { infohash, ..smallest() };
        self.said.range(first..).take_while(move |(hint, _)| hint.infohash == infohash)
    }

    /// Notes where the node of an offer is now.
    fn move_to(&mut self, key: &OfferKey, origin: Option<Household>) {
        let Some(made) = self.made.get_mut(key) else { return };
        let before = std::mem::replace(&mut made.origin, origin);
        if before != origin
            && let Some(voters) = self.said.get_mut(&made.hint)
        {
            voters.remove(before);
            voters.add(origin);
        }
    }

    fn put(&mut self, node: NodeId, origin: Option<Household>, hint: TorrentHint) -> Arc<TorrentHint> {
        let bytes = weight(&hint);
        // What others have said already is kept once.
        let known = self.said.get_key_value(&hint).map(|(known, _)| Arc::clone(known));
        let hint = known.unwrap_or_else(|| Arc::new(hint));
        self.said.entry(Arc::clone(&hint)).or_default().add(origin);
        self.by_digest.insert((hint.digest, Arc::clone(&hint)));
        self.by_key.insert(TorrentKey::of(hint.infohash), hint.infohash);
        self.made.insert((node, hint.infohash), MadeOffer { hint: Arc::clone(&hint), origin });
        let share = self.shares.entry(node).or_default();
        share.count += 1;
        share.bytes = share.bytes.saturating_add(bytes);
        self.bytes += u64::from(bytes);
        hint
    }

    fn take(&mut self, key: &OfferKey) -> Option<()> {
        let MadeOffer { hint, origin } = self.made.remove(key)?;
        let bytes = weight(&hint);
        if let Some(voters) = self.said.get_mut(&hint) {
            voters.remove(origin);
            if voters.votes() == 0 {
                self.said.remove(&hint);
                self.by_digest.remove(&(hint.digest, hint));
                if self.hints_of(key.1).next().is_none() {
                    self.by_key.remove(&TorrentKey::of(key.1));
                }
            }
        }
        if let Some(share) = self.shares.get_mut(&key.0) {
            share.count = share.count.saturating_sub(1);
            share.bytes = share.bytes.saturating_sub(bytes);
            if share.count == 0 {
                self.shares.remove(&key.0);
            }
        }
        self.bytes = self.bytes.saturating_sub(bytes.into());
        Some(())
    }
}

/// Returns the hint that comes before all others of the smallest infohash.
fn smallest() -> TorrentHint {
    let (infohash, digest) = (Infohash::from_bytes([0; 20]), Digest::from_bytes([0; 32]));
    TorrentHint { infohash, digest, name: String::new(), piece_length: 0 }
}

fn weight(hint: &TorrentHint) -> u32 {
    u32::try_from(hint.weight()).unwrap_or(u32::MAX)
}

fn most_said<'a>(hints: impl Iterator<Item = (&'a TorrentHint, usize)>) -> Vec<&'a TorrentHint> {
    let mut hints: Vec<(&TorrentHint, usize)> = hints.take(COMPARED).collect();
    hints.sort_by_key(|(_, votes)| Reverse(*votes));
    hints.into_iter().map(|(hint, _)| hint).collect()
}

fn too_many(what: &str, limit: u64) -> Refusal {
    Refusal::TooMany { what: what.into(), limit }
}
