use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn scan(bytes: &[u8]) -> Option<JsonReply> {
    let mut scanner = ReplyScanner::default();
    scanner.push(bytes);
    scanner.finish()
}

fn content(text: &str) -> ReplyContent {
    scan(text.as_bytes()).map_or(ReplyContent::Raw, |reply| reply.content(&chunk()))
}

fn chunk() -> ChunkName {
    "forest_1".parse().unwrap()
}

fn data_range(text: &str) -> Option<&str> {
    let ReplyContent::Base64(range) = content(text) else { return None };
    text.get(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap())
}

#[test]
fn chunk_is_found_in_replies_of_real_programs() {
    for text in [
        r#"{"chunk name": "forest_1", "data": "iVBORw0K"}"#,
        r#"{"chunk_name": "forest_1", "data": "iVBORw0K", "team_info": "TEAM MEMBERS: Ann, Bob"}"#,
        r#"{"data":"iVBORw0K"}"#,
        "\n {\"x\": [1, {\"data\": \"bm8=\"}, \"}\\\"\"], \"y\": null, \"data\" : \"iVBORw0K\" } \n",
        r#"{"data": "bm8=", "data": "iVBORw0K", "size": -1.5e3}"#,
        r#"{"chunk name": "f\u006frest_1", "d\u0061ta": "iVBORw0K", "error": "none"}"#,
    ] {
        assert_eq!(data_range(text), Some("iVBORw0K"), "{text}");
    }
}

#[test]
fn json_without_the_chunk_is_recognized() {
    let reported = |text: &str| ReplyContent::Error(ChunkReplyError::Reported(text.to_owned()));
    assert_eq!(content(r#"{"error": "File not found"}"#), reported("File not found"));
    assert_eq!(content(r#"{"error": "no \"forest_1\"", "data": ""}"#), reported("no \"forest_1\""));
    let nothing = |error: ChunkReplyError| ReplyContent::Error(error);
    for (text, error) in [
        ("{}", ChunkReplyError::MissingData),
        (r#"{"status": 404}"#, ChunkReplyError::MissingData),
        (r#"{"chunk name": "forest_1", "data": ""}"#, ChunkReplyError::MissingData),
        (r#"{"chunk name": "forest_1", "encrypted chunk": "iVBORw0K"}"#, ChunkReplyError::MissingData),
        (r#"{"data": null}"#, ChunkReplyError::MissingData),
        (r#"{"data": "not base64"}"#, ChunkReplyError::NotBase64),
        (r#"{"data": "iVBO\nRw0K"}"#, ChunkReplyError::NotBase64),
        (r#"{"chunk name": "oak_1", "data": "iVBORw0K"}"#, ChunkReplyError::OtherChunk("oak_1".into())),
    ] {
        assert_eq!(content(text), nothing(error), "{text}");
    }
}

#[test]
fn truncated_json_is_an_error_truncated_raw_data_is_not() {
    for text in [
        r#"{"chunk name": "forest_1", "data": "iVBOR"#,
        r#"{"chunk name": "forest_1", "da"#,
        r#"{"data": "iVBORw0K"#,
        r#"{"error": "File not found""#,
    ] {
        assert_eq!(content(text), ReplyContent::Error(ChunkReplyError::Truncated), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        r#"{"name": "forest", "trees": [1, 2"#,
        r#"{"data": "two words"#,
        r#"{"chunk name": "oak_1", "trees": ["#,
        r#"{"data": ["#,
    ] {
        assert_eq!(content(text), ReplyContent::Raw, "{text}");
    }
}

#[test]
fn anything_but_one_object_is_raw() {
    let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(200), "]".repeat(200));
    for text in [
        "x",
        "[]",
        "\"iVBORw0K\"",
        "7",
        "{x}",
        "{,}",
        r#"{"a": 1,}"#,
        r#"{"a" 1}"#,
        r#"{"a": }"#,
        r#"{"a": [}}"#,
        r#"{"a": 1}x"#,
        "{\"a\": 1}\n{\"a\": 2}\n",
        "{\"data\": \"iVBORw0K\"}\n{\"data\": \"iVBORw0K\"}",
        r#"{"a": "\x"}"#,
        "{\"a\": \"line\nbreak\"}",
        &deep,
    ] {
        assert_eq!(content(text), ReplyContent::Raw, "{text}");
        assert!(scan(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn end_of_reply_is_known_before_end_of_stream() {
    let text = br#"{"chunk_name": "forest_1", "data": "iVBORw0K"}"#;
    let (last, rest) = text.split_last().unwrap();
    let mut scanner = ReplyScanner::default();
    scanner.push(rest);
    assert_eq!(scanner.complete(), None);
    scanner.push(&[*last, b'\n']);
    assert!(scanner.complete().unwrap().is_reply_to(&chunk()));
    scanner.push(b"x");
    assert!(scanner.is_raw() && scanner.complete().is_none());
    // Without a name, the object may be one line of a raw JSON Lines file.
    let mut scanner = ReplyScanner::default();
    scanner.push(br#"{"data": "iVBORw0K"}"#);
    assert!(!scanner.complete().unwrap().is_reply_to(&chunk()));
}

#[test]
fn long_texts_take_no_memory() {
    let mut scanner = ReplyScanner::default();
    scanner.push(br#"{"error": ""#);
    for _ in 0..100 {
        scanner.push(&[b'e'; 10_000]);
    }
    scanner.push(br#"", "data": ""#);
    for _ in 0..100 {
        scanner.push(&[b'A'; 10_000]);
    }
    let reply = scanner.finish().unwrap();
    assert_eq!(reply.error.map(|error| error.len()), Some(512));
    assert_eq!(reply.data.map(|data| data.range.end - data.range.start), Some(1_000_000));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{1,4}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn objects_are_read_in_any_fragments(
        others in prop::collection::btree_map("[a-cx-z]{1,5}", value(), 0..5),
        data in "[A-Za-z0-9+/]{4,60}",
        is_pretty in any::<bool>(),
        cut in 1_usize..20,
    ) {
        let mut object = json!(others);
        object["data"] = json!(data);
        let text = if is_pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
        // The scanner accepts only ASCII outside of strings, and serde_json writes nothing else there.
        let mut scanner = ReplyScanner::default();
        for part in text.as_bytes().chunks(cut) {
            scanner.push(part);
        }
        prop_assert!(scanner.complete().is_some(), "{}", text);
        prop_assert_eq!(data_range(&text), Some(data.as_str()));
    }

    #[test]
    fn no_bytes_panic_the_scanner(bytes: Vec<u8>, text in "[{}\\[\\]\":,\\\\u0a \n]{0,60}") {
        let _ = scan(&bytes);
        let _ = scan(text.as_bytes());
        // The scanner accepts every object that serde accepts.
        if serde_json::from_slice::<serde_json::Map<String, Value>>(text.as_bytes()).is_ok() {
            prop_assert!(scan(text.as_bytes()).is_some_and(|reply| reply.is_complete), "{}", text);
        }
    }
}
