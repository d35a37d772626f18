//! Where contents are looked for: at the index, and among the nodes that are heard on the local network. What both know is one
//! answer.

mod dead_sources;
mod hinted_sources;
mod repeat_limit;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::{Hit, NodePlace, SearchCursor, Share, Source};
use protocol::limits::MAX_HIT_NAMES;
use protocol::query::Query;

use self::dead_sources::DeadSources;
use self::hinted_sources::HintedSources;
use crate::index_client::{IndexClient, IndexError, SearchPage};
use crate::lan::{Neighbours, Sighted};
use repeat_limit::RepeatLimit;

/// Asks everybody who may know; cheap to clone.
#[derive(Debug, Clone)]
pub struct Finder {
    index: IndexClient,
    neighbours: Option<Neighbours>,
    /// What the neighbours have told of the last search, so that the index's later pages do not tell it again.
    told: Arc<Mutex<(String, HashSet<Digest>)>>,
    hinted: Arc<Mutex<HintedSources>>,
    repeats: Arc<RepeatLimit>,
    dead: Arc<Mutex<DeadSources>>,
}

impl Finder {
    pub(crate) fn new(index: IndexClient, neighbours: Option<Neighbours>) -> Self {
        Self {
            index,
            neighbours,
            told: Arc::default(),
            hinted: Arc::default(),
            repeats: Arc::default(),
            dead: Arc::default(),
        }
    }

