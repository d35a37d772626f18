use std::collections::HashMap;
use std::net::IpAddr;

/// Counts what each address has, for limits per address and in total. Addresses that have nothing take no memory.
#[derive(Debug, Default)]
pub(crate) struct AddressCounts {
    by_address: HashMap<IpAddr, usize>,
    total: usize,
}

impl AddressCounts {
    /// Returns the count of an address.
    pub(crate) fn of(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    /// Returns the count of all addresses together.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// Counts one more of an address.
    pub(crate) fn add(&mut self, address: IpAddr) {
        *self.by_address.entry(address).or_default() += 1;
        self.total += 1;
        debug_assert!(self.total >= self.by_address.len(), "an address without a count is not kept");
    }

    /// Counts one less of an address.
    pub(crate) fn remove(&mut self, address: IpAddr) {
        debug_assert!(self.of(address) > 0, "only what was counted is removed");
        let Some(count) = self.by_address.get_mut(&address) else { return };
        *count -= 1;
        self.total -= 1;
        if *count == 0 {
            self.by_address.remove(&address);
        }
    }

    /// Resets all counts.
    pub(crate) fn clear(&mut self) {
        self.by_address.clear();
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_match_a_list(changes in prop::collection::vec((0..4_u8, any::<bool>()), 0..100)) {
            let (mut counts, mut list) = (AddressCounts::default(), Vec::new());
            for (host, is_added) in changes {
                let address = IpAddr::from([10, 0, 0, host]);
                if is_added {
                    counts.add(address);
                    list.push(address);
                } else if let Some(at) = list.iter().position(|listed| *listed == address) {
                    counts.remove(address);
                    list.swap_remove(at);
                }
                prop_assert_eq!(counts.of(address), list.iter().filter(|listed| **listed == address).count());
                prop_assert_eq!(counts.total(), list.len());
            }
            for address in list {
                counts.remove(address);
            }
            prop_assert!(counts.by_address.is_empty());
        }
    }
}
