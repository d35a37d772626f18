//! Trees beside the lists. A release that knows none of them reads the lists all the same; each has a format of its own, under
//! the key of one zero byte.

use super::StoreError;
use super::rows;

/// The key of the format.
const FORMAT_KEY: [u8; 1] = [0];

/// Why lists, offers or standings cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TreeError {
    /// They have another format.
    Format(u32),
    /// What is wrong with them.
    Damaged(String),
    /// What the database says.
    Database(sled::Error),
}

/// Adds the format to a change of a tree.
pub(super) fn write_format(batch: &mut sled::Batch, format: u32) -> Result<(), StoreError> {
    let too_long = || StoreError::Failed { what: "a format is longer than a row may be".into() };
    batch.insert(&FORMAT_KEY, rows::encode(&format).ok_or_else(too_long)?);
    Ok(())
}

/// Passes every row of a tree to `take`, which returns what is wrong with it, if anything. A tree that was never written to has
/// none; one with rows has the format that is known. Errors name what the rows are.
pub(super) fn read(
    tree: &sled::Tree,
    (what, known): (&str, u32),
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), TreeError> {
    let (mut has_format, mut has_rows) = (false, false);
    for entry in tree {
        let (key, value) = entry.map_err(TreeError::Database)?;
        if key.as_ref() == FORMAT_KEY {
            let unreadable = || TreeError::Damaged(format!("the format of its {what} cannot be read"));
            let found = rows::decode(&value).ok_or_else(unreadable)?;
            if found != known {
                return Err(TreeError::Format(found));
            }
            has_format = true;
            continue;
        }
        has_rows = true;
        take(&key, &value).map_err(TreeError::Damaged)?;
    }
    if has_rows && !has_format {
        return Err(TreeError::Damaged(format!("its {what} have no format")));
    }
    Ok(())
}
