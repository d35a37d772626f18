//! Decodes the bytes of a terminal into keys that the line editor understands. Pure.
//!
//! The line editor fails on bytes that are not UTF-8, loses input after the end of a line in the same read, and inserts unknown
//! escape sequences as text. So it receives only decoded keys, one line at a time.

use super::lines::MAX_LINE;

const ESCAPE: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const DELETE: u8 = 0x7f;

/// The marks of the start and the end of a bracketed paste.
pub(super) const PASTE_START: &[u8] = b"\x1b[200~";
pub(super) const PASTE_END: &[u8] = b"\x1b[201~";

/// The maximum length of the parameters of a control sequence, in bytes; keys have at most five.
const MAX_SEQUENCE_LEN: usize = 30;

/// A typed key or a paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TerminalKey {
    /// Characters, typed or pasted without marks.
    Text(String),
    /// A bracketed paste, which may contain line feeds.
    Paste(String),
    /// A control character or an escape sequence.
    Control(Vec<u8>),
    /// A control character that may end a line: Enter, Ctrl-C, Ctrl-D.
    LineEnd(u8),
}

/// Decodes the bytes of a terminal, which may arrive in arbitrary parts.
#[derive(Debug, Default)]
pub(super) struct KeyDecoder {
    bytes: Vec<u8>,
    /// How many of the bytes are decoded.
    decoded: usize,
    /// The unfinished paste.
    paste: Option<PartialPaste>,
    is_replaced: bool,
}

/// An unfinished paste.
#[derive(Debug, Default)]
struct PartialPaste {
    text: String,
    /// Whether the last character was a carriage return: a line feed after it belongs to the same line end.
    after_return: bool,
}

/// The classification of an escape sequence.
#[derive(Debug, PartialEq, Eq)]
enum EscapeSequence {
    /// More bytes are needed.
    Incomplete,
    /// A key, with its length in bytes.
    Key(usize),
    /// Bytes that the line editor does not understand, with their number.
    Ignored(usize),
    PasteStart,
}

impl KeyDecoder {
    /// Adds bytes from the terminal.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // A single Ctrl-C leaves a paste whose end was lost.
        if self.paste.is_some() && bytes == [CTRL_C] {
            *self = Self::default();
        }
        self.bytes.drain(..self.decoded);
        self.decoded = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Discards everything that was not returned yet.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns true if input that is not text was replaced by U+FFFD since the last call.
    pub(super) fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.is_replaced)
    }

    /// Returns the next key; `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Option<TerminalKey> {
        loop {
            if self.paste.is_some() {
                return self.paste();
            }
            let rest = self.rest();
            match *rest.first()? {
                ESCAPE => match sequence(rest) {
                    EscapeSequence::Incomplete => return None,
                    EscapeSequence::Key(length) => return Some(TerminalKey::Control(self.take(length))),
                    EscapeSequence::Ignored(length) => self.decoded += length,
                    EscapeSequence::PasteStart => {
                        self.decoded += PASTE_START.len();
                        self.paste = Some(PartialPaste::default());
                    }
                },
                // The terminal's mark for a typed-ahead Ctrl-D; not a key of the line editor.
                0 => self.decoded += 1,
                end @ (b'\r' | b'\n' | CTRL_C | CTRL_D) => {
                    self.decoded += 1;
                    return Some(TerminalKey::LineEnd(end));
                }
                byte if is_control(byte) => return Some(TerminalKey::Control(self.take(1))),
                _ => return self.text().map(TerminalKey::Text),
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.decoded..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let taken = self.rest().get(..length).unwrap_or_default().to_vec();
        self.decoded += taken.len();
        taken
    }

    /// Decodes the characters up to the next control character.
    fn text(&mut self) -> Option<String> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| is_control(*byte));
        let run = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let (mut text, mut is_replaced) = (String::new(), false);
        let used = decode(run, end.is_some(), |character| {
            let is_shown = !character.is_control();
            is_replaced |= !is_shown || character == char::REPLACEMENT_CHARACTER;
            text.push(if is_shown { character } else { char::REPLACEMENT_CHARACTER });
        });
        self.decoded += used;
        self.is_replaced |= is_replaced;
        (!text.is_empty()).then_some(text)
    }

    /// Decodes the available part of a paste; returns the paste when it is complete.
    fn paste(&mut self) -> Option<TerminalKey> {
        let mut paste = self.paste.take()?;
        let rest = self.rest();
        let end = rest.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        // Without an end mark, the last bytes may be the start of one.
        let is_suffix =
            |length: &usize| PASTE_END.get(..*length).is_some_and(|marker| rest.ends_with(marker));
        let marker = (1..PASTE_END.len()).rev().find(is_suffix);
        let length = end.unwrap_or(rest.len() - marker.unwrap_or(0));
        let content = rest.get(..length).unwrap_or_default();
        let mut is_replaced = false;
        let used = decode(content, end.is_some() || marker.is_some(), |character| {
            is_replaced |= character == char::REPLACEMENT_CHARACTER;
            paste.push(character);
        });
        self.decoded += used;
        self.is_replaced |= is_replaced;
        if end.is_some() {
            self.decoded += PASTE_END.len();
            return Some(TerminalKey::Paste(paste.text));
        }
        self.paste = Some(paste);
        None
    }
}

