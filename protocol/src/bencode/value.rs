use super::check::{Rules, skip_value};
use super::scanner::Scanner;

/// A value of a checked document: a view of the bytes it was written in.
///
/// Taking a value apart walks its bytes and copies nothing. Looking up a key walks the dictionary from its beginning, so
/// whoever needs many keys goes through [`Entries`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    span: &'a [u8],
    offset: usize,
}

impl<'a> Value<'a> {
    pub(super) const fn new(span: &'a [u8], at: usize) -> Self {
        Self { span, offset: at }
    }

    /// Returns the bytes it was written in, from its first to its last.
    pub const fn span(&self) -> &'a [u8] {
        self.span
    }

    /// Returns where in the document it begins.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Names what it is, for a message.
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

    /// Returns what is in it if it is a list.
    pub fn as_list(&self) -> Option<Items<'a>> {
        (self.span.first() == Some(&b'l')).then(|| Items(ValueReader::contents_of(*self)))
    }

    /// Returns keys and values if it is a dictionary, in the order in which they were written.
    pub fn as_dictionary(&self) -> Option<Entries<'a>> {
        (self.span.first() == Some(&b'd')).then(|| Entries(ValueReader::contents_of(*self)))
    }

    /// Returns the value of a key if it is a dictionary that has it; of several, the first.
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

/// The keys and values of a dictionary, in the order in which they were written.
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

    /// Takes the next value. The document was checked, so what is left either is empty or begins with one.
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