    /// Searches everybody's files, like [`IndexClient::search`]; what only neighbours have comes with the first page. Without an
    /// index, what the neighbours say is all.
    pub async fn search(
        &self,
        query: String,
        after: Option<SearchCursor>,
        limit: u16,
    ) -> Result<SearchPage, IndexError> {
        let Some(neighbours) = &self.neighbours else { return self.ask_index(query, after, limit).await };
        if after.is_some() {
            let mut page = self.ask_index(query.clone(), after, limit).await?;
            let told = self.told.lock();
            page.hits.retain(|hit| told.0 != query || !told.1.contains(&hit.digest));
            return Ok(page);
        }
        let (page, sighted) =
            tokio::join!(self.ask_index(query.clone(), after, limit), neighbours.ask(&query, limit));
        let near = near_hits(&query, &sighted, limit);
        *self.told.lock() = (query, near.iter().map(|hit| hit.digest).collect());
        match page {
            Ok(mut page) => {
                join(&mut page.hits, near);
                Ok(page)
            }
            Err(IndexError::Offline { .. } | IndexError::Stopped | IndexError::TimedOut { .. })
                if !sighted.is_empty() =>
            {
                Ok(SearchPage { hits: near, ..SearchPage::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Asks again who has a content that nobody had, like [`Finder::locate`]. However many downloads of the node wait, only so
    /// many ask per second; the others wait for their turn. Cancel safe.
    pub(crate) async fn locate_again(&self, digest: Digest, limit: u16) -> Result<Vec<Source>, IndexError> {
        self.repeats.ask(self.locate(digest, limit)).await
    }

    /// Searches at the index, and notes the sources that come with the hits.
    async fn ask_index(
        &self,
        query: String,
        after: Option<SearchCursor>,
        limit: u16,
    ) -> Result<SearchPage, IndexError> {
        let mut page = self.index.search(query, after, limit).await?;
        self.hinted.lock().note(std::mem::take(&mut page.sources), Instant::now());
        Ok(page)
    }

    /// Returns sources of a content that came with a recent search, so that they can be dialled before the index is asked.
    pub(crate) fn hinted(&self, digest: &Digest) -> Vec<Source> {
        self.hinted.lock().sources(digest, Instant::now())
    }

    /// Reports to the index that a source does not answer, unless that was reported a while ago. The index is not told of nodes that
    /// are heard on the local network. Waits for nothing.
    pub(crate) fn report_unreachable(&self, place: NodePlace) {
        let is_near = self.neighbours.as_ref().is_some_and(|neighbours| neighbours.knows(&place.address));
        if !is_near && self.index.takes_reports() && self.dead.lock().is_due(&place, Instant::now()) {
            tracing::debug!(address = %place.address, "reports a source that does not answer");
            self.index.report_unreachable(vec![place]);
        }
    }

    /// Asks who has a content, like [`IndexClient::locate`].
    pub async fn locate(&self, digest: Digest, limit: u16) -> Result<Vec<Source>, IndexError> {
        let Some(neighbours) = &self.neighbours else { return self.index.locate(digest, limit).await };
        let query = digest.to_string();
        let (located, sighted) = tokio::join!(self.index.locate(digest, limit), neighbours.ask(&query, 1));
        let told = sighted.iter().filter_map(|sighted| {
            let file = sighted.files.iter().find(|file| file.digest == digest)?;
            Some(Source { node: sighted.node, address: sighted.address, share: file.share })
        });
        let announced = neighbours.announced(&digest).into_iter();
        let announced = announced.map(|(node, address)| Source { node, address, share: Share::Whole });
        let near: Vec<Source> = told.chain(announced).collect();
        let mut sources = match located {
            Err(error) if near.is_empty() => return Err(error),
            located => located.unwrap_or_default(),
        };
        let mut seen: HashSet<_> = sources.iter().map(|source| source.node).collect();
        sources.extend(near.into_iter().filter(|source| seen.insert(source.node)));
        Ok(sources)
    }
}

/// Makes hits of what neighbours say, those with the most sources first; what is impossible or does not match is left out.
fn near_hits(query: &str, sighted: &[Sighted], limit: u16) -> Vec<Hit> {
    let Ok(query) = Query::parse(query) else { return Vec::new() };
    let mut hits: HashMap<(Digest, u64), Hit> = HashMap::new();
    for one in sighted {
        let mut counted = HashSet::new();
        for file in &one.files {
            let (digest, size) = (file.digest, file.size);
            if file.check().is_err() || !query.matches(&fold(&file.path), size, &digest) {
                continue;
            }
            let fresh = || Hit { digest, size, names: Vec::new(), whole: 0, partial: 0 };
            let hit = hits.entry((digest, size)).or_insert_with(fresh);
            if hit.names.len() < MAX_HIT_NAMES && !hit.names.contains(&file.path) {
                hit.names.push(file.path.clone());
            }
            if counted.insert((digest, size)) {
                match file.share {
                    Share::Whole => hit.whole += 1,
                    Share::Partial => hit.partial += 1,
                }
            }
        }
    }
    let mut hits: Vec<Hit> = hits.into_values().collect();
    hits.sort_by(|a, b| (b.whole, b.partial, &a.names).cmp(&(a.whole, a.partial, &b.names)));
    hits.truncate(limit.into());
    hits
}

/// Joins what neighbours have to what the index has. A node may be known to both, so the larger number counts.
fn join(hits: &mut Vec<Hit>, near: Vec<Hit>) {
    for new in near {
        match hits.iter_mut().find(|hit| (hit.digest, hit.size) == (new.digest, new.size)) {
            Some(hit) => {
                hit.whole = hit.whole.max(new.whole);
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

    fn sighted(node: u8, files: &[(&str, u8)]) -> Sighted {
        let record = |(path, digest): &(&str, u8)| FileRecord {
            path: (*path).into(),
            size: 5,
            digest: Digest::from_bytes([*digest; 32]),
            share: Share::Whole,
        };
        let files = files.iter().map(record).collect();
        Sighted { node: NodeId::from_bytes([node; 32]), address: ([10, 0, 0, node], 2000).into(), files }
    }

    #[test]
    fn neighbours_hits_are_counted_and_what_does_not_match_is_left_out() {
        let all = [
            sighted(1, &[("a.iso", 1), ("copy.iso", 1), ("b.iso", 2), ("c.txt", 3)]),
            sighted(2, &[("b.iso", 2), ("../b.iso", 4)]),
        ];
        let hits = near_hits("iso", &all, 10);
        let seen: Vec<_> = hits.iter().map(|hit| (hit.names.join(","), hit.whole)).collect();
        assert_eq!(seen, [("b.iso".to_owned(), 2), ("a.iso,copy.iso".to_owned(), 1)]);
        assert_eq!(near_hits("iso", &all, 1).len(), 1);
    }

    #[test]
    fn both_kinds_of_hit_are_one_list() {
        let mut hits = near_hits("iso", &[sighted(1, &[("b.iso", 2)])], 10);
        hits[0].whole = 5;
        join(&mut hits, near_hits("iso", &[sighted(2, &[("b2.iso", 2), ("d.iso", 4)])], 10));
        let seen: Vec<_> = hits.iter().map(|hit| (hit.names.join(","), hit.whole)).collect();
        assert_eq!(seen, [("b.iso,b2.iso".to_owned(), 5), ("d.iso".to_owned(), 1)]);
    }
}
