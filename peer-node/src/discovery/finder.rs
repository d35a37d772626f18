//! Finds contents at the index and at neighbours on the local network, and merges the results.

mod browse;
mod dead_sources;
mod hinted_sources;
mod repeat_limit;
pub(crate) mod source_search;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::{ContentSource, Hit, NodeAddress, SearchCursor, Share};
use protocol::limits::MAX_HIT_NAMES;
use protocol::query::Query;

use self::dead_sources::DeadSources;
use self::hinted_sources::HintedSources;
use crate::discovery::index_client::{IndexClient, IndexError, SearchPage};
use crate::discovery::neighbours::{NeighbourFiles, Neighbours};
use crate::discovery::peer_event::{PeerEvent, PeerOrigin};
use crate::view::ContentId;
pub(crate) use browse::BrowseError;
use repeat_limit::RepeatLimit;

/// Searches the index and the neighbours. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Finder {
    index: IndexClient,
    neighbours: Option<Neighbours>,
    /// Neighbour hits of the last search, so that later pages of the index omit them.
    last_neighbour_hits: Arc<Mutex<(String, HashSet<Digest>)>>,
    hinted_sources: Arc<Mutex<HintedSources>>,
    repeat_limit: Arc<RepeatLimit>,
    dead_sources: Arc<Mutex<DeadSources>>,
}

impl Finder {
    pub(crate) fn new(index: IndexClient, neighbours: Option<Neighbours>) -> Self {
        Self {
            index,
            neighbours,
            last_neighbour_hits: Arc::default(),
            hinted_sources: Arc::default(),
            repeat_limit: Arc::default(),
            dead_sources: Arc::default(),
        }
    }

