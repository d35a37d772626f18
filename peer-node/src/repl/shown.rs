//! The numbered list that was shown last: hits of a search, or files of a peer.

use protocol::digest::Digest;
use protocol::index::{FileRecord, Hit, SearchCursor};
use protocol::node_id::NodeId;

use super::numbers::Numbers;

/// The most hits that are remembered; with all their pages, more than anybody looks through.
const MAX_SHOWN: usize = 200_000;

/// One numbered line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The content.
    pub(crate) digest: Digest,
    /// Its size in bytes, if anybody told it.
    pub(crate) size: Option<u64>,
    /// The path under which somebody shares it, as it came from the network.
    pub(crate) path: String,
}

/// How the list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// With the next page of a search.
    Search {
        /// The search.
        query: String,
        /// Where it stopped.
        after: SearchCursor,
    },
    /// With the next page of a peer's files.
    Browse {
        /// The peer.
        peer: NodeId,
        /// Where it stopped.
        after: String,
    },
}

/// A number that is not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotListed {
    /// There is no list.
    #[error("there are no numbered hits yet; search or browse first")]
    NoList,
    /// The list is shorter.
    #[error("there is no hit {number}; the last list ends at {last}")]
    Beyond {
        /// The number that was asked for.
        number: u32,
        /// The last number that there is.
        last: u32,
    },
}

/// The last list, as far as it was shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    hits: Vec<Listed>,
    next: Option<Next>,
}

impl Shown {
    /// Forgets the list for a new one.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Puts a page behind what is there, and returns the number of its first line.
    pub(crate) fn extend(&mut self, page: Vec<Listed>, next: Option<Next>) -> usize {
        let first = self.hits.len() + 1;
        let room = MAX_SHOWN.saturating_sub(self.hits.len());
        self.next = next.filter(|_| page.len() <= room);
        self.hits.extend(page.into_iter().take(room));
        first
    }

    /// Returns how the list goes on, if it does.
    pub(crate) const fn next(&self) -> Option<&Next> {
        self.next.as_ref()
    }

    /// Returns all lines, in the order of their numbers from 1.
    pub(crate) fn hits(&self) -> &[Listed] {
        &self.hits
    }

    /// Returns the lines that numbers stand for.
    pub(crate) fn pick(&self, numbers: &Numbers) -> Result<Vec<&Listed>, NotListed> {
        if self.hits.is_empty() {
            return Err(NotListed::NoList);
        }
        let last = u32::try_from(self.hits.len()).unwrap_or(u32::MAX);
        let picked = numbers.up_to(last).map_err(|number| NotListed::Beyond { number, last })?;
        Ok(picked.filter_map(|number| self.hits.get((number as usize).checked_sub(1)?)).collect())
    }
}

impl From<&Hit> for Listed {
    fn from(hit: &Hit) -> Self {
        let path = hit.names.first().cloned().unwrap_or_else(|| hit.digest.to_string());
        Self { digest: hit.digest, size: Some(hit.size), path }
    }
}

impl From<&FileRecord> for Listed {
    fn from(record: &FileRecord) -> Self {
        Self { digest: record.digest, size: Some(record.size), path: record.path.clone() }
    }
}

impl Listed {
    /// Returns the last component of the path.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str) -> Listed {
        Listed { digest: Digest::OF_NOTHING, size: None, path: path.into() }
    }

    fn pick(shown: &Shown, word: &str) -> Result<Vec<String>, NotListed> {
        let numbers = Numbers::parse(word).unwrap().unwrap();
        Ok(shown.pick(&numbers)?.into_iter().map(|hit| hit.path.clone()).collect())
    }

    #[test]
    fn numbers_go_on_counting_over_pages() {
        let mut shown = Shown::default();
        assert_eq!(pick(&shown, "1"), Err(NotListed::NoList));
        let next = Next::Browse { peer: NodeId::from_bytes([1; 32]), after: "b".into() };
        assert_eq!(shown.extend(vec![listed("a"), listed("b")], Some(next)), 1);
        assert_eq!(shown.extend(vec![listed("c")], None), 3);
        assert_eq!(pick(&shown, "3,1-2").unwrap(), ["c", "a", "b"]);
        assert_eq!(pick(&shown, "2-4"), Err(NotListed::Beyond { number: 4, last: 3 }));
        assert!(shown.next().is_none());
        shown.begin();
        assert_eq!(pick(&shown, "1"), Err(NotListed::NoList));
    }

    #[test]
    fn the_file_name_is_the_last_component() {
        for (path, name) in [("a/b.iso", "b.iso"), ("b.iso", "b.iso"), ("a/", "a"), ("", ""), ("/", "/")] {
            assert_eq!(listed(path).file_name(), name);
        }
    }
}
