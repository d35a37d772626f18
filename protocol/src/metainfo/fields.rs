//! Typed access to the known keys of a dictionary.

use super::error::MetainfoError;
use crate::bencode::{Items, Value};

/// Returns the values of `keys` in one walk over the dictionary; other keys are ignored.
pub(super) fn known_values<'a, const KEYS: usize>(
    dictionary: Value<'a>,
    name: &'static str,
    keys: [&'static str; KEYS],
) -> Result<[Option<Value<'a>>; KEYS], MetainfoError> {
    let mut values = [None; KEYS];
    let entries = dictionary.as_dictionary().ok_or_else(|| wrong_type(dictionary, name, "a dictionary"))?;
    for (found, value) in entries {
        for (key, slot) in keys.iter().zip(&mut values) {
            if key.as_bytes() == found && slot.replace(value).is_some() {
                return Err(MetainfoError::DuplicateKey { key, at: value.offset() });
            }
        }
    }
    Ok(values)
}

/// Returns a required integer.
pub(super) fn integer(value: Option<Value<'_>>, key: &'static str) -> Result<i64, MetainfoError> {
    let value = value.ok_or(MetainfoError::Missing { key })?;
    value.as_integer().ok_or_else(|| wrong_type(value, key, "an integer"))
}

/// Returns a required string.
pub(super) fn bytes<'a>(value: Option<Value<'a>>, key: &'static str) -> Result<&'a [u8], MetainfoError> {
    let value = value.ok_or(MetainfoError::Missing { key })?;
    value.as_bytes().ok_or_else(|| wrong_type(value, key, "a string"))
}

/// Returns a required list.
pub(super) fn list<'a>(value: Option<Value<'a>>, key: &'static str) -> Result<Items<'a>, MetainfoError> {
    let value = value.ok_or(MetainfoError::Missing { key })?;
    value.as_list().ok_or_else(|| wrong_type(value, key, "a list"))
}

pub(super) const fn wrong_type(value: Value<'_>, key: &'static str, expected: &'static str) -> MetainfoError {
    MetainfoError::WrongType { key, expected, found: value.kind(), at: value.offset() }
}
