//! Memory that lies far apart, fetched at once.

use hashbrown::HashTable;

/// Reads bytes that need not wait for each other, so that the processor fetches what lies around them from memory all at
/// once and not one after the other.
pub(crate) fn bring_near(bytes: impl Iterator<Item = u8>) {
    std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
}

/// Reads what lies in a table where a hash leads: there the table will look, and there it will put what is new.
pub(crate) fn read_at(numbers: &HashTable<u32>, hash: u64) -> u8 {
    let first = usize::try_from(hash).unwrap_or_default() & (numbers.num_buckets() - 1);
    // Of the places beside it, in the same line of memory, one is full.
    let full = (0..8).find_map(|place| numbers.get_bucket(first ^ place));
    full.map_or(0, |number| number.to_le_bytes()[0])
}
