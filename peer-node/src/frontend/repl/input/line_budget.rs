use super::keys::{PASTE_END, PASTE_START, TerminalKey};
use super::lines::MAX_LINE;

/// The maximum length of a text that is fed character by character, so that it works in a history search; a longer one is fed as
/// a paste, which is drawn once.
const MAX_TYPED_LEN: usize = 16;

/// The length from which a line is too expensive to redraw for every character, in bytes.
const LONG_LINE_LEN: usize = 512;

/// Deletes the text before the cursor.
const CTRL_U: u8 = 0x15;

/// Counts the bytes of a line that were fed to the line editor, and stops at the maximum length. Pure.
#[derive(Debug, Default)]
pub(super) struct LineBudget {
    spent: usize,
    is_exceeded: bool,
}

impl LineBudget {
    /// Starts a new line.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns true if a part of the line was dropped.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// Returns the bytes to feed for a key; none if it would make the line too long.
    pub(super) fn admit(&mut self, key: TerminalKey) -> Vec<u8> {
        match key {
            TerminalKey::Control(bytes) => {
                if bytes == [CTRL_U] {
                    self.reset();
                }
                bytes
            }
            TerminalKey::LineEnd(byte) => vec![byte],
            TerminalKey::Text(text) | TerminalKey::Paste(text) if self.exceeds(&text) => Vec::new(),
            TerminalKey::Text(text) if text.len() <= MAX_TYPED_LEN && self.spent <= LONG_LINE_LEN => {
                text.into_bytes()
            }
            TerminalKey::Text(text) | TerminalKey::Paste(text) => {
                [PASTE_START, text.as_bytes(), PASTE_END].concat()
            }
        }
    }

    fn exceeds(&mut self, text: &str) -> bool {
        self.spent = self.spent.saturating_add(text.len());
        self.is_exceeded |= self.spent > MAX_LINE;
        self.is_exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> TerminalKey {
        TerminalKey::Text("x".repeat(length))
    }

    #[test]
    fn short_texts_are_typed_and_long_ones_pasted() {
        let mut budget = LineBudget::default();
        assert_eq!(budget.admit(text(3)), b"xxx");
        assert_eq!(budget.admit(TerminalKey::Paste("a\nb".into())), b"\x1b[200~a\nb\x1b[201~");
        assert!(budget.admit(text(600)).starts_with(PASTE_START));
        // The line is long by now.
        assert_eq!(budget.admit(text(1)), b"\x1b[200~x\x1b[201~");
        budget.reset();
        assert_eq!(budget.admit(text(1)), b"x");
    }

    #[test]
    fn overlong_line_is_blocked_until_deleted() {
        let mut budget = LineBudget::default();
        assert!(!budget.admit(text(MAX_LINE)).is_empty() && !budget.is_exceeded());
        assert!(budget.admit(text(1)).is_empty() && budget.is_exceeded());
        assert_eq!(budget.admit(TerminalKey::LineEnd(b'\r')), b"\r");
        assert_eq!(budget.admit(TerminalKey::Control(vec![CTRL_U])), [CTRL_U]);
        assert!(!budget.is_exceeded());
        assert!(!budget.admit(text(1)).is_empty());
    }
}
