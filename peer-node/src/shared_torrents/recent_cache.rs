use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long an entry is remembered.
const TTL: Duration = Duration::from_mins(1);

/// Maximum number of entries; one more replaces the oldest.
const MAX_ENTRIES: usize = 1000;

/// Recent results, with expiry. Pure: the time is an argument.
#[derive(Debug)]
pub(super) struct RecentCache<K, V>(HashMap<K, (V, Instant)>);

impl<K, V> Default for RecentCache<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash, V> RecentCache<K, V> {
    /// Returns the value of a key, unless it has expired.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let (value, since) = self.0.get(key)?;
        (now.saturating_duration_since(*since) < TTL).then_some(value)
    }

    /// Stores a value, replacing an earlier one.
    pub(super) fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            let oldest = self.0.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(key, (value, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_expires_after_a_minute() {
        let (mut recent, now) = (RecentCache::default(), Instant::now());
        recent.insert(1, "one", now);
        assert_eq!((recent.get(&1, now), recent.get(&2, now)), (Some(&"one"), None));
        assert_eq!(recent.get(&1, now + TTL), None);
        recent.insert(1, "another", now + TTL);
        assert_eq!(recent.get(&1, now + TTL), Some(&"another"));
    }

    #[test]
    fn a_flood_evicts_only_the_oldest_entries() {
        let (mut recent, start) = (RecentCache::default(), Instant::now());
        let at = |number: u32| start + Duration::from_millis(number.into());
        (0..5000).for_each(|number| recent.insert(number, (), at(number)));
        assert_eq!(recent.0.len(), MAX_ENTRIES);
        assert!(recent.get(&3999, at(5000)).is_none() && recent.get(&4000, at(5000)).is_some());
        assert!(recent.get(&5000, at(5000)).is_none());
    }
}