    /// Searches all files, like [`IndexClient::search`]. Hits of neighbours come with the first page; without a connection
    /// to the index they are the only ones.
    pub(crate) async fn search(
        &self,
        query: String,
        after: Option<SearchCursor>,
        limit: u16,
    ) -> Result<SearchPage, IndexError> {
        let Some(neighbours) = &self.neighbours else { return self.search_index(query, after, limit).await };
        if after.is_some() {
            let mut page = self.search_index(query.clone(), after, limit).await?;
            let last = self.last_neighbour_hits.lock();
            // The first page has already shown these hits.
            page.hits.retain(|hit| last.0 != query || !last.1.contains(&hit.digest));
            return Ok(page);
        }
        let (page, from_nodes) =
            tokio::join!(self.search_index(query.clone(), after, limit), neighbours.search(&query, limit));
        let from_neighbours = neighbour_hits(&query, &from_nodes, limit);
        *self.last_neighbour_hits.lock() = (query, from_neighbours.iter().map(|hit| hit.digest).collect());
        match page {
            Ok(mut page) => {
                merge_hits(&mut page.hits, from_neighbours);
                Ok(page)
            }
            Err(IndexError::Offline { .. } | IndexError::Stopped | IndexError::TimedOut { .. })
                if !from_nodes.is_empty() =>
            {
                Ok(SearchPage { hits: from_neighbours, ..SearchPage::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Repeats [`Finder::locate`] for a content without sources. The rate of such requests is limited for the whole node;
    /// further calls wait for their turn. Cancel safe.
    pub(crate) async fn locate_again(
        &self,
        digest: Digest,
        limit: u16,
    ) -> Result<Vec<ContentSource>, IndexError> {
        self.repeat_limit.run(self.locate(digest, limit)).await
    }

    /// Searches the index, and records the sources that come with the hits.
    async fn search_index(
        &self,
        query: String,
        after: Option<SearchCursor>,
        limit: u16,
    ) -> Result<SearchPage, IndexError> {
        let mut page = self.index.search(query, after, limit).await?;
        self.hinted_sources.lock().record(std::mem::take(&mut page.sources), Instant::now());
        Ok(page)
    }

    /// Returns sources of a content that came with a recent search, so that they can be dialled before the index answers.
    pub(crate) fn hinted_sources(&self, digest: &Digest) -> Vec<PeerEvent> {
        let sources = self.hinted_sources.lock().sources(digest, Instant::now());
        sources
            .iter()
            .map(|source| PeerEvent::node(ContentId::File(*digest), source, PeerOrigin::Index))
            .collect()
    }

    /// Returns the sources of a content that the index and the neighbours name, as events of discovery. Cancel safe.
    pub(crate) async fn discover(&self, digest: Digest, limit: u16) -> Result<Vec<PeerEvent>, IndexError> {
        let sources = self.locate_with_origin(digest, limit).await?;
        let event = |(source, origin)| PeerEvent::node(ContentId::File(digest), &source, origin);
        Ok(sources.into_iter().map(event).collect())
    }

    /// Reports an unreachable source to the index, unless it was reported recently or is a neighbour on the local network.
    /// Does not wait.
    pub(crate) fn report_unreachable(&self, source: NodeAddress) {
        let is_neighbour =
            self.neighbours.as_ref().is_some_and(|neighbours| neighbours.contains(&source.address));
        if !is_neighbour
            && self.index.takes_reports()
            && self.dead_sources.lock().should_report(&source, Instant::now())
        {
            tracing::debug!(address = %source.address, "reporting an unreachable source");
            self.index.report_unreachable(vec![source]);
        }
    }

    /// Returns the sources of a content, like [`IndexClient::locate`].
    pub(crate) async fn locate(&self, digest: Digest, limit: u16) -> Result<Vec<ContentSource>, IndexError> {
        let sources = self.locate_with_origin(digest, limit).await?;
        Ok(sources.into_iter().map(|(source, _)| source).collect())
    }

    /// Returns the sources of a content and who named each: the index, or else the node itself.
    async fn locate_with_origin(
        &self,
        digest: Digest,
        limit: u16,
    ) -> Result<Vec<(ContentSource, PeerOrigin)>, IndexError> {
        let with_origin = |sources: Vec<ContentSource>, origin| -> Vec<(ContentSource, PeerOrigin)> {
            sources.into_iter().map(|source| (source, origin)).collect()
        };
        let Some(neighbours) = &self.neighbours else {
            return Ok(with_origin(self.index.locate(digest, limit).await?, PeerOrigin::Index));
        };
        let query = digest.to_string();
        let (located, from_nodes) =
            tokio::join!(self.index.locate(digest, limit), neighbours.search(&query, 1));
        let answered = from_nodes.iter().filter_map(|neighbour| {
            let file = neighbour.files.iter().find(|file| file.digest == digest)?;
            Some(ContentSource { node: neighbour.node, address: neighbour.address, share: file.share })
        });
        let announced = neighbours.sources_of(&digest).into_iter();
        let announced =
            announced.map(|(node, address)| ContentSource { node, address, share: Share::Complete });
        let from_neighbours: Vec<ContentSource> = answered.chain(announced).collect();
        let mut sources = match located {
            Err(error) if from_neighbours.is_empty() => return Err(error),
            located => with_origin(located.unwrap_or_default(), PeerOrigin::Index),
        };
        let mut seen: HashSet<_> = sources.iter().map(|(source, _)| source.node).collect();
        let others = from_neighbours.into_iter().filter(|source| seen.insert(source.node));
        sources.extend(others.map(|source| (source, PeerOrigin::Neighbour)));
        Ok(sources)
    }
}

/// Converts the files of neighbours to hits, those with the most sources first. Drops invalid files and mismatches.
fn neighbour_hits(query: &str, neighbours: &[NeighbourFiles], limit: u16) -> Vec<Hit> {
    let Ok(query) = Query::parse(query) else { return Vec::new() };
    let mut hits: HashMap<(Digest, u64), Hit> = HashMap::new();
    for neighbour in neighbours {
        let mut counted = HashSet::new();
        for file in &neighbour.files {
            let (digest, size) = (file.digest, file.size);
            if file.check().is_err() || !query.matches(&fold(&file.path), size, &digest) {
                continue;
            }
            let fresh = || Hit { digest, size, names: Vec::new(), complete: 0, partial: 0 };
            let hit = hits.entry((digest, size)).or_insert_with(fresh);
            if hit.names.len() < MAX_HIT_NAMES && !hit.names.contains(&file.path) {
                hit.names.push(file.path.clone());
            }
            if counted.insert((digest, size)) {
                match file.share {
                    Share::Complete => hit.complete += 1,
                    Share::Partial => hit.partial += 1,
                }
            }
        }
    }
    let mut hits: Vec<Hit> = hits.into_values().collect();
    hits.sort_by(|a, b| (b.complete, b.partial, &a.names).cmp(&(a.complete, a.partial, &b.names)));
    hits.truncate(limit.into());
    hits
}

/// Merges neighbour hits into those of the index. Both may count the same node, so the larger count is kept.
fn merge_hits(hits: &mut Vec<Hit>, from_neighbours: Vec<Hit>) {
    for new in from_neighbours {
        match hits.iter_mut().find(|hit| (hit.digest, hit.size) == (new.digest, new.size)) {
            Some(hit) => {
                hit.complete = hit.complete.max(new.complete);
                hit.partial = hit.partial.max(new.partial);
                let room = MAX_HIT_NAMES.saturating_sub(hit.names.len());
                let names: Vec<String> =
                    new.names.into_iter().filter(|name| !hit.names.contains(name)).collect();
                hit.names.extend(names.into_iter().take(room));
            }
            None => hits.push(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::index::FileRecord;
    use protocol::node_id::NodeId;

    use super::*;

    fn neighbour(node: u8, files: &[(&str, u8)]) -> NeighbourFiles {
        let record = |(path, digest): &(&str, u8)| FileRecord {
            path: (*path).into(),
            size: 5,
            digest: Digest::from_bytes([*digest; 32]),
            share: Share::Complete,
        };
        let files = files.iter().map(record).collect();
        NeighbourFiles {
            node: NodeId::from_bytes([node; 32]),
            address: ([10, 0, 0, node], 2000).into(),
            files,
        }
    }

    #[test]
    fn neighbour_hits_are_counted_and_mismatches_dropped() {
        let all = [
            neighbour(1, &[("a.iso", 1), ("copy.iso", 1), ("b.iso", 2), ("c.txt", 3)]),
            neighbour(2, &[("b.iso", 2), ("../b.iso", 4)]),
        ];
        let hits = neighbour_hits("iso", &all, 10);
        let seen: Vec<_> = hits.iter().map(|hit| (hit.names.join(","), hit.complete)).collect();
        assert_eq!(seen, [("b.iso".to_owned(), 2), ("a.iso,copy.iso".to_owned(), 1)]);
        assert_eq!(neighbour_hits("iso", &all, 1).len(), 1);
    }

    #[test]
    fn index_and_neighbour_hits_are_merged() {
        let mut hits = neighbour_hits("iso", &[neighbour(1, &[("b.iso", 2)])], 10);
        hits[0].complete = 5;
        merge_hits(&mut hits, neighbour_hits("iso", &[neighbour(2, &[("b2.iso", 2), ("d.iso", 4)])], 10));
        let seen: Vec<_> = hits.iter().map(|hit| (hit.names.join(","), hit.complete)).collect();
        assert_eq!(seen, [("b.iso,b2.iso".to_owned(), 5), ("d.iso".to_owned(), 1)]);
    }
}
