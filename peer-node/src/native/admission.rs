use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// The most connections that others may open to us.
const MAX_ACCEPTED: usize = 200;

/// The most of them from one address that is not this machine's own.
const MAX_PER_ADDRESS: usize = 16;

/// Counts the connections that others have opened, so that nobody takes all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    from: IpAddr,
    admission: Admission,
}

impl Admission {
    /// Gives a place to a connection from that address, if there is one.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Ticket> {
        let mut counts = self.counts.lock();
        let here = counts.get(&from).copied().unwrap_or(0);
        let all: usize = counts.values().sum();
        if all >= MAX_ACCEPTED || (here >= MAX_PER_ADDRESS && !from.is_loopback()) {
            return None;
        }
        counts.insert(from, here + 1);
        Some(Ticket { from, admission: self.clone() })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_by_address_and_free_again() {
        let admission = Admission::default();
        let (far, home): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [127, 0, 0, 1].into());
        let mut tickets: Vec<Ticket> = std::iter::from_fn(|| admission.admit(far)).collect();
        assert_eq!(tickets.len(), MAX_PER_ADDRESS);
        tickets.extend(std::iter::from_fn(|| admission.admit(home)));
        assert_eq!(tickets.len(), MAX_ACCEPTED);
        drop(tickets);
        assert!(admission.counts.lock().is_empty());
        assert!(admission.admit(far).is_some());
    }
}
