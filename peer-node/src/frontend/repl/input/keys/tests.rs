use proptest::prelude::*;

use super::*;

/// Decodes bytes that arrive in parts.
fn decoded(portions: &[&[u8]]) -> (Vec<TerminalKey>, bool) {
    let mut decoder = KeyDecoder::default();
    let mut keys: Vec<TerminalKey> = Vec::new();
    for portion in portions {
        decoder.push(portion);
        while let Some(key) = decoder.next() {
            match (keys.last_mut(), key) {
                (Some(TerminalKey::Text(before)), TerminalKey::Text(text)) => before.push_str(&text),
                (_, key) => keys.push(key),
            }
        }
    }
    (keys, decoder.take_replaced())
}

fn keys(bytes: &[u8]) -> Vec<TerminalKey> {
    decoded(&[bytes]).0
}

fn text(text: &str) -> TerminalKey {
    TerminalKey::Text(text.to_owned())
}

fn control(bytes: &[u8]) -> TerminalKey {
    TerminalKey::Control(bytes.to_vec())
}

#[test]
fn lines_in_one_read_are_separated() {
    assert_eq!(
        keys(b"search w0\rsearch w1\nq"),
        [
            text("search w0"),
            TerminalKey::LineEnd(b'\r'),
            text("search w1"),
            TerminalKey::LineEnd(b'\n'),
            text("q")
        ]
    );
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_reported() {
    assert_eq!(decoded(&[b"caf\xe9 x\r"]), (vec![text("caf\u{fffd} x"), TerminalKey::LineEnd(b'\r')], true));
    assert_eq!(decoded(&[b"\xff\xfe"]), (vec![text("\u{fffd}\u{fffd}")], true));
    // A C1 control character is valid UTF-8, and drives terminals.
    assert_eq!(decoded(&["a\u{9b}b".as_bytes()]), (vec![text("a\u{fffd}b")], true));
    assert_eq!(decoded(&["café".as_bytes()]), (vec![text("café")], false));
}

#[test]
fn a_character_may_arrive_in_two_reads() {
    assert_eq!(decoded(&[b"caf\xc3", b"\xa9"]), (vec![text("café")], false));
    assert_eq!(decoded(&[b"caf\xc3", b"\r"]), (vec![text("caf\u{fffd}"), TerminalKey::LineEnd(b'\r')], true));
}

#[test]
fn only_editor_keys_pass_through() {
    for key in
        [&b"\x1b[A"[..], b"\x1b[1;5D", b"\x1b[3~", b"\x1b[3$", b"\x1bOP", b"\x1bb", b"\x1b\x7f", b"\x1b[[A"]
    {
        assert_eq!(keys(key), [control(key)]);
    }
    // A cursor report with a question mark, the answer to a mode request, a key of an extended protocol.
    for answer in [&b"\x1b[?62;c"[..], b"\x1b[?2026;1$y", b"\x1b[27;5;13~", b"\x1b[<0;1;1M"] {
        assert_eq!(keys(answer), []);
    }
    assert_eq!(keys(b"\x1b\x1b[A"), [control(b"\x1b[A")]);
    assert_eq!(keys(b"\x1b\r"), [TerminalKey::LineEnd(b'\r')]);
    assert_eq!(keys(b"\x1b\xc3\xa9"), [text("é")]);
    assert_eq!(keys(b"\x00\t\x01"), [control(b"\t"), control(b"\x01")]);
}

#[test]
fn bracketed_paste_is_one_key_without_controls() {
    let whole = [TerminalKey::Paste("files\nstatus".to_owned()), TerminalKey::LineEnd(b'\r')];
    assert_eq!(keys(b"\x1b[200~files\r\n\x03status\x1b[201~\r"), whole);
    assert_eq!(decoded(&[b"\x1b[20", b"0~files\r", b"status\x1b[", b"201~\r"]).0, whole);
    let escape = keys(b"\x1b[200~a\x1b[31mb\x1b[201~");
    assert_eq!(escape, [TerminalKey::Paste("a[31mb".to_owned())]);
}

#[test]
fn ctrl_c_leaves_a_paste_whose_end_was_lost() {
    assert_eq!(decoded(&[b"\x1b[200~files", b"\x03", b"q"]).0, [TerminalKey::LineEnd(CTRL_C), text("q")]);
}

#[test]
fn endless_paste_uses_bounded_memory() {
    let mut decoder = KeyDecoder::default();
    decoder.push(PASTE_START);
    for _ in 0..64 {
        decoder.push(&vec![b'x'; 64 << 10]);
        assert_eq!(decoder.next(), None);
    }
    decoder.push(PASTE_END);
    assert!(matches!(decoder.next(), Some(TerminalKey::Paste(paste)) if paste.len() == MAX_LINE + 1));
    assert!(decoder.bytes.capacity() < 1 << 20);
}

/// Generates bytes with a special meaning, in parts.
fn portions() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..4),
        2 => "[a-zé\r\n]{0,6}".prop_map(String::into_bytes),
        1 => Just(PASTE_START.to_vec()),
        1 => Just(PASTE_END.to_vec()),
        1 => "\u{1b}\\[[0-9;?$]{0,5}[A-Z~]?".prop_map(String::into_bytes),
    ];
    // A lone Ctrl-C has a meaning that depends on the parts.
    let piece = piece.prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != CTRL_C).collect());
    prop::collection::vec(piece, 0..12)
}

proptest! {
    #[test]
    fn decoding_is_independent_of_chunking(portions in portions()) {
        let slices: Vec<&[u8]> = portions.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(decoded(&slices), decoded(&[&portions.concat()]));
    }

    #[test]
    fn arbitrary_bytes_decode_to_well_formed_keys(portions in portions()) {
        let slices: Vec<&[u8]> = portions.iter().map(Vec::as_slice).collect();
        for key in decoded(&slices).0 {
            match key {
                TerminalKey::Text(text) => prop_assert!(!text.is_empty() && !text.contains(char::is_control)),
                TerminalKey::Paste(text) => {
                    prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
                }
                TerminalKey::Control(bytes) => {
                    prop_assert!(str::from_utf8(&bytes).is_ok());
                    prop_assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 3 | 4)));
                }
                TerminalKey::LineEnd(byte) => prop_assert!(matches!(byte, b'\r' | b'\n' | 3 | 4)),
            }
        }
    }
}
