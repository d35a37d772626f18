use super::{DataText, JsonReply};

/// The longest text of a key, a name or an error that is kept, in bytes as it stands in the reply.
const MAX_TEXT: usize = 512;

/// How deep the values of other keys may be nested.
const MAX_DEPTH: usize = 128;

/// Finds out whether a reply is a JSON object, and where the chunk stands in it, while it comes in. It keeps nothing of the
/// chunk itself, so a reply may be of any length.
///
/// Whatever is not a single JSON object is raw. What stands in texts and numbers is not checked further than the end of the
/// object requires.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    state: State,
    escape: Escape,
    /// How many bytes were scanned.
    at: u64,
    key: Key,
    /// The key or the value that is being read, as it stands in the reply.
    text: Vec<u8>,
    /// The brackets that close the value that is being skipped, the innermost last.
    open: Vec<u8>,
    reply: JsonReply,
}

/// What is being read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
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
    /// It is not a JSON object.
    Raw,
}

/// Where in an escape sequence a text stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    /// So many hexadecimal digits are to come.
    Hex(u8),
}

/// Which value follows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Key {
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
            if self.state == State::Raw {
                return;
            }
            self.state = self.next(*byte);
            self.at += 1;
        }
    }

    /// Returns true if the reply cannot be a JSON object any more.
    pub fn is_raw(&self) -> bool {
        self.state == State::Raw
    }

    /// Returns the object once it is closed, with nothing but blanks behind it so far.
    pub fn whole(&self) -> Option<&JsonReply> {
        (self.state == State::AfterObject).then_some(&self.reply)
    }

    /// Returns the object, whole or not, at the end of the stream; none if the reply is raw.
    pub fn finish(mut self) -> Option<JsonReply> {
        match self.state {
            State::Raw | State::BeforeObject => return None,
            State::InText if self.key == Key::Data => self.end_data(),
            _ => {}
        }
        Some(self.reply)
    }

    fn next(&mut self, byte: u8) -> State {
        let is_blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self.state, byte) {
            (State::InKey | State::InText | State::InNestedText, _) => self.in_text(byte),
            (State::InScalar, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') => self.state,
            (State::InScalar, _) if is_blank => State::AfterValue,
            (State::InScalar | State::AfterValue, b',') => State::BeforeKey,
            (State::BeforeFirstKey | State::InScalar | State::AfterValue, b'}') => {
                self.reply.is_whole = true;
                State::AfterObject
            }
            (State::InNested, _) => self.in_nested(byte),
            (state, _) if is_blank => state,
            (State::BeforeObject, b'{') => State::BeforeFirstKey,
            (State::BeforeFirstKey | State::BeforeKey, b'"') => self.begin_text(State::InKey),
            (State::AfterKey, b':') => State::BeforeValue,
            (State::BeforeValue, _) => self.begin_value(byte),
            _ => State::Raw,
        }
    }

    fn begin_text(&mut self, state: State) -> State {
        self.text.clear();
        self.escape = Escape::None;
        state
    }

    fn begin_value(&mut self, byte: u8) -> State {
        match byte {
            b'"' => {
                if self.key == Key::Data {
                    let place = self.at + 1..self.at + 1;
                    self.reply.data = Some(DataText { place, is_base64: true });
                }
                self.begin_text(State::InText)
            }
            b'{' | b'[' => {
                self.open.clear();
                self.in_nested(byte)
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => State::InScalar,
            _ => State::Raw,
        }
    }

    /// Skips a byte of an object or a list within the object.
    fn in_nested(&mut self, byte: u8) -> State {
        match byte {
            b'"' => return self.begin_text(State::InNestedText),
            b'{' if self.open.len() < MAX_DEPTH => self.open.push(b'}'),
            b'[' if self.open.len() < MAX_DEPTH => self.open.push(b']'),
            b'{' | b'[' => return State::Raw,
            b'}' | b']' if self.open.pop() != Some(byte) => return State::Raw,
            b'}' | b']' if self.open.is_empty() => return State::AfterValue,
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => {}
            _ => return State::Raw,
        }
        State::InNested
    }

    fn in_text(&mut self, byte: u8) -> State {
        let is_end = byte == b'"' && self.escape == Escape::None;
        self.escape = match (self.escape, byte) {
            // Control characters stand in no text.
            (_, 0..b' ') => return State::Raw,
            (Escape::None, b'\\') => Escape::Begun,
            (Escape::Begun, b'u') => Escape::Hex(4),
            (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') | (Escape::None, _) => {
                Escape::None
            }
            (Escape::Hex(left), _) if byte.is_ascii_hexdigit() => match left {
                0 | 1 => Escape::None,
                left => Escape::Hex(left - 1),
            },
            _ => return State::Raw,
        };
        if is_end {
            return self.end_text();
        }
        match (self.state, self.key) {
            (State::InText, Key::Data) => {
                let is_base64 = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                if let Some(data) = &mut self.reply.data {
                    data.is_base64 &= is_base64;
                }
            }
            (State::InKey, _) | (State::InText, Key::Chunk | Key::Error) if self.text.len() < MAX_TEXT => {
                self.text.push(byte);
            }
            _ => {}
        }
        self.state
    }

    fn end_text(&mut self) -> State {
        match (self.state, self.key) {
            (State::InNestedText, _) => return State::InNested,
            (State::InKey, _) => {
                self.key = match unescaped(&self.text).as_str() {
                    "chunk name" | "chunk_name" => Key::Chunk,
                    "data" => Key::Data,
                    "error" => Key::Error,
                    _ => Key::Other,
                };
                return State::AfterKey;
            }
            (_, Key::Chunk) => self.reply.chunk = Some(unescaped(&self.text)),
            (_, Key::Error) => self.reply.error = Some(unescaped(&self.text)),
            (_, Key::Data) => self.end_data(),
            (_, Key::Other) => {}
        }
        State::AfterValue
    }

    fn end_data(&mut self) {
        if let Some(data) = &mut self.reply.data {
            data.place.end = self.at;
        }
    }
}

/// Returns the text that stands between quotes, or as much of it as can be shown if it was too long to be kept.
fn unescaped(text: &[u8]) -> String {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(text).into_owned())
}
