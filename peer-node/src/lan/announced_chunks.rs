use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::lan::{ChunkName, DictionaryLine, LanAnnouncement};
use protocol::limits::MAX_CHUNK_HOLDERS;

use crate::transport::AddressCounts;

/// Maximum number of pairs of a chunk and a holder.
const MAX_PAIRS: usize = 8192;

/// Maximum number of chunks per address.
const MAX_PER_ADDRESS: usize = 1024;

/// The recently announced chunks and their holders. Only the source address of a datagram is trusted, and its content counts
/// only for that address.
#[derive(Debug)]
pub(crate) struct AnnouncedChunks {
    chunks: BTreeMap<ChunkName, Vec<ChunkHolder>>,
    /// Pairs of a chunk and a holder, by holder.
    pairs: AddressCounts,
    /// Lifetime of an announcement.
    lifetime: Duration,
}

#[derive(Debug)]
struct ChunkHolder {
    address: IpAddr,
    digest: Option<Digest>,
    last_seen: Instant,
}

impl AnnouncedChunks {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { chunks: BTreeMap::new(), pairs: AddressCounts::default(), lifetime }
    }

    /// Records an announcement. Returns the newly announced chunks, and true if anything else changed.
    pub(crate) fn record(
        &mut self,
        from: IpAddr,
        announcement: LanAnnouncement,
        now: Instant,
    ) -> (Vec<ChunkName>, bool) {
        let (mut new_chunks, mut is_changed) = (Vec::new(), false);
        let digests = announcement.card.map(|card| card.digests).unwrap_or_default();
        for name in announcement.chunks {
            // Digests come with cards only; other programs announce names alone.
            let digest = digests.get(&name).copied();
            let known = self.chunks.get_mut(&name).map(|holders| (holders.len(), holders));
            if let Some((_, holders)) = known
                && let Some(holder) = holders.iter_mut().find(|holder| holder.address == from)
            {
                // A repeated announcement only prolongs the entry, unless the content is another one.
                is_changed |= holder.digest != digest;
                (holder.digest, holder.last_seen) = (digest, now);
                continue;
            }
            let holders = self.chunks.get(&name).map_or(0, Vec::len);
            let (own, all) = (self.pairs.of(from), self.pairs.total());
            // One address cannot fill the table, and no chunk collects an endless list of holders.
            if all >= MAX_PAIRS || own >= MAX_PER_ADDRESS || holders >= MAX_CHUNK_HOLDERS {
                continue;
            }
            self.chunks.entry(name.clone()).or_default().push(ChunkHolder {
                address: from,
                digest,
                last_seen: now,
            });
            self.pairs.add(from);
            new_chunks.push(name);
        }
        (new_chunks, is_changed)
    }

    /// Removes expired entries. Returns true if any were removed.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.pairs.total();
        let lifetime = self.lifetime;
        let (chunks, pairs) = (&mut self.chunks, &mut self.pairs);
        // Counting again while the table is swept is simpler than subtracting each removed entry.
        pairs.clear();
        chunks.retain(|_, holders| {
            holders.retain(|holder| now.saturating_duration_since(holder.last_seen) < lifetime);
            for holder in &*holders {
                pairs.add(holder.address);
            }
            !holders.is_empty()
        });
        pairs.total() != before
    }

    /// Returns the lines of the dictionary.
    pub(crate) fn lines(&self) -> impl Iterator<Item = DictionaryLine> {
        self.chunks.iter().map(|(chunk, holders)| DictionaryLine {
            chunk: chunk.clone(),
            holders: holders.iter().map(|holder| holder.address).collect(),
        })
    }

    /// Returns the announced digests with their announcers.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&ChunkName, IpAddr, Digest)> {
        let all =
            self.chunks.iter().flat_map(|(name, holders)| holders.iter().map(move |holder| (name, holder)));
        all.filter_map(|(name, holder)| Some((name, holder.address, holder.digest?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(100);

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    fn announcement(names: impl IntoIterator<Item = String>) -> LanAnnouncement {
        LanAnnouncement {
            chunks: names.into_iter().map(|name| name.parse().unwrap()).collect(),
            card: None,
            username: None,
        }
    }

    #[test]
    fn announced_chunks_are_listed_until_they_expire() {
        let (mut announced, now) = (AnnouncedChunks::new(LIFETIME), Instant::now());
        let (new, _) = announced.record(address(1), announcement(["a_1".into(), "a_2".into()]), now);
        assert_eq!(new.len(), 2);
        let half = now + LIFETIME / 2;
        assert_eq!(announced.record(address(1), announcement(["a_1".into()]), half).0.len(), 0);
        announced.record(address(2), announcement(["a_1".into()]), half);
        let lines: Vec<String> = announced.lines().map(|line| line.to_string()).collect();
        assert_eq!(lines, ["a_1: 0.0.0.1, 0.0.0.2", "a_2: 0.0.0.1"]);
        assert!(announced.expire(now + LIFETIME) && !announced.expire(now + LIFETIME));
        let lines: Vec<String> = announced.lines().map(|line| line.to_string()).collect();
        assert_eq!(lines, ["a_1: 0.0.0.1, 0.0.0.2"]);
    }

    #[test]
    fn shares_of_addresses_and_chunks_are_bounded() {
        let (mut announced, now) = (AnnouncedChunks::new(LIFETIME), Instant::now());
        for start in 0..20 {
            let names = (0..500).map(|number| format!("file{start}-{number}_1"));
            announced.record(address(1), announcement(names), now);
        }
        assert_eq!(announced.lines().count(), MAX_PER_ADDRESS);
        for number in 2..100 {
            announced.record(address(number), announcement(["popular_1".into()]), now);
            let names = (0..500).map(|name| format!("file{number}-{name}_1"));
            announced.record(address(number), announcement(names), now);
        }
        let pairs: usize = announced.lines().map(|line| line.holders.len()).sum();
        assert_eq!(pairs, MAX_PAIRS);
        let popular = announced.lines().map(|line| line.holders.len()).max();
        assert!(popular.unwrap() <= MAX_CHUNK_HOLDERS);
    }
}
