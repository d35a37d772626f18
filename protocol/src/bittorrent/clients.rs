//! Client names derived from peer ids (BEP 20).

/// The client codes of ids like `-TR4060-`, with the names of the clients.
const AZUREUS: [(&[u8; 2], &str); 30] = [
    (b"7T", "aTorrent"),
    (b"AZ", "Vuze"),
    (b"BC", "BitComet"),
    (b"BI", "BiglyBT"),
    (b"BT", "BitTorrent"),
    (b"DE", "Deluge"),
    (b"FD", "Free Download Manager"),
    (b"FW", "FrostWire"),
    (b"HL", "Halite"),
    (b"KT", "KTorrent"),
    (b"LT", "libtorrent"),
    (b"MR", "Miro"),
    (b"PI", "PicoTorrent"),
    (b"PX", "Peerdex"),
    (b"SD", "Thunder"),
    (b"SY", "Synology"),
    (b"TB", "Torch"),
    (b"TL", "Tribler"),
    (b"TR", "Transmission"),
    (b"TX", "Tixati"),
    (b"UE", "µTorrent Embedded"),
    (b"UM", "µTorrent Mac"),
    (b"UT", "µTorrent"),
    (b"UW", "µTorrent Web"),
    (b"WW", "WebTorrent"),
    (b"XL", "Xunlei"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
    (b"rQ", "rqbit"),
    (b"st", "SharkTorrent"),
];

/// The prefixes of ids like `A2-1-37-0-`, with the names of the clients.
const DASHED: [(&[u8], &str); 2] = [(b"A2-", "aria2"), (b"M", "BitTorrent")];

/// Returns a client's name and version, if the id has a known format.
pub(super) fn client_name(id: &[u8; 20]) -> Option<String> {
    azureus_name(id).or_else(|| dashed_name(id))
}

fn azureus_name(id: &[u8; 20]) -> Option<String> {
    let [b'-', first, second, version @ .., _] = id.first_chunk::<8>()? else { return None };
    if id.get(7) != Some(&b'-') || !first.is_ascii_alphanumeric() || !second.is_ascii_alphanumeric() {
        return None;
    }
    let code = [*first, *second];
    let known = AZUREUS.iter().find(|(other, _)| **other == code);
    let name =
        known.map_or_else(|| String::from_utf8_lossy(&code).into_owned(), |(_, name)| (*name).to_owned());
    let numbers: Option<Vec<u8>> = version.iter().map(|digit| version_number(*digit)).collect();
    Some(with_version(name, &numbers?))
}

/// Parses one component of a version: a digit, or a letter for a number from 10.
const fn version_number(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

fn with_version(name: String, numbers: &[u8]) -> String {
    // Show at least two components: 4.0 instead of 4.
    let used = numbers.iter().rposition(|number| *number != 0).map_or(2, |last| (last + 1).max(2));
    let components: Vec<String> = numbers.iter().take(used).map(u8::to_string).collect();
    if numbers.iter().all(|number| *number == 0) { name } else { format!("{name} {}", components.join(".")) }
}

fn dashed_name(id: &[u8; 20]) -> Option<String> {
    let (name, rest) = DASHED.iter().find_map(|(start, name)| Some((name, id.strip_prefix(*start)?)))?;
    let text: String = rest.iter().map(|byte| char::from(*byte)).collect();
    let mut numbers = Vec::new();
    for part in text.split('-').take(3) {
        numbers.push(part.parse::<u8>().ok()?);
    }
    Some(with_version((*name).to_owned(), &numbers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::PeerId;

    fn name_of(id: &str) -> String {
        let mut bytes = [b'x'; 20];
        bytes[..id.len()].copy_from_slice(id.as_bytes());
        PeerId::from_bytes(bytes).to_string()
    }

    #[test]
    fn clients_are_named_by_their_ids() {
        assert_eq!(name_of("-TR4060-"), "Transmission 4.0.6");
        assert_eq!(name_of("-LT20B0-"), "libtorrent 2.0.11");
        assert_eq!(name_of("-qB5000-"), "qBittorrent 5.0");
        assert_eq!(name_of("A2-1-37-0-"), "aria2 1.37");
        assert_eq!(name_of("M7-10-5--"), "BitTorrent 7.10.5");
        assert_eq!(name_of("-ZZ1230-"), "ZZ 1.2.3");
        assert_eq!(name_of("hello\x1b[2J"), "hello");
        assert_eq!(name_of("\x1b[2J"), "unknown client");
        assert_eq!(PeerId::ours([0xff; 12]).to_string(), "Peerdex 0.2");
    }

    proptest! {
        #[test]
        fn client_names_are_always_display_safe(bytes: [u8; 20]) {
            let shown = PeerId::from_bytes(bytes).to_string();
            prop_assert!(!shown.is_empty() && !shown.chars().any(char::is_control));
        }
    }
}
