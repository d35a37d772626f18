//! Sizes of lists in bytes: encoded, by address and in total, and the estimated size in memory.

use std::collections::HashMap;
use std::net::IpAddr;

use protocol::index::FileRecord;

use super::packing::FILE_OVERHEAD;
use super::{Catalog, FileList};
use crate::ids::NodeNo;
use crate::keyed_hash::KeyedState;

/// Estimated memory per file, name, content, title, word and trigram without its text, and memory per byte of a name and of a
/// word: measured, see docs/performance.md.
const BYTES_PER_FILE: u64 = 110;
const BYTES_PER_NAME: u64 = 60;
const BYTES_PER_CONTENT: u64 = 110;
const BYTES_PER_TITLE: u64 = 50;
const BYTES_PER_WORD: u64 = 80;
const BYTES_PER_TRIGRAM: u64 = 60;
const BYTES_PER_NAME_BYTE: u64 = 2;
const BYTES_PER_WORD_BYTE: u64 = 7;

/// The number of files and the encoded bytes of all lists.
#[derive(Debug, Default)]
pub(super) struct ListBytes {
    files: u64,
    total: u64,
    /// The encoded bytes of lists counted at an address.
    by_address: HashMap<IpAddr, u64, KeyedState>,
}

/// The number of files in a list and their encoded bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListWeight {
    files: u64,
    bytes: u64,
}

impl ListBytes {
    /// Adds what a list gained.
    pub(super) fn grow(&mut self, address: Option<IpAddr>, ListWeight { files, bytes }: ListWeight) {
        self.files += files;
        self.total += bytes;
        if let Some(address) = address.filter(|_| bytes > 0) {
            *self.by_address.entry(address).or_default() += bytes;
        }
        self.check();
    }

    /// Subtracts what a list lost.
    pub(super) fn shrink(&mut self, address: Option<IpAddr>, ListWeight { files, bytes }: ListWeight) {
        debug_assert!(bytes <= self.total && files <= self.files, "more bytes or files removed than added");
        self.files = self.files.saturating_sub(files);
        self.total = self.total.saturating_sub(bytes);
        self.check();
        let Some(address) = address else { return };
        debug_assert!(
            bytes <= self.by_address.get(&address).copied().unwrap_or_default(),
            "more bytes removed at an address than added"
        );
        if let Some(total) = self.by_address.get_mut(&address) {
            *total = total.saturating_sub(bytes);
            if *total == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl ListBytes {
    /// Asserts that each file has at least its overhead.
    fn check(&self) {
        debug_assert!(self.total >= self.files * FILE_OVERHEAD as u64, "files without bytes");
    }
}

/// Returns the encoded size of a file in bytes.
fn encoded_len(path: &str) -> u64 {
    (path.len() + FILE_OVERHEAD) as u64
}

/// Returns the encoded size of files in bytes, as if all were new.
pub(crate) fn encoded_len_of_all(files: &[FileRecord]) -> u64 {
    files.iter().map(|file| encoded_len(&file.path)).sum()
}

impl FileList {
    /// Returns the encoded size of the list in bytes.
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

    /// Returns by how much this weight exceeds another.
    const fn excess_over(self, other: Self) -> Self {
        let files = self.files.saturating_sub(other.files);
        Self { files, bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

impl Catalog {
    /// Applies a change to a list and accounts for the difference in size.
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

    /// Returns the encoded size of all lists in bytes.
    pub(crate) const fn list_bytes(&self) -> u64 {
        self.list_bytes.total
    }

    /// Returns the encoded size of all lists at the same address as a node's list; `None` if that counts at no address.
    pub(crate) fn bytes_at_same_address(&self, node: NodeNo) -> Option<u64> {
        let address = self.address_of(node)?;
        Some(self.list_bytes.by_address.get(&address).copied().unwrap_or_default())
    }

    /// Returns the address at which a node's list counts, if any.
    pub(crate) fn address_of(&self, node: NodeNo) -> Option<IpAddr> {
        self.lists.get(&node)?.visits.attendance.address
    }

    /// Returns by how many bytes a list grows if these files are registered.
    pub(crate) fn growth(&self, node: NodeNo, files: &[FileRecord]) -> u64 {
        let Some(list) = self.lists.get(&node) else { return 0 };
        let paths = files.iter().map(|file| file.path.as_str());
        let mut fresh: Vec<&str> = paths.filter(|path| !list.contains(path)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh.into_iter().map(encoded_len).sum()
    }

    /// Returns the estimated memory of the whole catalog in bytes.
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

    /// Returns the nodes with a non-empty list, least recently seen first; with `same_address_as`, only nodes whose lists count
    /// at the same address.
    pub(crate) fn least_recently_seen(&self, same_address_as: Option<NodeNo>) -> Vec<NodeNo> {
        let address =
            same_address_as.and_then(|node| self.lists.get(&node)).map(|list| list.visits.attendance.address);
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
        let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|address| Some(address.parse().unwrap()));
        let [one, two] = [1, 2].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        catalog.record_arrival(one, first, now);
        catalog.record_arrival(two, first, now);
        let files = [file("a"), file("bcd"), file("a")];
        assert_eq!((encoded_len_of_all(&files), catalog.growth(one, &files)), (152, 102));
        catalog.register(one, &files).unwrap();
        catalog.register(one, &files).unwrap();
        catalog.register(two, &files[..1]).unwrap();
        assert_eq!((catalog.growth(one, &files), catalog.growth(two, &files)), (0, 52));
        assert_eq!((catalog.list_bytes(), catalog.bytes_at_same_address(one)), (152, Some(152)));
        catalog.record_arrival(two, second, now);
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
        let first = Some("192.0.2.1".parse().unwrap());
        let [one, two, three] = [1, 2, 3].map(|id| catalog.admit(NodeId::from_bytes([id; 32])).unwrap());
        for (node, seen, address) in [(one, 30, first), (two, 10, first), (three, 20, None)] {
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
