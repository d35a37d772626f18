use super::error::{BencodeError, Fault};
use super::scanner::Scanner;
use super::value::Value;
use crate::limits::MAX_BENCODE_DEPTH;

/// What a document may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Canonical, to the last byte.
    Strict,
    /// As the world writes it.
    Lenient,
}

/// A list or dictionary that has begun and not ended.
#[derive(Debug, Clone, Copy)]
enum Level<'a> {
    List,
    Dictionary { last_key: Option<&'a [u8]> },
}

/// Checks a whole document; everything inside the value that comes out can be walked without a fault.
pub(super) fn check(document: &[u8], rules: Rules) -> Result<Value<'_>, BencodeError> {
    let mut scanner = Scanner::new(document);
    pass_value(&mut scanner, rules)?;
    let count = scanner.rest().len();
    if rules == Rules::Strict && count > 0 {
        return Err(scanner.fault(Fault::TrailingBytes { count }));
    }
    Ok(Value::new(document.get(..scanner.at()).unwrap_or_default(), 0))
}

/// Reads past one value with everything in it.
pub(super) fn pass_value(scanner: &mut Scanner<'_>, rules: Rules) -> Result<(), BencodeError> {
    let mut levels = Vec::new();
    loop {
        if !ends_level(scanner, &mut levels, rules)? {
            match scanner.peek()? {
                b'i' => drop(scanner.integer()?),
                b'0'..=b'9' => drop(scanner.string()?),
                b'l' => enter(scanner, &mut levels, Level::List)?,
                b'd' => enter(scanner, &mut levels, Level::Dictionary { last_key: None })?,
                byte => return Err(scanner.fault(Fault::NotAValue { byte })),
            }
        }
        if levels.is_empty() {
            return Ok(());
        }
    }
}

fn enter<'a>(
    scanner: &mut Scanner<'a>,
    levels: &mut Vec<Level<'a>>,
    level: Level<'a>,
) -> Result<(), BencodeError> {
    if levels.len() == MAX_BENCODE_DEPTH {
        return Err(scanner.fault(Fault::TooDeep { limit: MAX_BENCODE_DEPTH }));
    }
    levels.push(level);
    scanner.skip();
    Ok(())
}

/// Reads the end of the innermost level if it is there, otherwise the key if that level has keys.
fn ends_level<'a>(
    scanner: &mut Scanner<'a>,
    levels: &mut Vec<Level<'a>>,
    rules: Rules,
) -> Result<bool, BencodeError> {
    let Some(level) = levels.last_mut() else { return Ok(false) };
    if scanner.peek()? == b'e' {
        scanner.skip();
        levels.pop();
        return Ok(true);
    }
    if let Level::Dictionary { last_key } = level {
        *last_key = Some(key(scanner, *last_key, rules)?);
    }
    Ok(false)
}

fn key<'a>(
    scanner: &mut Scanner<'a>,
    last: Option<&'a [u8]>,
    rules: Rules,
) -> Result<&'a [u8], BencodeError> {
    let begin = *scanner;
    if !scanner.peek()?.is_ascii_digit() {
        return Err(scanner.fault(Fault::KeyNotAString));
    }
    let key = scanner.string()?;
    match last {
        Some(last) if rules == Rules::Strict && last == key => return Err(begin.fault(Fault::RepeatedKey)),
        Some(last) if rules == Rules::Strict && last > key => return Err(begin.fault(Fault::UnsortedKey)),
        _ => {}
    }
    if scanner.peek()? == b'e' {
        return Err(scanner.fault(Fault::KeyWithoutValue));
    }
    Ok(key)
}
