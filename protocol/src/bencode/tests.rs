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

/// Bytes that look like bencode more often than chance would have it.
fn scrap() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "i", "e", "l", "d", "0", "1", "3", "9", ":", "-", "1:a", "1:b", "0:", "i0e", "i-1e", "de", "le",
        "99", "x", " ",
    ]);
    vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
}

fn fault(document: impl AsRef<[u8]>) -> (Fault, usize) {
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
fn a_value_knows_where_it_stands() {
    let document = b"d1:ad1:bi7eee";
    let inner = parse(document).unwrap().get("a").unwrap();
    assert_eq!((inner.span(), inner.at()), (&b"d1:bi7ee"[..], 4));
    let number = inner.get("b").unwrap();
    assert_eq!((number.span(), number.at()), (&b"i7e"[..], 8));
}

#[test]
fn numbers_that_are_none_are_told_apart() {
    assert_eq!(fault("i-0e"), (Fault::NeedlessZero, 1));
    assert_eq!(fault("i03e"), (Fault::NeedlessZero, 1));
    assert_eq!(fault("i00e"), (Fault::NeedlessZero, 1));
    assert_eq!(fault("i-03e"), (Fault::NeedlessZero, 2));
    assert_eq!(fault("ie"), (Fault::NoDigits, 1));
    assert_eq!(fault("i-e"), (Fault::NoDigits, 2));
    assert_eq!(fault("i e"), (Fault::NotADigit { byte: b' ' }, 1));
    assert_eq!(fault("i--1e"), (Fault::NotADigit { byte: b'-' }, 2));
    assert_eq!(fault("i+1e"), (Fault::NotADigit { byte: b'+' }, 1));
    assert_eq!(fault("i1.5e"), (Fault::NotADigit { byte: b'.' }, 2));
    assert_eq!(fault("i1"), (Fault::BreaksOff, 2));
    assert_eq!(fault("i9223372036854775808e"), (Fault::TooLargeNumber, 1));
    assert_eq!(fault("i-9223372036854775809e"), (Fault::TooLargeNumber, 1));
    assert_eq!(fault(format!("i{}e", "1".repeat(1_000_000))), (Fault::TooLargeNumber, 1));
    assert_eq!(fault(format!("i{}e", "0".repeat(1_000_000))), (Fault::NeedlessZero, 1));
}

#[test]
fn strings_that_lie_about_their_length_are_refused() {
    assert_eq!(fault("4294967295:a"), (Fault::TooLongString { length: 4_294_967_295, left: 1 }, 0));
    assert_eq!(fault("5:ab"), (Fault::TooLongString { length: 5, left: 2 }, 0));
    assert_eq!(fault("18446744073709551615:"), (Fault::TooLongString { length: u64::MAX, left: 0 }, 0));
    assert_eq!(fault("99999999999999999999:"), (Fault::TooLargeNumber, 0));
    assert_eq!(fault("-1:a"), (Fault::NotAValue { byte: b'-' }, 0));
    assert_eq!(fault("01:a"), (Fault::NeedlessZero, 0));
    assert_eq!(fault("1 :a"), (Fault::NotADigit { byte: b' ' }, 1));
    assert_eq!(fault("1"), (Fault::BreaksOff, 1));
}

#[test]
fn dictionaries_out_of_order_are_refused() {
    assert_eq!(fault("d1:bi1e1:ai1ee"), (Fault::UnsortedKey, 7));
    assert_eq!(fault("d1:ai1e1:ai2ee"), (Fault::RepeatedKey, 7));
    assert_eq!(fault("di1ei2ee"), (Fault::KeyNotAString, 1));
    assert_eq!(fault("d1:ae"), (Fault::KeyWithoutValue, 4));
    assert_eq!(fault("d1:a"), (Fault::BreaksOff, 4));
    assert_eq!(fault("d"), (Fault::BreaksOff, 1));
}

#[test]
fn what_is_not_one_value_is_refused() {
    assert_eq!(fault(""), (Fault::BreaksOff, 0));
    assert_eq!(fault("  "), (Fault::NotAValue { byte: b' ' }, 0));
    assert_eq!(fault("e"), (Fault::NotAValue { byte: b'e' }, 0));
    assert_eq!(fault("\u{feff}de"), (Fault::NotAValue { byte: 0xef }, 0));
    assert_eq!(fault("de\n"), (Fault::TrailingBytes { count: 1 }, 2));
    assert_eq!(fault("i1ei2e"), (Fault::TrailingBytes { count: 3 }, 3));
}

#[test]
fn the_lenient_reader_takes_unsorted_keys_and_trailing_bytes() {
    let value = parse_lenient(b"d1:bi1e1:ai2e1:ai3ee\r\n").unwrap();
    assert_eq!(value.span(), b"d1:bi1e1:ai2e1:ai3ee");
    assert_eq!(value.get("a").and_then(|a| a.as_integer()), Some(2));
    for bad in ["i03e", "01:a", "d1:ae", "di1ei2ee", "5:a", ""] {
        assert!(parse_lenient(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let too_deep = (Fault::TooDeep { limit: MAX_BENCODE_DEPTH }, MAX_BENCODE_DEPTH);
    assert_eq!(fault("l".repeat(1_000_000)), too_deep);
    assert_eq!(fault("d1:a".repeat(1_000_000)).0, too_deep.0);
    let deepest = ["l".repeat(MAX_BENCODE_DEPTH), "e".repeat(MAX_BENCODE_DEPTH)].concat();
    assert!(parse(deepest.as_bytes()).is_ok());
}

#[test]
fn an_error_says_what_and_where_without_hurting_a_terminal() {
    let error = parse(b"li5e\x1b[2J").unwrap_err();
    assert_eq!(error.to_string(), "no value begins with the byte 0x1b at byte 4");
    assert_eq!(parse(b"i1xe").unwrap_err().to_string(), "`x` is no digit of a number at byte 2");
}

proptest! {
    #[test]
    fn reading_returns_what_was_written(tree in tree()) {
        let written = tree.encode();
        prop_assert_eq!(Tree::from(parse(&written).unwrap()), tree);
    }

    #[test]
    fn the_strict_reader_accepts_only_what_the_writer_writes(document in scrap()) {
        if let Ok(value) = parse(&document) {
            prop_assert_eq!(Tree::from(value).encode(), document);
        }
    }

    #[test]
    fn what_the_strict_reader_accepts_the_lenient_one_reads_alike(document in scrap()) {
        if let Ok(value) = parse(&document) {
            prop_assert_eq!(parse_lenient(&document), Ok(value));
        }
    }

    #[test]
    fn a_document_that_was_cut_is_refused(tree in tree(), cut: prop::sample::Index) {
        let written = tree.encode();
        let cut = written.get(..cut.index(written.len())).unwrap();
        prop_assert!(parse(cut).is_err() && parse_lenient(cut).is_err());
    }

    #[test]
    fn a_document_with_one_byte_changed_panics_nobody(tree in tree(), at: prop::sample::Index, byte: u8) {
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
    fn no_bytes_panic_the_reader(document: Vec<u8>) {
        let _ = (parse(&document), parse_lenient(&document));
    }
}
