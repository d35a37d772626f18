//! Decodes the texts of a torrent.

use std::borrow::Cow;

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};

/// The characters 0x80 to 0x9f of Windows-1252; `_` for its five undefined bytes.
const HIGH_CONTROLS: [char; 32] = [
    '€', '_', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '_', 'Ž', '_', '_', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '_', 'ž', 'Ÿ',
];

/// Windows code pages that torrents name but the WHATWG encoding labels lack.
const CODE_PAGES: [(&str, &Encoding); 5] =
    [("932", SHIFT_JIS), ("936", GBK), ("949", EUC_KR), ("950", BIG5), ("65001", UTF_8)];

/// A decoder for the texts of one torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextDecoder(Option<&'static Encoding>);

impl TextDecoder {
    /// Decodes texts without a declared encoding.
    pub(super) const PLAIN: Self = Self(None);

    /// Decodes texts in the encoding that the torrent declares with the key `encoding`, if it is supported.
    pub(super) fn for_label(label: &[u8]) -> Self {
        let code_page = label.trim_ascii().to_ascii_lowercase();
        let number =
            [b"cp".as_slice(), b"ms", b"windows-"].iter().find_map(|name| code_page.strip_prefix(*name));
        let code_page = CODE_PAGES.iter().find(|(page, _)| number == Some(page.as_bytes()));
        let encoding = code_page.map(|(_, encoding)| *encoding).or_else(|| Encoding::for_label(label));
        // `decode` tries these two in any case.
        Self(encoding.filter(|encoding| ![UTF_8, WINDOWS_1252].contains(encoding)))
    }

    /// Returns true if texts that are not UTF-8 are decoded in an encoding that the torrent declares.
    pub(super) const fn is_declared(self) -> bool {
        self.0.is_some()
    }

    /// Decodes UTF-8, which BEP 3 demands. Other texts are decoded in the declared encoding, or in Windows-1252 if
    /// there is none or it does not match: different names remain different, and ASCII letters remain readable.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        let decoded =
            self.0.and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes));
        decoded.unwrap_or_else(|| Cow::Owned(bytes.iter().copied().map(windows_1252).collect()))
    }
}

fn windows_1252(byte: u8) -> char {
    let control = byte.checked_sub(0x80).and_then(|number| HIGH_CONTROLS.get(usize::from(number)));
    control.copied().unwrap_or(char::from(byte))
}