impl PartialPaste {
    fn push(&mut self, character: char) {
        let after_return = std::mem::replace(&mut self.after_return, character == '\r');
        let character = match character {
            '\n' if after_return => return,
            '\r' => '\n',
            character => character,
        };
        // One character beyond the limit is kept, so that the line is recognised as too long.
        if self.text.len() <= MAX_LINE && (!character.is_control() || matches!(character, '\n' | '\t')) {
            self.text.push(character);
        }
    }
}

/// Decodes the characters of `bytes`, with U+FFFD for invalid UTF-8, and returns the number of decoded bytes. Unless
/// `is_complete`, an incomplete character at the end is left.
fn decode(bytes: &[u8], is_complete: bool, mut each: impl FnMut(char)) -> usize {
    let mut used = 0;
    loop {
        let rest = bytes.get(used..).unwrap_or_default();
        let error = match str::from_utf8(rest) {
            Ok(text) => {
                text.chars().for_each(&mut each);
                return bytes.len();
            }
            Err(error) => error,
        };
        let valid = rest.get(..error.valid_up_to()).unwrap_or_default();
        str::from_utf8(valid).unwrap_or_default().chars().for_each(&mut each);
        used += valid.len();
        match error.error_len() {
            Some(length) => used += length,
            None if is_complete => used = bytes.len(),
            None => return used,
        }
        each(char::REPLACEMENT_CHARACTER);
    }
}

/// Classifies bytes that start with an escape character.
fn sequence(bytes: &[u8]) -> EscapeSequence {
    match bytes.get(1) {
        None => EscapeSequence::Incomplete,
        Some(b'[') => control_sequence(bytes),
        Some(b'O') => match bytes.get(2) {
            None => EscapeSequence::Incomplete,
            Some(0x40..=0x7e) => EscapeSequence::Key(3),
            Some(_) => EscapeSequence::Ignored(2),
        },
        // Alt with a letter, or Alt-Backspace.
        Some(b' '..=b'~' | &DELETE | 0x08) => EscapeSequence::Key(2),
        // The escape key alone, followed by another key.
        Some(_) => EscapeSequence::Ignored(1),
    }
}

/// Classifies a control sequence (ECMA-48): parameters, intermediate bytes, one final byte.
fn control_sequence(bytes: &[u8]) -> EscapeSequence {
    if bytes.starts_with(PASTE_START) {
        return EscapeSequence::PasteStart;
    }
    let body = bytes.get(2..).unwrap_or_default();
    match body {
        [b'['] => return EscapeSequence::Incomplete,
        // Function keys of the Linux console, and keys of rxvt; in other sequences, `$` is an intermediate byte.
        [b'[', 0x40..=0x7e, ..] | [b'0'..=b'9', b'$', ..] => return EscapeSequence::Key(4),
        [b'[', ..] => return EscapeSequence::Ignored(3),
        _ => {}
    }
    let inner = body.iter().take(MAX_SEQUENCE_LEN).take_while(|byte| (0x20..0x40).contains(*byte)).count();
    let parameters = body.get(..inner).unwrap_or_default();
    match body.get(inner) {
        _ if inner == MAX_SEQUENCE_LEN => EscapeSequence::Ignored(2 + inner),
        None => EscapeSequence::Incomplete,
        Some(0x40..=0x7e) => {
            let mut numbers = parameters.split(|byte| *byte == b';');
            // Terminal reports and keys of extended protocols are ignored: the line editor would insert them as text.
            let is_key = numbers.by_ref().take(2).all(|number| number.iter().all(u8::is_ascii_digit));
            if is_key && numbers.next().is_none() {
                EscapeSequence::Key(3 + inner)
            } else {
                EscapeSequence::Ignored(3 + inner)
            }
        }
        Some(_) => EscapeSequence::Ignored(2 + inner),
    }
}

const fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == DELETE
}

#[cfg(test)]
mod tests;
