use thiserror::Error;

/// An error in a bencoded document, with its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{fault} at byte {at}")]
pub struct BencodeError {
    /// What is wrong.
    pub fault: BencodeFault,
    /// The byte offset of the error, from 0.
    pub at: usize,
}

/// What is wrong with a bencoded document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BencodeFault {
    /// The document ends before the value does.
    #[error("the document ends unexpectedly")]
    Truncated,
    /// A byte that cannot begin a value.
    #[error("no value begins with {}", display_byte(*byte))]
    InvalidValue {
        /// The byte.
        byte: u8,
    },
    /// A byte in a number that is not a digit.
    #[error("{} is not a digit", display_byte(*byte))]
    InvalidDigit {
        /// The byte.
        byte: u8,
    },
    /// A number has no digits.
    #[error("a number without digits")]
    MissingDigits,
    /// A number begins with a superfluous zero, or is `-0`.
    #[error("a number with a leading zero")]
    LeadingZero,
    /// A number does not fit in 64 bits.
    #[error("a number of more than 64 bits")]
    NumberTooLarge,
    /// A string is longer than the rest of the document.
    #[error("a string of {length} bytes with only {left} bytes left")]
    StringTooLong {
        /// The claimed length.
        length: u64,
        /// The number of bytes that follow.
        left: usize,
    },
    /// Lists and dictionaries are nested too deep.
    #[error("lists and dictionaries nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A key of a dictionary is not a string.
    #[error("a key that is not a string")]
    KeyNotAString,
    /// A dictionary ends after a key.
    #[error("a key without a value")]
    MissingValue,
    /// A key is smaller than the one before it.
    #[error("a key that is out of order")]
    UnsortedKey,
    /// A key occurs twice.
    #[error("a duplicate key")]
    DuplicateKey,
    /// Bytes follow the value.
    #[error("{count} bytes after the end of the value")]
    TrailingBytes {
        /// The number of bytes.
        count: usize,
    },
}

/// Formats a byte so that it is safe to display on a terminal.
fn display_byte(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("the byte 0x{byte:02x}") }
}
