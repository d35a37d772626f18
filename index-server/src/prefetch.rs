//! Prefetches memory that is scattered.

/// Reads independent bytes, so that the processor fetches their cache lines concurrently instead of one after the other.
pub(crate) fn prefetch(bytes: impl Iterator<Item = u8>) {
    std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
}
