use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::limits::MAX_BENCODE_DEPTH;

fn tree() -> impl Strategy<Value = Tree> {
    let leaf =
        prop_oneof![any::<i64>().prop_map(Tree::Integer), vec(any::<u8>(), 0..40).prop_map(Tree::Bytes),];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Tree::List),
            btree_map(vec(any::<u8>(), 0..8), inner, 0..6).prop_map(Tree::Dictionary),
        ]
    })
}

/// Generates bytes that resemble bencode more often than random ones.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "i", "e", "l", "d", "0", "1", "3", "9", ":", "-", "1:a", "1:b", "0:", "i0e", "i-1e", "de", "le",
        "99", "x", " ",
    ]);
    vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
}

fn fault(document: impl AsRef<[u8]>) -> (BencodeFault, usize) {
    let error = parse(document.as_ref()).unwrap_err();
    (error.fault, error.at)
}

#[test]
fn every_kind_of_value_is_read() {
    let document = b"d3:bigi9223372036854775807e4:listl0:3:abci-5ee4:zeroi0ee";
    let value = parse(document).unwrap();
    assert_eq!(value.get("big").and_then(|big| big.as_integer()), Some(i64::MAX));
    let items: Vec<_> = value.get("list").unwrap().as_list().unwrap().collect();
    assert_eq!(items[0].as_bytes(), Some(&b""[..]));
    assert_eq!(items[1].as_text(), Some("abc"));
    assert_eq!((items[2].as_integer(), items[2].as_unsigned()), (Some(-5), None));
    assert_eq!(value.get("zero").and_then(|zero| zero.as_unsigned()), Some(0));
    assert_eq!(value.get("none"), None);
    assert_eq!(parse(b"i-9223372036854775808e").unwrap().as_integer(), Some(i64::MIN));
}

#[test]
fn value_knows_its_offset() {
    let document = b"d1:ad1:bi7eee";
    let inner = parse(document).unwrap().get("a").unwrap();
    assert_eq!((inner.span(), inner.offset()), (&b"d1:bi7ee"[..], 4));
    let number = inner.get("b").unwrap();
    assert_eq!((number.span(), number.offset()), (&b"i7e"[..], 8));
}

#[test]
fn invalid_numbers_are_distinguished() {
    assert_eq!(fault("i-0e"), (BencodeFault::LeadingZero, 1));
    assert_eq!(fault("i03e"), (BencodeFault::LeadingZero, 1));
    assert_eq!(fault("i00e"), (BencodeFault::LeadingZero, 1));
    assert_eq!(fault("i-03e"), (BencodeFault::LeadingZero, 2));
    assert_eq!(fault("ie"), (BencodeFault::MissingDigits, 1));
    assert_eq!(fault("i-e"), (BencodeFault::MissingDigits, 2));
    assert_eq!(fault("i e"), (BencodeFault::InvalidDigit { byte: b' ' }, 1));
    assert_eq!(fault("i--1e"), (BencodeFault::InvalidDigit { byte: b'-' }, 2));
    assert_eq!(fault("i+1e"), (BencodeFault::InvalidDigit { byte: b'+' }, 1));
    assert_eq!(fault("i1.5e"), (BencodeFault::InvalidDigit { byte: b'.' }, 2));
    assert_eq!(fault("i1"), (BencodeFault::Truncated, 2));
    assert_eq!(fault("i9223372036854775808e"), (BencodeFault::NumberTooLarge, 1));
    assert_eq!(fault("i-9223372036854775809e"), (BencodeFault::NumberTooLarge, 1));
    assert_eq!(fault(format!("i{}e", "1".repeat(1_000_000))), (BencodeFault::NumberTooLarge, 1));
    assert_eq!(fault(format!("i{}e", "0".repeat(1_000_000))), (BencodeFault::LeadingZero, 1));
}

#[test]
fn strings_with_wrong_lengths_are_refused() {
    assert_eq!(fault("4294967295:a"), (BencodeFault::StringTooLong { length: 4_294_967_295, left: 1 }, 0));
    assert_eq!(fault("5:ab"), (BencodeFault::StringTooLong { length: 5, left: 2 }, 0));
    assert_eq!(
        fault("18446744073709551615:"),
        (BencodeFault::StringTooLong { length: u64::MAX, left: 0 }, 0)
    );
    assert_eq!(fault("99999999999999999999:"), (BencodeFault::NumberTooLarge, 0));
    assert_eq!(fault("-1:a"), (BencodeFault::InvalidValue { byte: b'-' }, 0));
    assert_eq!(fault("01:a"), (BencodeFault::LeadingZero, 0));
    assert_eq!(fault("1 :a"), (BencodeFault::InvalidDigit { byte: b' ' }, 1));
    assert_eq!(fault("1"), (BencodeFault::Truncated, 1));
}

