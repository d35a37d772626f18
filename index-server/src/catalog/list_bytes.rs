//! How many bytes lists take: encoded, by address and in all, and about how many in memory.

use std::collections::HashMap;
use std::net::IpAddr;

use protocol::index::FileRecord;

use super::packing::FILE_OVERHEAD;
use super::{Catalog, FileList, NodeNo};
use crate::keyed::Keyed;

/// What a file, a name, a content, a title, a word and three characters of words take in memory beside their texts, and
/// how many bytes each byte of a name and of a word stands for: measured with a million files, see docs/performance.md.
const FILE: u64 = 110;
const NAME: u64 = 60;
const CONTENT: u64 = 110;
const TITLE: u64 = 50;
const WORD: u64 = 80;
const GRAM: u64 = 60;
const BYTES_PER_NAME_BYTE: u64 = 2;
const BYTES_PER_WORD_BYTE: u64 = 7;

/// The files of all lists and the bytes of the encoded lists.
#[derive(Debug, Default)]
pub(super) struct ListBytes {
    files: u64,
    all: u64,
    /// The bytes of those that count at an address.
    at: HashMap<IpAddr, u64, Keyed>,
}

/// Files and their bytes in a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    files: u64,
    bytes: u64,
}

impl ListBytes {
    /// Counts what has come into a list.
    pub(super) fn grow(&mut self, address: Option<IpAddr>, Weight { files, bytes }: Weight) {
        self.files += files;
        self.all += bytes;
        if let Some(address) = address.filter(|_| bytes > 0) {
            *self.at.entry(address).or_default() += bytes;
        }
    }

    /// Counts what has left a list.
    pub(super) fn shrink(&mut self, address: Option<IpAddr>, Weight { files, bytes }: Weight) {
        debug_assert!(bytes <= self.all && files <= self.files, "more leaves than came");
        self.files = self.files.saturating_sub(files);
        self.all = self.all.saturating_sub(bytes);
        let Some(address) = address else { return };
        if let Some(here) = self.at.get_mut(&address) {
            *here = here.saturating_sub(bytes);
            if *here == 0 {
                self.at.remove(&address);
            }
        }
    }
}

/// Returns how many bytes a file takes in an encoded list.
fn encoded(path: &str) -> u64 {
    (path.len() + FILE_OVERHEAD) as u64
}

/// Returns how many bytes files would take in an encoded list, were they all new.
pub(crate) fn encoded_all(files: &[FileRecord]) -> u64 {
    files.iter().map(|file| encoded(&file.path)).sum()
}

impl FileList {
    /// Returns how many bytes the encoded list takes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.packing.bytes()
    }

    pub(super) fn weight(&self) -> Weight {
        Weight { files: self.len() as u64, bytes: self.bytes() }
    }
}

impl Weight {
    /// Returns the weight of one file.
    pub(super) fn of(path: &str) -> Self {
        Self { files: 1, bytes: encoded(path) }
    }

