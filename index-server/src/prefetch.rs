//! Memory that lies far apart, fetched at once.

/// Reads bytes that need not wait for each other, so that the processor fetches what lies around them from memory all at
/// once and not one after the other.
pub(crate) fn prefetch(bytes: impl Iterator<Item = u8>) {
    std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
}
