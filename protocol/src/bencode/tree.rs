use std::collections::BTreeMap;

use super::value::Value;

/// A value to be encoded. Its dictionaries have unique, sorted keys, so the encoding is canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// An integer.
    Integer(i64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Tree>),
    /// Values by key.
    Dictionary(BTreeMap<Vec<u8>, Tree>),
}

impl Tree {
    /// Creates a dictionary; of equal keys, the last one counts.
    pub fn dictionary<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Dictionary(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Creates a list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// Encodes the value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Self::Bytes(bytes) => write_string(bytes, out),
            Self::List(items) => {
                out.push(b'l');
                for item in items {
                    item.write(out);
                }
                out.push(b'e');
            }
            Self::Dictionary(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_string(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

impl From<i64> for Tree {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Tree {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Tree {
    /// Converts a size or a count; values over 63 bits are clamped.
    fn from(number: u64) -> Self {
        Self::Integer(number.try_into().unwrap_or(i64::MAX))
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<&[u8]> for Tree {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Vec<u8>> for Tree {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Value<'_>> for Tree {
    /// Copies a parsed value; of repeated keys, the first one counts.
    fn from(value: Value<'_>) -> Self {
        if let Some(number) = value.as_integer() {
            Self::Integer(number)
        } else if let Some(items) = value.as_list() {
            Self::List(items.map(Self::from).collect())
        } else if let Some(entries) = value.as_dictionary() {
            let mut dictionary = BTreeMap::new();
            for (key, value) in entries {
                dictionary.entry(key.to_vec()).or_insert_with(|| Self::from(value));
            }
            Self::Dictionary(dictionary)
        } else {
            Self::Bytes(value.as_bytes().unwrap_or_default().to_vec())
        }
    }
}
