/// What was read of a connection and is not seen to yet.
#[derive(Debug, Default)]
pub(super) struct WireReceiveBuffer {
    bytes: Vec<u8>,
    filled: usize,
    /// How many bytes of blocks may be read, by the limit on what is received.
    credit: usize,
}

impl WireReceiveBuffer {
    /// How much is read at once while blocks are expected: many blocks, so that they cost few system calls, and little
    /// enough to stay in the processor's cache until they are copied to their places.
    pub(super) const MAX_READ: usize = 128 << 10;

    /// How much is read at once otherwise.
    const IDLE_READ: usize = 4 << 10;

    /// Makes one that holds what was read already.
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

    /// Notes how many bytes of blocks may pass.
    pub(super) const fn add_credit(&mut self, bytes: usize) {
        self.credit += bytes;
    }

    /// Notes how many bytes of blocks have passed.
    pub(super) const fn spend_credit(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// Returns where to read to.
    pub(super) fn unfilled(&mut self, expects_blocks: bool) -> &mut [u8] {
        let most = if expects_blocks { Self::MAX_READ.min(self.credit) } else { Self::IDLE_READ };
        let end = self.filled + most.max(1);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Notes that so many bytes were read.
    pub(super) fn advance(&mut self, count: usize) {
        self.filled = self.bytes.len().min(self.filled + count);
    }

    /// Shows `see` what is here and keeps what it leaves of it: less than a message.
    pub(super) fn consume<E>(&mut self, see: impl FnOnce(&mut &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = self.bytes.get(..self.filled).unwrap_or_default();
        let seen = see(&mut rest);
        let kept = rest.len();
        // A long bitfield that comes byte by byte stays where it is.
        if kept < self.filled {
            self.bytes.copy_within(self.filled - kept..self.filled, 0);
            self.filled = kept;
        }
        seen
    }

    /// Gives memory back that is not needed while nothing comes.
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
