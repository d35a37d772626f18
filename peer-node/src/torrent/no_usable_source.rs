use std::fmt::{Display, Formatter};

use protocol::metainfo::Metainfo;

use crate::discovery::trackers::unusable_reason;

/// A torrent without a usable tracker, with the sources it names instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoUsableSource {
    trackers: usize,
    /// Why the first tracker cannot be used.
    reason: Option<String>,
    has_web_seeds: bool,
    has_nodes: bool,
}

impl NoUsableSource {
    /// Checks the sources of a torrent; none if at least one tracker can be used.
    pub(crate) fn from_metainfo(metainfo: &Metainfo) -> Option<Self> {
        let trackers: Vec<Option<String>> =
            metainfo.tiers().iter().flatten().map(|url| unusable_reason(url)).collect();
        trackers.iter().all(Option::is_some).then(|| Self {
            trackers: trackers.len(),
            reason: trackers.into_iter().flatten().next(),
            has_web_seeds: metainfo.has_web_seeds(),
            has_nodes: metainfo.has_nodes(),
        })
    }
}

impl Display for NoUsableSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("no usable source: the torrent ")?;
        match (self.trackers, &self.reason) {
            (1, Some(reason)) => write!(f, "names one tracker, which cannot be used ({reason})")?,
            (count, Some(reason)) => {
                write!(f, "names {count} trackers, none of which can be used ({reason})")?;
            }
            (_, None) => f.write_str("names no tracker")?,
        }
        f.write_str(match (self.has_web_seeds, self.has_nodes) {
            (true, true) => "; its web seeds (url-list) and DHT nodes (nodes) are not supported",
            (true, false) => "; its web seeds (url-list) are not supported",
            (false, true) => "; its DHT nodes (nodes) are not supported",
            (false, false) => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the message for a torrent with these entries.
    fn message_for(entries: &str) -> Option<String> {
        let info = "d6:lengthi1e4:name1:x12:piece lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let metainfo = Metainfo::parse(format!("d{entries}4:info{info}e").as_bytes()).unwrap();
        NoUsableSource::from_metainfo(&metainfo).map(|none| none.to_string())
    }

    #[test]
    fn message_lists_the_unsupported_sources() {
        let start = "no usable source: the torrent";
        for (entries, rest) in [
            ("", "names no tracker"),
            ("8:url-list9:http://x/", "names no tracker; its web seeds (url-list) are not supported"),
            ("5:nodesll1:xi1eee", "names no tracker; its DHT nodes (nodes) are not supported"),
            (
                "5:nodesll1:xi1eee8:url-listl9:http://x/e",
                "names no tracker; its web seeds (url-list) and DHT nodes (nodes) are not supported",
            ),
            (
                "8:announce8:wss://x/",
                "names one tracker, which cannot be used (wss trackers are not supported, only http, https \
                 and udp)",
            ),
        ] {
            assert_eq!(message_for(entries), Some(format!("{start} {rest}")), "{entries}");
        }
        let two = message_for("13:announce-listl8:wss://x/7:udp://xe").unwrap();
        assert!(two.contains("names 2 trackers, none of which can be used"), "{two}");
    }

    #[test]
    fn one_usable_tracker_is_enough() {
        assert_eq!(message_for("13:announce-listl8:wss://x/9:udp://x:1e"), None);
        assert_eq!(message_for("8:announce9:http://x/8:url-list9:http://y/"), None);
    }
}
