use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::limits::{
    MAX_ANNOUNCED, MAX_ANNOUNCEMENT, MAX_ANNOUNCEMENT_SENT, MAX_CHUNK_COUNT, MAX_CHUNK_HOLDERS,
    MAX_CHUNK_NAME, MAX_CHUNK_REQUEST,
};
use crate::node_id::NodeId;

fn decode(text: &str) -> Result<Vec<String>, AnnouncementError> {
    let announcement = LanAnnouncement::decode(text.as_bytes())?;
    Ok(announcement.chunks.iter().map(|name| name.as_str().to_owned()).collect())
}

#[test]
fn invalid_chunk_names_are_refused() {
    let long = format!("{}_1", "x".repeat(MAX_CHUNK_NAME));
    for bad in [
        "", "_1", "a", "a_", "a_0", "a_01", "a_+1", "a_1001", "a_99999", "a_x", "../a_1", "a/b_1", "/a_1",
        ".a_1", "a\n_1", "a\\b_1", "C:a_1", "~a_1", " _1", "a_1 ", &long,
    ] {
        assert!(bad.parse::<ChunkName>().is_err(), "{bad:?}");
    }
    for (good, file, number) in [("a_1", "a", 1), ("a_b_12", "a_b", 12), ("xx: y_1000", "xx: y", 1000)] {
        let name: ChunkName = good.parse().unwrap();
        assert_eq!((name.file(), name.number()), (file, number));
    }
}

#[test]
fn file_extensions_are_left_out() {
    let named = |file: &str| ChunkName::of_file(file, 3).map(|name| name.as_str().to_owned());
    assert_eq!(named("forest.png"), Ok("forest_3".into()));
    assert_eq!(named("a.tar.gz"), Ok("a.tar_3".into()));
    assert_eq!(named("forest"), Ok("forest_3".into()));
    assert!(named(".hidden").is_err());
}

#[test]
fn files_have_five_chunks_and_small_ones_fewer() {
    let lengths = |size: u64| {
        let cut = ChunkLayout::new(size, ChunkCount::default());
        let ranges = (1..=cut.chunk_count()).map(|number| cut.range(number).unwrap());
        ranges.map(|range| range.end - range.start).collect::<Vec<_>>()
    };
    assert_eq!(lengths(0), Vec::<u64>::new());
    assert_eq!(lengths(3), [1, 1, 1]);
    assert_eq!(lengths(6), [2, 2, 2]);
    assert_eq!(lengths(11), [3, 3, 3, 2]);
    assert_eq!(lengths(17), [4, 4, 4, 4, 1]);
    assert_eq!(lengths(100), [20; 5]);
    assert_eq!(lengths(101), [21, 21, 21, 21, 17]);
    assert!(ChunkCount::new(0).is_none() && ChunkCount::new(1001).is_none());
}

