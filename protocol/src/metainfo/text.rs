//! Turns the bytes of a text into a text.

use std::borrow::Cow;

/// What the bytes 0x80 to 0x9f mean in Windows-1252; five of them mean nothing.
const HIGH_CONTROLS: [char; 32] = [
    '€', '_', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '_', 'Ž', '_', '_', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '_', 'ž', 'Ÿ',
];

/// Reads UTF-8, which BEP 3 demands; what is not is taken for Windows-1252, so that different names stay different and
/// their ASCII letters right.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(western).collect()),
    }
}

fn western(byte: u8) -> char {
    let control = byte.checked_sub(0x80).and_then(|number| HIGH_CONTROLS.get(usize::from(number)));
    control.copied().unwrap_or(char::from(byte))
}
