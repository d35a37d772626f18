//! Trees beside the lists, which older releases ignore. Each has its own format version under a key of one zero byte.

use super::StoreError;
use super::rows;

/// The key of the format version.
const FORMAT_KEY: [u8; 1] = [0];

/// Why a tree cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TreeError {
    /// It has an unknown format.
    Format(u32),
    /// It is damaged.
    Damaged(String),
    /// The database failed.
    Database(sled::Error),
}

/// Adds the format version to a change of a tree.
pub(super) fn write_format(batch: &mut sled::Batch, format: u32) -> Result<(), StoreError> {
    let too_long = || StoreError::Failed { what: "a format version exceeds the maximum row size".into() };
    batch.insert(&FORMAT_KEY, rows::encode(&format).ok_or_else(too_long)?);
    Ok(())
}

/// Passes every row of a tree to `take`, which returns an error for an invalid row. A tree that was never written to has no
/// rows; one with rows must have the known format. `what` names the rows in errors.
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
