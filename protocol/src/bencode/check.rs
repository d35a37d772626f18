use super::error::{BencodeError, BencodeFault};
use super::scanner::Scanner;
use super::value::Value;
use crate::limits::MAX_BENCODE_DEPTH;

/// How strictly a document is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Canonical documents only.
    Strict,
    /// Also unsorted or repeated keys and trailing bytes.
    Lenient,
}

/// A list or dictionary that is still open.
#[derive(Debug, Clone, Copy)]
enum NestingLevel<'a> {
    List,
    Dictionary { last_key: Option<&'a [u8]> },
}

/// Checks a whole document; everything inside the returned value can be walked without errors.
pub(super) fn check(document: &[u8], rules: Rules) -> Result<Value<'_>, BencodeError> {
    let mut scanner = Scanner::new(document);
    skip_value(&mut scanner, rules)?;
    let count = scanner.rest().len();
    if rules == Rules::Strict && count > 0 {
        return Err(scanner.fault(BencodeFault::TrailingBytes { count }));
    }
    Ok(Value::new(document.get(..scanner.offset()).unwrap_or_default(), 0))
}

/// Skips one value with everything in it.
pub(super) fn skip_value(scanner: &mut Scanner<'_>, rules: Rules) -> Result<(), BencodeError> {
    let mut levels = Vec::new();
    loop {
        if !close_level_or_read_key(scanner, &mut levels, rules)? {
            match scanner.peek()? {
                b'i' => drop(scanner.integer()?),
                b'0'..=b'9' => drop(scanner.string()?),
                b'l' => open_level(scanner, &mut levels, NestingLevel::List)?,
                b'd' => open_level(scanner, &mut levels, NestingLevel::Dictionary { last_key: None })?,
                byte => return Err(scanner.fault(BencodeFault::InvalidValue { byte })),
            }
        }
        if levels.is_empty() {
            return Ok(());
        }
    }
}

fn open_level<'a>(
    scanner: &mut Scanner<'a>,
    levels: &mut Vec<NestingLevel<'a>>,
    level: NestingLevel<'a>,
) -> Result<(), BencodeError> {
    if levels.len() == MAX_BENCODE_DEPTH {
        return Err(scanner.fault(BencodeFault::TooDeep { limit: MAX_BENCODE_DEPTH }));
    }
    levels.push(level);
    scanner.skip();
    Ok(())
}

/// Reads the end of the innermost level, or else the next key if that level is a dictionary. Returns true if a level
/// was closed.
fn close_level_or_read_key<'a>(
    scanner: &mut Scanner<'a>,
    levels: &mut Vec<NestingLevel<'a>>,
    rules: Rules,
) -> Result<bool, BencodeError> {
    let Some(level) = levels.last_mut() else { return Ok(false) };
    if scanner.peek()? == b'e' {
        scanner.skip();
        levels.pop();
        return Ok(true);
    }
    if let NestingLevel::Dictionary { last_key } = level {
        *last_key = Some(read_key(scanner, *last_key, rules)?);
    }
    Ok(false)
}

fn read_key<'a>(
    scanner: &mut Scanner<'a>,
    last: Option<&'a [u8]>,
    rules: Rules,
) -> Result<&'a [u8], BencodeError> {
    let begin = *scanner;
    if !scanner.peek()?.is_ascii_digit() {
        return Err(scanner.fault(BencodeFault::KeyNotAString));
    }
    let key = scanner.string()?;
    match last {
        Some(last) if rules == Rules::Strict && last == key => {
            return Err(begin.fault(BencodeFault::DuplicateKey));
        }
        Some(last) if rules == Rules::Strict && last > key => {
            return Err(begin.fault(BencodeFault::UnsortedKey));
        }
        _ => {}
    }
    if scanner.peek()? == b'e' {
        return Err(scanner.fault(BencodeFault::MissingValue));
    }
    Ok(key)
}
