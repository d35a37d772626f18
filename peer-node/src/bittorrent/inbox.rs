/// What was read of a connection and is not seen to yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    filled: usize,
    /// How many bytes of blocks may be read, by the limit on what is received.
    credit: usize,
}

impl Inbox {
    /// How much is read at once while blocks are expected: many blocks, so that they cost few system calls, and little
    /// enough to stay in the processor's cache until they are copied to their places.
    pub(super) const MOST: usize = 128 << 10;

    /// How much is read at once otherwise.
    const LEAST: usize = 4 << 10;

    /// Makes one that holds what was read already.
    pub(super) const fn holding(bytes: Vec<u8>) -> Self {
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
    pub(super) const fn may_pass(&mut self, bytes: usize) {
        self.credit += bytes;
    }

    /// Notes how many bytes of blocks have passed.
    pub(super) const fn passed(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// Returns where to read to.
    pub(super) fn room(&mut self, expects_blocks: bool) -> &mut [u8] {
        let most = if expects_blocks { Self::MOST.min(self.credit) } else { Self::LEAST };
        let end = self.filled + most.max(1);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Notes that so many bytes were read.
    pub(super) fn filled(&mut self, count: usize) {
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
    fn what_is_left_of_a_reading_comes_before_the_next() {
        let mut inbox = Inbox::default();
        inbox.room(false)[..3].copy_from_slice(b"abc");
        inbox.filled(3);
        let skip = |input: &mut &[u8]| -> Result<(), ()> {
            *input = &input[2..];
            Ok(())
        };
        assert_eq!(inbox.consume(skip), Ok(()));
        inbox.shrink();
        inbox.room(false)[..1].copy_from_slice(b"d");
        inbox.filled(1);
        let see = |input: &mut &[u8]| if *input == b"cd" { Ok(()) } else { Err(input.to_vec()) };
        assert_eq!(inbox.consume(see), Ok(()));
    }

    #[test]
    fn no_more_is_read_than_a_limit_lets_pass() {
        let mut inbox = Inbox::default();
        inbox.may_pass(100);
        assert_eq!(inbox.room(true).len(), 100);
        inbox.passed(60);
        assert_eq!((inbox.room(true).len(), inbox.room(false).len()), (40, 4096));
        inbox.passed(60);
        assert_eq!(inbox.credit(), 0);
    }
}
