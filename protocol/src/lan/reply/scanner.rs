use super::{DataText, JsonReply};

/// The maximum length of a stored key, name or error, in raw bytes of the reply.
const MAX_TEXT: usize = 512;

/// The maximum nesting depth of other values.
const MAX_DEPTH: usize = 128;

/// An incremental scanner that detects whether a reply is a JSON object and locates the chunk in it. It stores
/// nothing of the chunk itself, so replies may have any length.
///
/// Anything but a single JSON object is raw. Strings and numbers are only checked as far as necessary to find their
/// end.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    state: ScannerState,
    escape: EscapeState,
    /// The number of bytes scanned.
    offset: u64,
    key: ReplyKey,
    /// The key or value being read, with its escapes.
    text: Vec<u8>,
    /// The closing brackets that the skipped value still needs, the innermost last.
    open_brackets: Vec<u8>,
    reply: JsonReply,
}

/// The state of the scanner.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ScannerState {
    #[default]
    BeforeObject,
    BeforeFirstKey,
    BeforeKey,
    InKey,
    AfterKey,
    BeforeValue,
    InText,
    InScalar,
    InNested,
    InNestedText,
    AfterValue,
    AfterObject,
    /// The reply is not a JSON object.
    Raw,
}

/// The position within an escape sequence.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum EscapeState {
    #[default]
    None,
    Started,
    /// This many hexadecimal digits are still missing.
    Hex(u8),
}

/// The key of the current value.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ReplyKey {
    Chunk,
    Data,
    Error,
    #[default]
    Other,
}

impl ReplyScanner {
    /// Scans the next bytes of the reply.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.state == ScannerState::Raw {
                return;
            }
            self.state = self.next(*byte);
            self.offset += 1;
        }
    }

    /// Returns true if the reply can no longer be a JSON object.
    pub fn is_raw(&self) -> bool {
        self.state == ScannerState::Raw
    }

    /// Returns the object once it is closed and only whitespace has followed it so far.
    pub fn complete(&self) -> Option<&JsonReply> {
        (self.state == ScannerState::AfterObject).then_some(&self.reply)
    }

    /// Returns the object at the end of the stream, complete or not; `None` if the reply is raw.
    pub fn finish(mut self) -> Option<JsonReply> {
        match self.state {
            ScannerState::Raw | ScannerState::BeforeObject => return None,
            ScannerState::InText if self.key == ReplyKey::Data => self.end_data(),
            _ => {}
        }
        Some(self.reply)
    }

    fn next(&mut self, byte: u8) -> ScannerState {
        let is_blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self.state, byte) {
            (ScannerState::InKey | ScannerState::InText | ScannerState::InNestedText, _) => {
                self.in_text(byte)
            }
            (ScannerState::InScalar, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') => {
                self.state
            }
            (ScannerState::InScalar, _) if is_blank => ScannerState::AfterValue,
            (ScannerState::InScalar | ScannerState::AfterValue, b',') => ScannerState::BeforeKey,
            (ScannerState::BeforeFirstKey | ScannerState::InScalar | ScannerState::AfterValue, b'}') => {
                self.reply.is_complete = true;
                ScannerState::AfterObject
            }
            (ScannerState::InNested, _) => self.in_nested(byte),
            (state, _) if is_blank => state,
            (ScannerState::BeforeObject, b'{') => ScannerState::BeforeFirstKey,
            (ScannerState::BeforeFirstKey | ScannerState::BeforeKey, b'"') => {
                self.begin_text(ScannerState::InKey)
            }
            (ScannerState::AfterKey, b':') => ScannerState::BeforeValue,
            (ScannerState::BeforeValue, _) => self.begin_value(byte),
            _ => ScannerState::Raw,
        }
    }

    fn begin_text(&mut self, state: ScannerState) -> ScannerState {
        self.text.clear();
        self.escape = EscapeState::None;
        state
    }

    fn begin_value(&mut self, byte: u8) -> ScannerState {
        match byte {
            b'"' => {
                if self.key == ReplyKey::Data {
                    let range = self.offset + 1..self.offset + 1;
                    self.reply.data = Some(DataText { range, is_base64: true });
                }
                self.begin_text(ScannerState::InText)
            }
            b'{' | b'[' => {
                self.open_brackets.clear();
                self.in_nested(byte)
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => ScannerState::InScalar,
            _ => ScannerState::Raw,
        }
    }

    /// Skips a byte of a nested object or list.
    fn in_nested(&mut self, byte: u8) -> ScannerState {
        match byte {
            b'"' => return self.begin_text(ScannerState::InNestedText),
            b'{' if self.open_brackets.len() < MAX_DEPTH => self.open_brackets.push(b'}'),
            b'[' if self.open_brackets.len() < MAX_DEPTH => self.open_brackets.push(b']'),
            b'{' | b'[' => return ScannerState::Raw,
            b'}' | b']' if self.open_brackets.pop() != Some(byte) => return ScannerState::Raw,
            b'}' | b']' if self.open_brackets.is_empty() => return ScannerState::AfterValue,
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => {}
            _ => return ScannerState::Raw,
        }
        ScannerState::InNested
    }

    fn in_text(&mut self, byte: u8) -> ScannerState {
        let is_end = byte == b'"' && self.escape == EscapeState::None;
        self.escape = match (self.escape, byte) {
            // A JSON string contains no unescaped control characters.
            (_, 0..b' ') => return ScannerState::Raw,
            (EscapeState::None, b'\\') => EscapeState::Started,
            (EscapeState::Started, b'u') => EscapeState::Hex(4),
            (EscapeState::Started, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
            | (EscapeState::None, _) => EscapeState::None,
            (EscapeState::Hex(left), _) if byte.is_ascii_hexdigit() => match left {
                0 | 1 => EscapeState::None,
                left => EscapeState::Hex(left - 1),
            },
            _ => return ScannerState::Raw,
        };
        if is_end {
            return self.end_text();
        }
        match (self.state, self.key) {
            (ScannerState::InText, ReplyKey::Data) => {
                let is_base64 = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                if let Some(data) = &mut self.reply.data {
                    data.is_base64 &= is_base64;
                }
            }
            (ScannerState::InKey, _) | (ScannerState::InText, ReplyKey::Chunk | ReplyKey::Error)
                if self.text.len() < MAX_TEXT =>
            {
                self.text.push(byte);
            }
            _ => {}
        }
        self.state
    }

    fn end_text(&mut self) -> ScannerState {
        match (self.state, self.key) {
            (ScannerState::InNestedText, _) => return ScannerState::InNested,
            (ScannerState::InKey, _) => {
                self.key = match unescaped(&self.text).as_str() {
                    "chunk name" | "chunk_name" => ReplyKey::Chunk,
                    "data" => ReplyKey::Data,
                    "error" => ReplyKey::Error,
                    _ => ReplyKey::Other,
                };
                return ScannerState::AfterKey;
            }
            (_, ReplyKey::Chunk) => self.reply.chunk = Some(unescaped(&self.text)),
            (_, ReplyKey::Error) => self.reply.error = Some(unescaped(&self.text)),
            (_, ReplyKey::Data) => self.end_data(),
            (_, ReplyKey::Other) => {}
        }
        ScannerState::AfterValue
    }

    fn end_data(&mut self) {
        if let Some(data) = &mut self.reply.data {
            data.range.end = self.offset;
        }
    }
}

/// Decodes the text between the quotes; falls back to the raw text if it was truncated.
fn unescaped(text: &[u8]) -> String {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(text).into_owned())
}
