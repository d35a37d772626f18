use super::check::{Rules, skip_value};
use super::scanner::Scanner;

/// A value of a checked document: a view of its original bytes.
///
/// Access to parts of a value walks its bytes and copies nothing. Each key lookup walks the dictionary from its
/// beginning; for many keys, iterate over [`Entries`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    span: &'a [u8],
    offset: usize,
}

impl<'a> Value<'a> {
    pub(super) const fn new(span: &'a [u8], at: usize) -> Self {
        Self { span, offset: at }
    }

    /// Returns the original bytes of the value.
    pub const fn span(&self) -> &'a [u8] {
        self.span
    }

    /// Returns the value's offset in the document.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the name of its type, for messages.
    pub const fn kind(&self) -> &'static str {
        match self.span.first() {
            Some(b'i') => "an integer",
            Some(b'l') => "a list",
            Some(b'd') => "a dictionary",
            _ => "a string",
        }
    }

    /// Returns the number if it is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        (self.span.first() == Some(&b'i')).then(|| Scanner::new(self.span).integer().ok()).flatten()
    }

    /// Returns the number if it is an integer that is not negative.
    pub fn as_unsigned(&self) -> Option<u64> {
        self.as_integer().and_then(|number| number.try_into().ok())
    }

    /// Returns the bytes if it is a string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        self.span
            .first()
            .is_some_and(u8::is_ascii_digit)
            .then(|| Scanner::new(self.span).string().ok())
            .flatten()
    }

    /// Returns the text if it is a string in UTF-8.
    pub fn as_text(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Returns its items if it is a list.
    pub fn as_list(&self) -> Option<Items<'a>> {
        (self.span.first() == Some(&b'l')).then(|| Items(ValueReader::contents_of(*self)))
    }

    /// Returns its keys and values if it is a dictionary, in their original order.
    pub fn as_dictionary(&self) -> Option<Entries<'a>> {
        (self.span.first() == Some(&b'd')).then(|| Entries(ValueReader::contents_of(*self)))
    }

    /// Returns the first value of `key` if it is a dictionary that has the key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Self> {
        let key = key.as_ref();
        self.as_dictionary()?.find(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

/// The values of a list, in order.
#[derive(Debug, Clone)]
pub struct Items<'a>(ValueReader<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next_value()
    }
}

/// The keys and values of a dictionary, in their original order.
#[derive(Debug, Clone)]
pub struct Entries<'a>(ValueReader<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next_value()?.as_bytes()?;
        Some((key, self.0.next_value()?))
    }
}

/// Walks the values between the first and the last byte of a list or dictionary.
#[derive(Debug, Clone)]
struct ValueReader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> ValueReader<'a> {
    fn contents_of(value: Value<'a>) -> Self {
        Self { rest: value.span.get(1..value.span.len() - 1).unwrap_or_default(), offset: value.offset + 1 }
    }

    /// Returns the next value. The document was checked, so the rest is either empty or begins with a value.
    fn next_value(&mut self) -> Option<Value<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut scanner = Scanner::new(self.rest);
        skip_value(&mut scanner, Rules::Lenient).ok()?;
        let (span, rest) = self.rest.split_at_checked(scanner.offset())?;
        let value = Value::new(span, self.offset);
        (self.rest, self.offset) = (rest, self.offset + span.len());
        Some(value)
    }
}
