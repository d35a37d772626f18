use thiserror::Error;

/// Tells what is wrong with a bencoded document, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{fault} at byte {at}")]
pub struct BencodeError {
    /// What is wrong.
    pub fault: BencodeFault,
    /// The byte it was found at, counted from 0.
    pub at: usize,
}

/// Tells what is wrong with a bencoded document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BencodeFault {
    /// The document ends before the value does.
    #[error("the document breaks off")]
    Truncated,
    /// Something stands where a value should begin.
    #[error("no value begins with {}", display_byte(*byte))]
    InvalidValue {
        /// What stands there.
        byte: u8,
    },
    /// Something stands in a number that is not a digit.
    #[error("{} is no digit of a number", display_byte(*byte))]
    InvalidDigit {
        /// What stands there.
        byte: u8,
    },
    /// A number has no digits.
    #[error("a number without digits")]
    MissingDigits,
    /// A number begins with a zero that it does not need, or is `-0`.
    #[error("a number that begins with a needless zero")]
    LeadingZero,
    /// A number has more than 64 bits.
    #[error("a number of more than 64 bits")]
    NumberTooLarge,
    /// A string is longer than what is left of the document.
    #[error("a string of {length} bytes where {left} are left")]
    StringTooLong {
        /// The length it claims.
        length: u64,
        /// How many bytes follow.
        left: usize,
    },
    /// Lists and dictionaries are inside each other more often than anything needs.
    #[error("more than {limit} lists and dictionaries inside each other")]
    TooDeep {
        /// The most that is read.
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
    /// A key stands twice.
    #[error("a key that was there before")]
    DuplicateKey,
    /// Something follows the value.
    #[error("{count} bytes after the end of the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// Shows a byte so that it cannot hurt a terminal.
fn display_byte(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("the byte 0x{byte:02x}") }
}
