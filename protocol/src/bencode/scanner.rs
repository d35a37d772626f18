use super::error::{BencodeError, BencodeFault};

/// Reads the tokens of a document: numbers, strings, single bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    document: &'a [u8],
    offset: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(document: &'a [u8]) -> Self {
        Self { document, offset: 0 }
    }

    /// Returns the number of bytes read.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the unread bytes.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.document.get(self.offset..).unwrap_or_default()
    }

    /// Returns the next byte without consuming it.
    pub(super) fn peek(&self) -> Result<u8, BencodeError> {
        self.document.get(self.offset).copied().ok_or_else(|| self.fault(BencodeFault::Truncated))
    }

    /// Skips one byte.
    pub(super) const fn skip(&mut self) {
        self.offset += 1;
    }

    /// Reads an integer from its `i` to its `e`.
    pub(super) fn integer(&mut self) -> Result<i64, BencodeError> {
        self.skip();
        let begin = self.offset;
        let is_negative = self.peek()? == b'-';
        if is_negative {
            self.skip();
        }
        let amount = self.digits(b'e')?;
        if is_negative && amount == 0 {
            return Err(BencodeError { fault: BencodeFault::LeadingZero, at: begin });
        }
        let number = if is_negative { 0i64.checked_sub_unsigned(amount) } else { amount.try_into().ok() };
        number.ok_or(BencodeError { fault: BencodeFault::NumberTooLarge, at: begin })
    }

    /// Reads a string: its length, a colon, its bytes.
    pub(super) fn string(&mut self) -> Result<&'a [u8], BencodeError> {
        let begin = self.offset;
        let length = self.digits(b':')?;
        let rest = self.rest();
        let string = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let string = string.ok_or(BencodeError {
            fault: BencodeFault::StringTooLong { length, left: rest.len() },
            at: begin,
        })?;
        self.offset += string.len();
        Ok(string)
    }

    /// Reads an unsigned number and the byte that ends it.
    fn digits(&mut self, end: u8) -> Result<u64, BencodeError> {
        let begin = self.offset;
        let mut number = 0u64;
        loop {
            let byte = self.peek()?;
            if byte == end {
                break;
            }
            if !byte.is_ascii_digit() {
                return Err(self.fault(BencodeFault::InvalidDigit { byte }));
            }
            let next = number.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
            number = next.ok_or(BencodeError { fault: BencodeFault::NumberTooLarge, at: begin })?;
            self.skip();
            if number == 0 && self.offset - begin > 1 {
                return Err(BencodeError { fault: BencodeFault::LeadingZero, at: begin });
            }
        }
        let count = self.offset - begin;
        let has_needless_zero = count > 1 && self.document.get(begin) == Some(&b'0');
        self.skip();
        match count {
            0 => Err(BencodeError { fault: BencodeFault::MissingDigits, at: begin }),
            _ if has_needless_zero => Err(BencodeError { fault: BencodeFault::LeadingZero, at: begin }),
            _ => Ok(number),
        }
    }

    pub(super) const fn fault(&self, fault: BencodeFault) -> BencodeError {
        BencodeError { fault, at: self.offset }
    }
}
