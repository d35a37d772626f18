use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::preamble::Version;

/// How long an address is assumed to speak version 1. The limit makes sure that an upgrade is noticed.
const MEMORY_TIME: Duration = Duration::from_hours(1);

/// Maximum number of remembered addresses; the oldest are dropped. A dropped address costs a second connection attempt.
const MAX_REMEMBERED: usize = 1024;

/// Addresses whose peers speak only version 1.
#[derive(Debug, Default)]
pub(super) struct OlderPeers(HashMap<SocketAddr, Instant>);

impl OlderPeers {
    /// Returns the version in which to dial an address.
    pub(super) fn version_of(&self, address: &SocketAddr, now: Instant) -> Version {
        match self.0.get(address) {
            Some(found) if now.saturating_duration_since(*found) < MEMORY_TIME => Version::One,
            _ => Version::LATEST,
        }
    }

    /// Remembers that an address speaks only version 1.
    pub(super) fn remember(&mut self, address: SocketAddr, now: Instant) {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&address) {
            self.0.retain(|_, found| now.saturating_duration_since(*found) < MEMORY_TIME);
            let oldest = self.0.iter().min_by_key(|(_, found)| **found).map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= MAX_REMEMBERED) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(address, now);
    }

    /// Forgets an address after a later version was seen there.
    pub(super) fn forget(&mut self, address: &SocketAddr) {
        self.0.remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> SocketAddr {
        ([192, 0, 2, 1], number).into()
    }

    #[test]
    fn older_peer_is_remembered_for_an_hour_or_until_upgraded() {
        let (mut older, now) = (OlderPeers::default(), Instant::now());
        assert_eq!(older.version_of(&address(1), now), Version::Two);
        older.remember(address(1), now);
        older.remember(address(2), now);
        assert_eq!(older.version_of(&address(1), now + Duration::from_mins(59)), Version::One);
        assert_eq!(older.version_of(&address(1), now + MEMORY_TIME), Version::Two);
        older.forget(&address(2));
        assert_eq!(older.version_of(&address(2), now), Version::Two);
    }

    #[test]
    fn only_the_newest_addresses_are_remembered() {
        let (mut older, begun) = (OlderPeers::default(), Instant::now());
        let most = u16::try_from(MAX_REMEMBERED).unwrap();
        for number in 0..2 * most {
            older.remember(address(number), begun + Duration::from_millis(number.into()));
        }
        assert_eq!(older.0.len(), MAX_REMEMBERED);
        assert_eq!(older.version_of(&address(most - 1), begun), Version::Two);
        assert_eq!(older.version_of(&address(2 * most - 1), begun), Version::One);
    }
}
