use super::error::MetainfoError;
use super::fields::wrong_type;
use crate::bencode::Value;
use crate::limits::{MAX_TRACKER_URL, MAX_TRACKERS};

/// Collects the trackers' addresses by tier (BEP 12); what cannot be an address is left out.
pub(super) fn tiers(
    announce: Option<Value<'_>>,
    announce_list: Option<Value<'_>>,
) -> Result<Vec<Vec<String>>, MetainfoError> {
    let mut found = Found::default();
    if let Some(value) = announce_list {
        let tiers = value.as_list().ok_or_else(|| wrong_type(value, "announce-list", "a list"))?;
        for tier in tiers {
            match tier.as_list() {
                Some(tier) => found.add_tier(tier),
                // Some programs write the addresses without tiers.
                None => found.add_tier([tier]),
            }
        }
    }
    if let (Some(announce), []) = (announce, found.tiers.as_slice()) {
        if announce.as_bytes().is_none() {
            return Err(wrong_type(announce, "announce", "a string"));
        }
        found.add_tier([announce]);
    }
    Ok(found.tiers)
}

#[derive(Debug, Default)]
struct Found {
    tiers: Vec<Vec<String>>,
    count: usize,
}

impl Found {
    fn add_tier<'a>(&mut self, addresses: impl IntoIterator<Item = Value<'a>>) {
        let mut tier = Vec::new();
        for address in addresses {
            if self.count == MAX_TRACKERS {
                break;
            }
            let Some(address) = address.as_text().filter(|address| is_address(address)) else { continue };
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

/// Tells whether a text has the form of an address; whether it can be announced to is for others to say.
fn is_address(text: &str) -> bool {
    text.len() <= MAX_TRACKER_URL && text.contains("://") && text.bytes().all(|byte| byte.is_ascii_graphic())
}
