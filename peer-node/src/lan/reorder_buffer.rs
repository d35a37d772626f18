use std::collections::VecDeque;

/// Maximum number of open or waiting entries, not counting those that began after the last end.
const MAX_SLOTS: usize = 256;

/// Restores the order in which entries began, whatever the order in which they end.
///
/// An entry waits for those that began before it until it is released or too many are waiting.
#[derive(Debug)]
pub(super) struct ReorderBuffer<T> {
    /// Ticket of the first slot.
    first_ticket: u64,
    slots: VecDeque<Slot<T>>,
}

#[derive(Debug)]
enum Slot<T> {
    Open,
    Ended(Option<T>),
}

impl<T> Default for ReorderBuffer<T> {
    fn default() -> Self {
        Self { first_ticket: 0, slots: VecDeque::new() }
    }
}

impl<T> ReorderBuffer<T> {
    /// Reserves the next slot and returns its ticket.
    pub(super) fn begin(&mut self) -> u64 {
        self.slots.push_back(Slot::Open);
        self.first_ticket + self.slots.len() as u64 - 1
    }

    /// Ends an entry, which may be empty. Returns the entries that are ready, in order.
    pub(super) fn end(&mut self, ticket: u64, entry: Option<T>) -> Vec<T> {
        let mut ready = Vec::new();
        match self.slot(ticket) {
            Some(slot) => *slot = Slot::Ended(entry),
            // The entry was no longer waited for.
            None => ready.extend(entry),
        }
        // Too long a list means that an entry is stuck; the others do not wait for it any longer.
        while self.slots.len() > MAX_SLOTS || matches!(self.slots.front(), Some(Slot::Ended(_))) {
            self.pop_front(&mut ready);
        }
        ready
    }

    /// Stops waiting for the entries that began before this one. Returns the entries that are ready, in order.
    pub(super) fn release(&mut self, ticket: u64) -> Vec<T> {
        let mut ready = Vec::new();
        // Entries before it that are still open are given up, and appear when they end.
        while self.is_waiting(ticket) || matches!(self.slots.front(), Some(Slot::Ended(_))) {
            self.pop_front(&mut ready);
        }
        ready
    }

    /// Returns true if the entry has ended and waits for earlier ones.
    pub(super) fn is_waiting(&self, ticket: u64) -> bool {
        let index = ticket.checked_sub(self.first_ticket).and_then(|offset| usize::try_from(offset).ok());
        let slot = index.and_then(|index| self.slots.get(index));
        matches!(slot, Some(Slot::Ended(_)))
    }

    fn slot(&mut self, ticket: u64) -> Option<&mut Slot<T>> {
        let index = usize::try_from(ticket.checked_sub(self.first_ticket)?).ok()?;
        self.slots.get_mut(index)
    }

    fn pop_front(&mut self, ready: &mut Vec<T>) {
        if let Some(slot) = self.slots.pop_front() {
            // Tickets stay valid because they are counted from the first slot.
            self.first_ticket += 1;
            if let Slot::Ended(Some(entry)) = slot {
                ready.push(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn early_entry_waits_for_earlier_tickets() {
        let mut order = ReorderBuffer::default();
        let [one, two, three] = [(); 3].map(|()| order.begin());
        assert_eq!(order.end(three, Some(3)), [0; 0]);
        assert_eq!(order.end(two, None), [0; 0]);
        assert!(order.is_waiting(three) && !order.is_waiting(one));
        assert_eq!(order.end(one, Some(1)), [1, 3]);
        assert!(!order.is_waiting(three));
    }

    #[test]
    fn released_entry_waits_no_longer() {
        let mut order = ReorderBuffer::default();
        let [one, two, three, four] = [(); 4].map(|()| order.begin());
        assert_eq!(order.end(two, Some(2)), [0; 0]);
        assert_eq!(order.end(three, Some(3)), [0; 0]);
        assert_eq!(order.release(two), [2, 3]);
        assert_eq!(order.release(four), [0; 0], "it has not ended");
        assert_eq!(order.end(one, Some(1)), [1], "late, but not lost");
        assert_eq!(order.end(four, Some(4)), [4]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_buffer_is_bounded(ends in prop::collection::vec(any::<prop::sample::Index>(), 0..600)) {
            let mut order = ReorderBuffer::default();
            let (mut open, mut out) = (Vec::new(), Vec::new());
            for end in &ends {
                let stuck = order.begin();
                open.push(stuck);
                open.push(order.begin());
                let ticket = open.remove(end.index(open.len()));
                out.extend(order.end(ticket, Some(ticket)));
                prop_assert!(order.slots.len() <= MAX_SLOTS + 2);
            }
            for ticket in open {
                out.extend(order.end(ticket, Some(ticket)));
            }
            prop_assert!(order.slots.is_empty());
            out.sort_unstable();
            prop_assert_eq!(out, (0..2 * ends.len() as u64).collect::<Vec<_>>());
        }
    }
}
