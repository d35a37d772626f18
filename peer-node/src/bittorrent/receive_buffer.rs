/// Bytes received on a connection and not decoded yet.
#[derive(Debug, Default)]
pub(super) struct WireReceiveBuffer {
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes of blocks that the download limit lets us read.
    credit: usize,
}

impl WireReceiveBuffer {
    /// Read size while blocks are expected: large enough to save system calls, small enough that the bytes stay in the
    /// processor cache until they are copied.
    pub(super) const MAX_READ: usize = 128 << 10;

    /// Read size while no blocks are expected.
    const IDLE_READ: usize = 4 << 10;

    /// Creates a buffer that holds bytes received earlier.
    pub(super) const fn with_received(bytes: Vec<u8>) -> Self {
        let filled = bytes.len();
        Self { bytes, filled, credit: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub(super) const fn credit(&self) -> usize {
        self.credit
    }

    /// Adds bytes granted by the download limit.
    pub(super) const fn add_credit(&mut self, bytes: usize) {
        self.credit += bytes;
    }

    /// Deducts received bytes of blocks.
    pub(super) const fn spend_credit(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// Returns the space for the next read.
    pub(super) fn unfilled(&mut self, expects_blocks: bool) -> &mut [u8] {
        let max_len = if expects_blocks { Self::MAX_READ.min(self.credit) } else { Self::IDLE_READ };
        let end = self.filled + max_len.max(1);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Records that `count` bytes were read.
    pub(super) fn advance(&mut self, count: usize) {
        self.filled = self.bytes.len().min(self.filled + count);
    }

    /// Passes the buffered bytes to `see` and keeps those it does not consume: an incomplete message.
    pub(super) fn consume<E>(&mut self, see: impl FnOnce(&mut &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = self.bytes.get(..self.filled).unwrap_or_default();
        let seen = see(&mut rest);
        let kept = rest.len();
        // Without progress nothing moves: a long bitfield may arrive byte by byte.
        if kept < self.filled {
            self.bytes.copy_within(self.filled - kept..self.filled, 0);
            self.filled = kept;
        }
        seen
    }

    /// Releases memory while the connection is idle.
    pub(super) fn shrink(&mut self) {
        self.bytes.truncate(self.filled);
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_bytes_precede_the_next_read() {
        let mut inbox = WireReceiveBuffer::default();
        inbox.unfilled(false)[..3].copy_from_slice(b"abc");
        inbox.advance(3);
        let skip = |input: &mut &[u8]| -> Result<(), ()> {
            *input = &input[2..];
            Ok(())
        };
        assert_eq!(inbox.consume(skip), Ok(()));
        inbox.shrink();
        inbox.unfilled(false)[..1].copy_from_slice(b"d");
        inbox.advance(1);
        let see = |input: &mut &[u8]| if *input == b"cd" { Ok(()) } else { Err(input.to_vec()) };
        assert_eq!(inbox.consume(see), Ok(()));
    }

    #[test]
    fn no_more_is_read_than_the_rate_limit_allows() {
        let mut inbox = WireReceiveBuffer::default();
        inbox.add_credit(100);
        assert_eq!(inbox.unfilled(true).len(), 100);
        inbox.spend_credit(60);
        assert_eq!((inbox.unfilled(true).len(), inbox.unfilled(false).len()), (40, 4096));
        inbox.spend_credit(60);
        assert_eq!(inbox.credit(), 0);
    }
}
