//! Which node offers which torrent, and for which content by its word. Pure memory; the [`directory`](crate::directory)
//! drops a node's offers when the node goes.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::index::{Refusal, TorrentHint};
use protocol::infohash::Infohash;
use protocol::limits::{MAX_TORRENT_HINTS, MAX_TORRENTS_PER_NODE};

use crate::catalog::NodeNo;

/// The most offers of all nodes together: a few hundred MiB.
const MOST: usize = 1_000_000;

/// All offers. Each node says one thing of a torrent; what different nodes say may differ.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    made: BTreeMap<(NodeNo, Infohash), Arc<TorrentHint>>,
    /// How many torrents each node offers that offers any.
    counts: BTreeMap<NodeNo, u32>,
    /// How many nodes say the same.
    said: BTreeMap<Infohash, BTreeMap<Arc<TorrentHint>, u32>>,
    by_digest: BTreeMap<Digest, BTreeMap<Arc<TorrentHint>, u32>>,
}

impl Offers {
    /// Takes a node's offer in place of what it said of the torrent before, and returns how many it makes now.
    pub(crate) fn make(&mut self, node: NodeNo, hint: TorrentHint) -> Result<u32, Refusal> {
        let count = self.withdraw(node, &hint.infohash);
        if count >= MAX_TORRENTS_PER_NODE {
            return Err(too_many("torrents offered by one node", MAX_TORRENTS_PER_NODE.into()));
        }
        if self.made.len() >= MOST {
            return Err(too_many("torrents offered at this index", MOST as u64));
        }
        let (infohash, digest) = (hint.infohash, hint.digest);
        let hint = self.known(&hint).unwrap_or_else(|| Arc::new(hint));
        *self.said.entry(infohash).or_default().entry(Arc::clone(&hint)).or_default() += 1;
        *self.by_digest.entry(digest).or_default().entry(Arc::clone(&hint)).or_default() += 1;
        self.made.insert((node, infohash), hint);
        self.counts.insert(node, count + 1);
        Ok(count + 1)
    }

    /// Returns what others have said already, so that it is kept once.
    fn known(&self, hint: &TorrentHint) -> Option<Arc<TorrentHint>> {
        self.said.get(&hint.infohash)?.get_key_value(hint).map(|(known, _)| Arc::clone(known))
    }

    /// Takes an offer back, if it was made, and returns how many the node still makes.
    pub(crate) fn withdraw(&mut self, node: NodeNo, infohash: &Infohash) -> u32 {
        let count = self.counts.get(&node).copied().unwrap_or_default();
        let Some(hint) = self.made.remove(&(node, *infohash)) else { return count };
        release(&mut self.said, infohash, &hint);
        release(&mut self.by_digest, &hint.digest, &hint);
        match count.saturating_sub(1) {
            0 => drop(self.counts.remove(&node)),
            left => drop(self.counts.insert(node, left)),
        }
        count.saturating_sub(1)
    }

    /// Drops all offers of a node.
    pub(crate) fn forget(&mut self, node: NodeNo) {
        if !self.counts.contains_key(&node) {
            return;
        }
        let (first, last) = (Infohash::from_bytes([0; 20]), Infohash::from_bytes([0xff; 20]));
        let of_node = self.made.range((node, first)..=(node, last));
        let infohashes: Vec<Infohash> = of_node.map(|((_, infohash), _)| *infohash).collect();
        for infohash in infohashes {
            self.withdraw(node, &infohash);
        }
    }

    /// Returns what a torrent is said to stand for, the word of most nodes first.
    pub(crate) fn find(&self, infohash: &Infohash) -> Vec<TorrentHint> {
        self.said.get(infohash).map(most_said).unwrap_or_default()
    }

    /// Returns the torrents that are said to stand for a content, those of most nodes first.
    pub(crate) fn of(&self, digest: &Digest) -> Vec<TorrentHint> {
        self.by_digest.get(digest).map(most_said).unwrap_or_default()
    }
}

fn release<K: Ord>(
    table: &mut BTreeMap<K, BTreeMap<Arc<TorrentHint>, u32>>,
    key: &K,
    hint: &Arc<TorrentHint>,
) {
    let Some(said) = table.get_mut(key) else { return };
    match said.get_mut(hint) {
        Some(nodes) if *nodes > 1 => *nodes -= 1,
        _ => drop(said.remove(hint)),
    }
    if said.is_empty() {
        table.remove(key);
    }
}

fn most_said(said: &BTreeMap<Arc<TorrentHint>, u32>) -> Vec<TorrentHint> {
    let mut hints: Vec<(&Arc<TorrentHint>, u32)> = said.iter().map(|(hint, nodes)| (hint, *nodes)).collect();
    hints.sort_by_key(|(_, nodes)| Reverse(*nodes));
    hints.into_iter().take(MAX_TORRENT_HINTS).map(|(hint, _)| TorrentHint::clone(hint)).collect()
}

fn too_many(what: &str, limit: u64) -> Refusal {
    Refusal::TooMany { what: what.into(), limit }
}