#[test]
fn lists_objects_and_extra_keys_are_read() {
    assert_eq!(decode(r#"{"chunks":["a_1","a_2"]}"#).unwrap(), ["a_1", "a_2"]);
    assert_eq!(decode(r#"{"chunks":{"a_1":"x","a_2":null}}"#).unwrap(), ["a_1", "a_2"]);
    assert_eq!(decode(r#"{"chunks":{"a":["a_1","a_2"]}}"#).unwrap(), ["a_1", "a_2"]);
    assert_eq!(decode(r#"{"chunks":{"1":"a_1","2":"a_2"}}"#).unwrap(), ["a_1", "a_2"]);
    assert_eq!(decode(r#"{"user":"ann","chunks":["a_1"],"x":{"y":[1e3]}}"#).unwrap(), ["a_1"]);
    assert_eq!(decode(r#"{"chunks":["../a_1", 7, null, ["a_2"], "a_3"]}"#).unwrap(), ["a_3"]);
    assert_eq!(decode(" {\"chunks\":[]} \n").unwrap(), Vec::<String>::new());
}

#[test]
fn invalid_announcements_are_distinguished() {
    let many = format!("{{\"chunks\":[{}]}}", vec!["\"a_1\""; MAX_ANNOUNCED + 1].join(","));
    assert_eq!(decode(&many), Err(AnnouncementError::TooManyChunks));
    let long = format!("{{\"chunks\":[]}}{}", " ".repeat(MAX_ANNOUNCEMENT));
    assert_eq!(decode(&long), Err(AnnouncementError::TooLong));
    let deep = format!("{{\"chunks\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    for bad in [
        "",
        "x",
        "[]",
        "[[\"a_1\"], null]",
        "{}",
        "{\"chunks\":7}",
        "{\"chunks\":[]}x",
        "{\"chunks\":[1e999]}",
        "{\"chunks\":[NaN]}",
        "{\"chunks\":[\"\\ud800\"]}",
        "\u{feff}{\"chunks\":[]}",
        "{\"chunks\":[],\"chunks\":[]}",
        &deep,
    ] {
        assert!(matches!(decode(bad), Err(AnnouncementError::Malformed(_))), "{bad:.40}");
    }
    assert!(matches!(LanAnnouncement::decode(b"\xff\xfe"), Err(AnnouncementError::Malformed(_))));
}

#[test]
fn invalid_cards_are_ignored() {
    for card in [
        "7",
        "{}",
        r#"{"version":2,"cookie":"0102030405060708"}"#,
        r#"{"version":1,"cookie":"x"}"#,
        r#"{"version":1,"cookie":"0102030405060708","port":0}"#,
        r#"{"version":1,"cookie":"0102030405060708","port":1}"#,
        r#"{"version":1,"cookie":"0102030405060708","digests":{"a_1":"x"}}"#,
    ] {
        let text = format!("{{\"chunks\":[\"a_1\"],\"peerdex\":{card}}}");
        let read = LanAnnouncement::decode(text.as_bytes()).unwrap();
        assert_eq!((read.chunks.len(), read.card), (1, None), "{card}");
    }
}

#[test]
fn requests_arrive_in_fragments() {
    let mut reader = RequestReader::default();
    let (last, rest) = br#"{"x": 1, "requested_content": "a_1"}"#.split_last().unwrap();
    for byte in rest {
        assert_eq!(reader.push(&[*byte]), Ok(None));
    }
    assert_eq!(reader.push(&[*last]).unwrap().unwrap().chunk.as_str(), "a_1");
    let push = |text: &[u8]| RequestReader::default().push(text);
    assert!(matches!(push(b"GET / HTTP/1.1"), Err(RequestError::Malformed(_))));
    assert!(matches!(push(br#"{"requested_content": "../x_1"}"#), Err(RequestError::Name(_))));
    assert!(matches!(push(br#"{"requested_content": 7}"#), Err(RequestError::Malformed(_))));
    assert_eq!(push(&[b' '; MAX_CHUNK_REQUEST + 1]), Err(RequestError::TooLong));
    assert_eq!(push(b""), Ok(None));
}

#[test]
fn request_key_selects_the_reply_format() {
    let read = |text: &str| RequestReader::default().push(text.as_bytes());
    let request = |variant| Ok(Some(ChunkRequest { chunk: "a_1".parse().unwrap(), format: variant }));
    assert_eq!(read(r#"{"requested_content": "a_1"}"#), request(ReplyFormat::Raw));
    assert_eq!(read(r#"{"requested content": "a_1"}"#), request(ReplyFormat::Json));
    assert_eq!(
        read(r#"{"requested content": "a_1", "requested_content": "a_1"}"#),
        request(ReplyFormat::Raw)
    );
    // Ambiguous keys and requests for encryption are refused.
    for text in [
        "{}",
        r#"{"key": "123"}"#,
        r#"{"requested secured content": "a_1"}"#,
        r#"{"requested content": "a_1", "requested content": "a_2"}"#,
    ] {
        assert!(matches!(read(text), Err(RequestError::Malformed(_))), "{text}");
    }
}

#[test]
fn invalid_lines_are_refused() {
    let crowd = vec!["1.2.3.4"; MAX_CHUNK_HOLDERS + 1].join(", ");
    for bad in
        ["", "a_1", "a_1:1.2.3.4", "a: 1.2.3.4", "a_1: ", "a_1: x", "a_1: 1.2.3.4,", &format!("a_1: {crowd}")]
    {
        assert!(bad.parse::<DictionaryLine>().is_err(), "{bad:?}");
    }
}

fn chunk_name() -> impl Strategy<Value = ChunkName> {
    let text = ("[a-zA-Z0-9é\"_ :,-]{1,100}", 1..=MAX_CHUNK_COUNT);
    text.prop_filter_map("a name", |(file, number)| format!("{file}_{number}").parse().ok())
}

fn card() -> impl Strategy<Value = Card> {
    let digest = any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let node = prop::option::of((any::<[u8; 32]>().prop_map(NodeId::from_bytes), 1_u16..));
    (any::<[u8; 8]>(), node, prop::collection::vec(digest, 0..40)).prop_map(|(cookie, node, contents)| Card {
        node,
        contents,
        ..Card::of(Cookie::from_bytes(cookie))
    })
}

fn announcement() -> impl Strategy<Value = LanAnnouncement> {
    let chunks = prop::collection::btree_map(chunk_name(), prop::option::of(any::<[u8; 32]>()), 0..60);
    let username = prop::option::of("[a-z]{1,24}");
    (chunks, prop::option::of(card()), username).prop_map(|(chunks, mut card, username)| {
        if let Some(card) = &mut card {
            let digests = chunks
                .iter()
                .filter_map(|(name, digest)| Some((name.clone(), Digest::from_bytes((*digest)?))));
            card.digests = digests.collect();
        }
        LanAnnouncement { chunks: chunks.into_keys().collect(), card, username }
    })
}

proptest! {
    #[test]
    fn datagrams_add_up_to_the_announcement(whole in announcement()) {
        let datagrams = whole.clone().datagrams();
        prop_assert_eq!(datagrams.is_empty(), whole.chunks.is_empty() && whole.card.is_none());
        let (mut chunks, mut digests, mut contents) = (Vec::new(), BTreeMap::new(), Vec::new());
        for datagram in datagrams {
            prop_assert!(datagram.len() <= MAX_ANNOUNCEMENT_SENT);
            let part = LanAnnouncement::decode(&datagram).unwrap();
            chunks.extend(part.chunks);
            let cookie = part.card.as_ref().map(|card| (card.cookie, card.node));
            prop_assert_eq!(cookie, whole.card.as_ref().map(|card| (card.cookie, card.node)));
            if let Some(card) = part.card {
                digests.extend(card.digests);
                contents.extend(card.contents);
            }
        }
        prop_assert_eq!(chunks, whole.chunks);
        let expected = whole.card.map(|card| (card.digests, card.contents)).unwrap_or_default();
        prop_assert_eq!((digests, contents), expected);
    }

    #[test]
    fn no_bytes_panic_a_parser(bytes: Vec<u8>, text in any::<String>()) {
        let _ = LanAnnouncement::decode(&bytes);
        let _ = RequestReader::default().push(&bytes);
        let _ = text.parse::<DictionaryLine>();
        let _ = text.parse::<ChunkName>();
    }

    #[test]
    fn requests_are_read_in_any_fragments(
        name in chunk_name(),
        variant in prop::sample::select(vec![ReplyFormat::Raw, ReplyFormat::Json]),
        cut in 1_usize..40,
    ) {
        prop_assert!(encode_request(&name, variant).len() <= MAX_CHUNK_REQUEST);
        let (mut reader, mut read) = (RequestReader::default(), None);
        for part in encode_request(&name, variant).chunks(cut) {
            prop_assert_eq!(read, None);
            read = reader.push(part).unwrap();
        }
        // With both keys, either reply format is accepted.
        prop_assert_eq!(read, Some(ChunkRequest { chunk: name, format: ReplyFormat::Raw }));
    }

    #[test]
    fn lines_round_trip(
        chunk in chunk_name(),
        holders in prop::collection::vec(any::<[u8; 4]>().prop_map(IpAddr::from), 1..=MAX_CHUNK_HOLDERS),
    ) {
        let line = DictionaryLine { chunk, holders };
        prop_assert_eq!(line.to_string().parse(), Ok(line));
    }

    #[test]
    fn chunks_tile_the_file_and_completeness_is_detected(size in 0_u64..=1 << 50, small in 0_u64..400, count in 1..=20_u16) {
        let count = ChunkCount::new(count).unwrap();
        for size in [size, small] {
            let cut = ChunkLayout::new(size, count);
            let (mut end, mut lengths) = (0, Vec::new());
            for number in 1..=cut.chunk_count() {
                let range = cut.range(number).unwrap();
                prop_assert!(range.start == end && range.end > end);
                end = range.end;
                lengths.push(range.end - range.start);
            }
            prop_assert_eq!(end, size);
            prop_assert!(cut.chunk_count() <= count.get() && cut.range(cut.chunk_count() + 1).is_none());
            prop_assert!(ChunkLayout::is_complete(&lengths, count));
            if cut.chunk_count() == count.get() {
                for (number, length) in (1..).zip(&lengths) {
                    let others = (1..).zip(lengths.iter().copied()).filter(|(other, _)| *other != number);
                    let rule = ChunkLengthRule::new(number, count, others);
                    let is_known = count.get() > 2 || number == 2;
                    prop_assert_eq!(rule.allows(*length), (is_known && count.get() > 1).then_some(true));
                    let too_short = length.checked_sub(u64::from(count.get()));
                    prop_assert_ne!(too_short.and_then(|short| rule.allows(short)), Some(true));
                    prop_assert_ne!(rule.allows(length + u64::from(count.get())), Some(true));
                }
            }
        }
    }
}
