//! Turns the bytes of a text into a text.

use std::borrow::Cow;

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};

/// What the bytes 0x80 to 0x9f mean in Windows-1252; five of them mean nothing.
const HIGH_CONTROLS: [char; 32] = [
    '€', '_', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '_', 'Ž', '_', '_', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '_', 'ž', 'Ÿ',
];

/// Numbers of code pages of Windows that torrents name and browsers do not.
const CODE_PAGES: [(&str, &Encoding); 5] =
    [("932", SHIFT_JIS), ("936", GBK), ("949", EUC_KR), ("950", BIG5), ("65001", UTF_8)];

/// Reads the texts of one torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextDecoder(Option<&'static Encoding>);

impl TextDecoder {
    /// Reads texts of which nobody says what they are.
    pub(super) const PLAIN: Self = Self(None);

    /// Reads texts in the encoding that the torrent names with the key `encoding`, if it is known.
    pub(super) fn for_label(label: &[u8]) -> Self {
        let code_page = label.trim_ascii().to_ascii_lowercase();
        let number =
            [b"cp".as_slice(), b"ms", b"windows-"].iter().find_map(|name| code_page.strip_prefix(*name));
        let code_page = CODE_PAGES.iter().find(|(page, _)| number == Some(page.as_bytes()));
        let encoding = code_page.map(|(_, encoding)| *encoding).or_else(|| Encoding::for_label(label));
        // Both are read in any case.
        Self(encoding.filter(|encoding| ![UTF_8, WINDOWS_1252].contains(encoding)))
    }

    /// Returns true if what is not UTF-8 is read in an encoding that the torrent names.
    pub(super) const fn is_declared(self) -> bool {
        self.0.is_some()
    }

    /// Reads UTF-8, which BEP 3 demands. What is not is read in the encoding that the torrent names. If it has none, or is not
    /// in that either, it is taken for Windows-1252, so that different names stay different and their ASCII letters right.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        let told = self.0.and_then(|it| it.decode_without_bom_handling_and_without_replacement(bytes));
        told.unwrap_or_else(|| Cow::Owned(bytes.iter().copied().map(windows_1252).collect()))
    }
}

fn windows_1252(byte: u8) -> char {
    let control = byte.checked_sub(0x80).and_then(|number| HIGH_CONTROLS.get(usize::from(number)));
    control.copied().unwrap_or(char::from(byte))
}
