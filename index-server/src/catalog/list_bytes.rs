//! How many bytes lists take: encoded, by address and in all, and about how many in memory.

use std::collections::HashMap;
use std::net::IpAddr;

use protocol::index::FileRecord;

use super::packing::FILE_OVERHEAD;
use super::{Catalog, FileList};
use crate::ids::NodeNo;
use crate::keyed_hash::KeyedState;

/// What a file, a name, a content, a title, a word and three characters of words take in memory beside their texts, and
/// how many bytes each byte of a name and of a word stands for: measured with a million files, see docs/performance.md.
const BYTES_PER_FILE: u64 = 110;
const BYTES_PER_NAME: u64 = 60;
const BYTES_PER_CONTENT: u64 = 110;
const BYTES_PER_TITLE: u64 = 50;
const BYTES_PER_WORD: u64 = 80;
const BYTES_PER_TRIGRAM: u64 = 60;
const BYTES_PER_NAME_BYTE: u64 = 2;
const BYTES_PER_WORD_BYTE: u64 = 7;

/// The files of all lists and the bytes of the encoded lists.
#[derive(Debug, Default)]
pub(super) struct ListBytes {
    files: u64,
    total: u64,
    /// The bytes of those that count at an address.
    by_address: HashMap<IpAddr, u64, KeyedState>,
}

/// Files and their bytes in a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListWeight {
    files: u64,
    bytes: u64,
}

impl ListBytes {
    /// Counts what has come into a list.
    pub(super) fn grow(&mut self, address: Option<IpAddr>, ListWeight { files, bytes }: ListWeight) {
        self.files += files;
        self.total += bytes;
        if let Some(address) = address.filter(|_| bytes > 0) {
            *self.by_address.entry(address).or_default() += bytes;
        }
    }