    /// Returns by how much this is more than another one.
    const fn above(self, other: Self) -> Self {
        let files = self.files.saturating_sub(other.files);
        Self { files, bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

impl Catalog {
    /// Changes a list, and counts by how much it has grown or shrunk.
    pub(super) fn weigh<T>(&mut self, node: NodeNo, change: impl FnOnce(&mut Self) -> T) -> T {
        let weight = |catalog: &Self| catalog.lists.get(&node).map(FileList::weight).unwrap_or_default();
        let before = weight(self);
        let changed = change(self);
        let after = weight(self);
        let address = self.address_of(node);
        self.bytes.grow(address, after.above(before));
        self.bytes.shrink(address, before.above(after));
        changed
    }

    /// Returns how many bytes all encoded lists take.
    pub(crate) const fn list_bytes(&self) -> u64 {
        self.bytes.all
    }

    /// Returns how many bytes the lists take that count where the list of a node does; none if it counts at no address.
    pub(crate) fn bytes_beside(&self, node: NodeNo) -> Option<u64> {
        let address = self.address_of(node)?;
        Some(self.bytes.at.get(&address).copied().unwrap_or_default())
    }

    /// Returns the address at which the list of a node counts, if it counts at one.
    pub(crate) fn address_of(&self, node: NodeNo) -> Option<IpAddr> {
        self.lists.get(&node)?.visits.standing.address
    }

    /// Returns by how many bytes a list grows if files are entered.
    pub(crate) fn growth(&self, node: NodeNo, files: &[FileRecord]) -> u64 {
        let Some(list) = self.lists.get(&node) else { return 0 };
        let paths = files.iter().map(|file| file.path.as_str());
        let mut fresh: Vec<&str> = paths.filter(|path| !list.contains(path)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh.into_iter().map(encoded).sum()
    }

    /// Returns about how many bytes everything takes in memory.
    pub(crate) fn memory(&self) -> u64 {
        let tables = [
            (self.bytes.files, FILE),
            (self.names.len() as u64, NAME),
            (self.names.text_bytes(), BYTES_PER_NAME_BYTE),
            (self.contents.len() as u64, CONTENT),
            (self.titles.len() as u64, TITLE),
            (self.words.len() as u64, WORD),
            (self.words.text_bytes(), BYTES_PER_WORD_BYTE),
            (self.words.grams() as u64, GRAM),
        ];
        tables.into_iter().map(|(count, each)| count.saturating_mul(each)).sum()
    }

    /// Returns the nodes that have a list, the ones that were seen longest ago first; only those whose lists count where
    /// that of `beside` does, if that is given.
    pub(crate) fn longest_unseen(&self, beside: Option<NodeNo>) -> Vec<NodeNo> {
        let address = beside.and_then(|node| self.lists.get(&node)).map(|list| list.visits.standing.address);
        let counts = |list: &FileList| address.is_none_or(|address| list.visits.standing.address == address);
        let lists = self.lists.iter().filter(|(_, list)| list.len() > 0 && counts(list));
        let mut nodes: Vec<(u64, NodeNo)> =
            lists.map(|(node, list)| (list.visits.last_seen, *node)).collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::Share;
    use protocol::node_id::NodeId;

    use super::*;

    fn file(path: &str) -> FileRecord {
        FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Whole }
    }

    #[test]
    fn bytes_of_lists_are_counted_once_whatever_becomes_of_them() {
        let (mut catalog, now) = (Catalog::default(), std::time::Instant::now());
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| Some(address.parse().unwrap()));
        let [one, two] = [1, 2].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        catalog.come(one, here, now);
        catalog.come(two, here, now);
        let files = [file("a"), file("bcd"), file("a")];
        assert_eq!((encoded_all(&files), catalog.growth(one, &files)), (152, 102));
        catalog.register(one, &files).unwrap();
        catalog.register(one, &files).unwrap();
        catalog.register(two, &files[..1]).unwrap();
        assert_eq!((catalog.growth(one, &files), catalog.growth(two, &files)), (0, 52));
        assert_eq!((catalog.list_bytes(), catalog.bytes_beside(one)), (152, Some(152)));
        catalog.come(two, there, now);
        assert_eq!((catalog.bytes_beside(one), catalog.bytes_beside(two)), (Some(102), Some(50)));
        catalog.come(two, None, now);
        assert_eq!((catalog.list_bytes(), catalog.bytes_beside(two)), (152, None));
        catalog.unregister(one, ["a", "never"]).unwrap();
        assert_eq!((catalog.list_bytes(), catalog.bytes_beside(one)), (102, Some(52)));
        catalog.restore_all(&[]).unwrap();
        assert_eq!((catalog.list_bytes(), catalog.memory(), catalog.bytes.at.len()), (0, 0, 0));
    }

    #[test]
    fn who_was_seen_longest_ago_comes_first() {
        let (mut catalog, now) = (Catalog::default(), std::time::Instant::now());
        let here = Some("192.0.2.1".parse().unwrap());
        let [one, two, three] = [1, 2, 3].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        for (node, seen, address) in [(one, 30, here), (two, 10, here), (three, 20, None)] {
            catalog.come(node, address, now);
            catalog.register(node, &[file("a")]).unwrap();
            catalog.seen(node, (seen, now));
        }
        assert_eq!(catalog.longest_unseen(None), [two, three, one]);
        assert_eq!(catalog.longest_unseen(Some(one)), [two, one]);
        catalog.unregister(two, ["a"]).unwrap();
        assert_eq!(catalog.longest_unseen(None), [three, one]);
    }
}
