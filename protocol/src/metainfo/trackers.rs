use crate::bencode::Value;
use crate::limits::{MAX_TRACKER_URL, MAX_TRACKERS};

/// Collects the tracker URLs by tier (BEP 12); invalid ones are skipped.
pub(super) fn tiers(announce: Option<Value<'_>>, announce_list: Option<Value<'_>>) -> Vec<Vec<String>> {
    let mut found = TierCollector::default();
    for tier in announce_list.and_then(|list| list.as_list()).into_iter().flatten() {
        match tier.as_list() {
            Some(tier) => found.add_tier(tier),
            // Some programs write URLs without tiers.
            None => found.add_tier([tier]),
        }
    }
    // Some programs write a single URL as the value of `announce-list`.
    for single in [announce, announce_list].into_iter().flatten() {
        if found.tiers.is_empty() {
            found.add_tier([single]);
        }
    }
    found.tiers
}

#[derive(Debug, Default)]
struct TierCollector {
    tiers: Vec<Vec<String>>,
    count: usize,
}

impl TierCollector {
    fn add_tier<'a>(&mut self, addresses: impl IntoIterator<Item = Value<'a>>) {
        let mut tier = Vec::new();
        for address in addresses {
            if self.count == MAX_TRACKERS {
                break;
            }
            let Some(address) = address.as_text().map(str::trim).filter(|address| is_address(address)) else {
                continue;
            };
            if !self.tiers.iter().flatten().chain(&tier).any(|known| known == address) {
                tier.push(address.to_owned());
                self.count += 1;
            }
        }
        if !tier.is_empty() {
            self.tiers.push(tier);
        }
    }
}

/// Returns true if the text has the form of a URL; whether its scheme is supported is checked elsewhere.
fn is_address(text: &str) -> bool {
    text.len() <= MAX_TRACKER_URL && text.contains("://") && text.bytes().all(|byte| byte.is_ascii_graphic())
}