    /// Counts what has left a list.
    pub(super) fn shrink(&mut self, address: Option<IpAddr>, ListWeight { files, bytes }: ListWeight) {
        debug_assert!(bytes <= self.total && files <= self.files, "more leaves than came");
        self.files = self.files.saturating_sub(files);
        self.total = self.total.saturating_sub(bytes);
        let Some(address) = address else { return };
        if let Some(here) = self.by_address.get_mut(&address) {
            *here = here.saturating_sub(bytes);
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// Returns how many bytes a file takes in an encoded list.
fn encoded_len(path: &str) -> u64 {
    (path.len() + FILE_OVERHEAD) as u64
}

/// Returns how many bytes files would take in an encoded list, were they all new.
pub(crate) fn encoded_len_of_all(files: &[FileRecord]) -> u64 {
    files.iter().map(|file| encoded_len(&file.path)).sum()
}

impl FileList {
    /// Returns how many bytes the encoded list takes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.packing.bytes()
    }

    pub(super) fn weight(&self) -> ListWeight {
        ListWeight { files: self.len() as u64, bytes: self.bytes() }
    }
}

impl ListWeight {
    /// Returns the weight of one file.
    pub(super) fn of(path: &str) -> Self {
        Self { files: 1, bytes: encoded_len(path) }
    }

    /// Returns by how much this is more than another one.
    const fn excess_over(self, other: Self) -> Self {
        let files = self.files.saturating_sub(other.files);
        Self { files, bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

impl Catalog {
    /// Changes a list, and counts by how much it has grown or shrunk.
    pub(super) fn count_change<T>(&mut self, node: NodeNo, change: impl FnOnce(&mut Self) -> T) -> T {
        let weight = |catalog: &Self| catalog.lists.get(&node).map(FileList::weight).unwrap_or_default();
        let before = weight(self);
        let changed = change(self);
        let after = weight(self);
        let address = self.address_of(node);
        self.list_bytes.grow(address, after.excess_over(before));
        self.list_bytes.shrink(address, before.excess_over(after));
        changed
    }

    /// Returns how many bytes all encoded lists take.
    pub(crate) const fn list_bytes(&self) -> u64 {
        self.list_bytes.total
    }

    /// Returns how many bytes the lists take that count where the list of a node does; none if it counts at no address.
    pub(crate) fn bytes_at_same_address(&self, node: NodeNo) -> Option<u64> {
        let address = self.address_of(node)?;
        Some(self.list_bytes.by_address.get(&address).copied().unwrap_or_default())
    }

    /// Returns the address at which the list of a node counts, if it counts at one.
    pub(crate) fn address_of(&self, node: NodeNo) -> Option<IpAddr> {
        self.lists.get(&node)?.visits.attendance.address
    }

    /// Returns by how many bytes a list grows if files are entered.
    pub(crate) fn growth(&self, node: NodeNo, files: &[FileRecord]) -> u64 {
        let Some(list) = self.lists.get(&node) else { return 0 };
        let paths = files.iter().map(|file| file.path.as_str());
        let mut fresh: Vec<&str> = paths.filter(|path| !list.contains(path)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh.into_iter().map(encoded_len).sum()
    }

    /// Returns about how many bytes everything takes in memory.
    pub(crate) fn memory(&self) -> u64 {
        let tables = [
            (self.list_bytes.files, BYTES_PER_FILE),
            (self.names.len() as u64, BYTES_PER_NAME),
            (self.names.text_bytes(), BYTES_PER_NAME_BYTE),
            (self.contents.len() as u64, BYTES_PER_CONTENT),
            (self.titles.len() as u64, BYTES_PER_TITLE),
            (self.words.len() as u64, BYTES_PER_WORD),
            (self.words.text_bytes(), BYTES_PER_WORD_BYTE),
            (self.words.trigram_count() as u64, BYTES_PER_TRIGRAM),
        ];
        tables.into_iter().map(|(count, each)| count.saturating_mul(each)).sum()
    }

    /// Returns the nodes that have a list, the ones that were seen longest ago first; only those whose lists count where
    /// that of `beside` does, if that is given.
    pub(crate) fn least_recently_seen(&self, beside: Option<NodeNo>) -> Vec<NodeNo> {
        let address =
            beside.and_then(|node| self.lists.get(&node)).map(|list| list.visits.attendance.address);
        let counts =
            |list: &FileList| address.is_none_or(|address| list.visits.attendance.address == address);
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
        FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Complete }
    }

    #[test]
    fn list_bytes_are_counted_exactly_once() {
        let (mut catalog, now) = (Catalog::default(), std::time::Instant::now());
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| Some(address.parse().unwrap()));
        let [one, two] = [1, 2].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        catalog.record_arrival(one, here, now);
        catalog.record_arrival(two, here, now);
        let files = [file("a"), file("bcd"), file("a")];
        assert_eq!((encoded_len_of_all(&files), catalog.growth(one, &files)), (152, 102));
        catalog.register(one, &files).unwrap();
        catalog.register(one, &files).unwrap();
        catalog.register(two, &files[..1]).unwrap();
        assert_eq!((catalog.growth(one, &files), catalog.growth(two, &files)), (0, 52));
        assert_eq!((catalog.list_bytes(), catalog.bytes_at_same_address(one)), (152, Some(152)));
        catalog.record_arrival(two, there, now);
        assert_eq!(
            (catalog.bytes_at_same_address(one), catalog.bytes_at_same_address(two)),
            (Some(102), Some(50))
        );
        catalog.record_arrival(two, None, now);
        assert_eq!((catalog.list_bytes(), catalog.bytes_at_same_address(two)), (152, None));
        catalog.unregister(one, ["a", "never"]).unwrap();
        assert_eq!((catalog.list_bytes(), catalog.bytes_at_same_address(one)), (102, Some(52)));
        catalog.restore_all(&[]).unwrap();
        assert_eq!((catalog.list_bytes(), catalog.memory(), catalog.list_bytes.by_address.len()), (0, 0, 0));
    }

    #[test]
    fn least_recently_seen_node_comes_first() {
        let (mut catalog, now) = (Catalog::default(), std::time::Instant::now());
        let here = Some("192.0.2.1".parse().unwrap());
        let [one, two, three] = [1, 2, 3].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        for (node, seen, address) in [(one, 30, here), (two, 10, here), (three, 20, None)] {
            catalog.record_arrival(node, address, now);
            catalog.register(node, &[file("a")]).unwrap();
            catalog.record_seen(node, (seen, now));
        }
        assert_eq!(catalog.least_recently_seen(None), [two, three, one]);
        assert_eq!(catalog.least_recently_seen(Some(one)), [two, one]);
        catalog.unregister(two, ["a"]).unwrap();
        assert_eq!(catalog.least_recently_seen(None), [three, one]);
    }
}
