use protocol::bencode::{Value, parse_lenient};
use protocol::escape::excerpt;

/// The maximum number of keys that are named.
const MAX_KEYS: usize = 20;

/// The top-level keys that are shown or known.
const KNOWN_KEYS: [&str; 9] = [
    "announce",
    "announce-list",
    "comment",
    "comment.utf-8",
    "created by",
    "creation date",
    "encoding",
    "info",
    "sha256",
];

/// The keys of `info` that are shown or known.
const KNOWN_INFO_KEYS: [&str; 9] = [
    "files",
    "file tree",
    "length",
    "meta version",
    "name",
    "name.utf-8",
    "piece length",
    "pieces",
    "private",
];

/// Returns the unsupported keys of a torrent, those of `info` with the prefix `info.`; display-safe.
pub(super) fn other_keys(torrent: &[u8]) -> Vec<String> {
    let Ok(root) = parse_lenient(torrent) else { return Vec::new() };
    let outside = unknown_keys(Some(root), &KNOWN_KEYS, "");
    let inside = unknown_keys(root.get("info"), &KNOWN_INFO_KEYS, "info.");
    outside.chain(inside).take(MAX_KEYS).collect()
}

fn unknown_keys<'a>(
    dictionary: Option<Value<'a>>,
    known: &'a [&str],
    before: &'a str,
) -> impl Iterator<Item = String> + use<'a> {
    let entries = dictionary.and_then(|dictionary| dictionary.as_dictionary()).into_iter().flatten();
    let keys = entries.map(|(key, _)| key).filter(|key| !known.iter().any(|known| known.as_bytes() == *key));
    keys.map(move |key| format!("{before}{}", excerpt(&String::from_utf8_lossy(key))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_listed_and_escaped() {
        let torrent = b"d8:announce1:x4:infod4:name1:x6:source1:ye5:nodesle3:a\x1b[i1ee";
        assert_eq!(other_keys(torrent), ["nodes", "a\\u{1b}[", "info.source"]);
        assert!(other_keys(b"").is_empty());
    }
}