#[test]
fn unsorted_dictionaries_are_refused() {
    assert_eq!(fault("d1:bi1e1:ai1ee"), (BencodeFault::UnsortedKey, 7));
    assert_eq!(fault("d1:ai1e1:ai2ee"), (BencodeFault::DuplicateKey, 7));
    assert_eq!(fault("di1ei2ee"), (BencodeFault::KeyNotAString, 1));
    assert_eq!(fault("d1:ae"), (BencodeFault::MissingValue, 4));
    assert_eq!(fault("d1:a"), (BencodeFault::Truncated, 4));
    assert_eq!(fault("d"), (BencodeFault::Truncated, 1));
}

#[test]
fn anything_but_one_value_is_refused() {
    assert_eq!(fault(""), (BencodeFault::Truncated, 0));
    assert_eq!(fault("  "), (BencodeFault::InvalidValue { byte: b' ' }, 0));
    assert_eq!(fault("e"), (BencodeFault::InvalidValue { byte: b'e' }, 0));
    assert_eq!(fault("\u{feff}de"), (BencodeFault::InvalidValue { byte: 0xef }, 0));
    assert_eq!(fault("de\n"), (BencodeFault::TrailingBytes { count: 1 }, 2));
    assert_eq!(fault("i1ei2e"), (BencodeFault::TrailingBytes { count: 3 }, 3));
}

#[test]
fn lenient_parser_accepts_unsorted_keys_and_trailing_bytes() {
    let value = parse_lenient(b"d1:bi1e1:ai2e1:ai3ee\r\n").unwrap();
    assert_eq!(value.span(), b"d1:bi1e1:ai2e1:ai3ee");
    assert_eq!(value.get("a").and_then(|a| a.as_integer()), Some(2));
    for bad in ["i03e", "01:a", "d1:ae", "di1ei2ee", "5:a", ""] {
        assert!(parse_lenient(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let too_deep = (BencodeFault::TooDeep { limit: MAX_BENCODE_DEPTH }, MAX_BENCODE_DEPTH);
    assert_eq!(fault("l".repeat(1_000_000)), too_deep);
    assert_eq!(fault("d1:a".repeat(1_000_000)).0, too_deep.0);
    let deepest = ["l".repeat(MAX_BENCODE_DEPTH), "e".repeat(MAX_BENCODE_DEPTH)].concat();
    assert!(parse(deepest.as_bytes()).is_ok());
}

#[test]
fn errors_name_fault_and_offset_and_are_display_safe() {
    let error = parse(b"li5e\x1b[2J").unwrap_err();
    assert_eq!(error.to_string(), "no value begins with the byte 0x1b at byte 4");
    assert_eq!(parse(b"i1xe").unwrap_err().to_string(), "`x` is not a digit at byte 2");
}

proptest! {
    #[test]
    fn parsing_returns_what_was_encoded(tree in tree()) {
        let written = tree.encode();
        prop_assert_eq!(Tree::from(parse(&written).unwrap()), tree);
    }

    #[test]
    fn strict_parser_accepts_only_canonical_encodings(document in fragment()) {
        if let Ok(value) = parse(&document) {
            prop_assert_eq!(Tree::from(value).encode(), document);
        }
    }

    #[test]
    fn lenient_parser_agrees_with_the_strict_one(document in fragment()) {
        if let Ok(value) = parse(&document) {
            prop_assert_eq!(parse_lenient(&document), Ok(value));
        }
    }

    #[test]
    fn truncated_documents_are_refused(tree in tree(), cut: prop::sample::Index) {
        let written = tree.encode();
        let cut = written.get(..cut.index(written.len())).unwrap();
        prop_assert!(parse(cut).is_err() && parse_lenient(cut).is_err());
    }

    #[test]
    fn one_changed_byte_never_panics(tree in tree(), at: prop::sample::Index, byte: u8) {
        let mut written = tree.encode();
        let at = at.index(written.len());
        written[at] = byte;
        if let Ok(value) = parse_lenient(&written) {
            let _ = Tree::from(value);
        }
        if let Ok(value) = parse(&written) {
            prop_assert_eq!(Tree::from(value).encode(), written);
        }
    }

    #[test]
    fn no_bytes_panic_the_parser(document: Vec<u8>) {
        let _ = (parse(&document), parse_lenient(&document));
    }
}
