use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::StoreError;
use crate::platform::try_lock;
use crate::regular_file::open_regular;

/// The exclusive lock on a data folder, released on drop or when the process ends.
#[derive(Debug)]
pub(super) struct DataFolderLock {
    _file: File,
}

impl DataFolderLock {
    pub(super) fn acquire(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let unwritable = |source: io::Error| StoreError::Unwritable { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let file = open_regular(&path, &mut options).map_err(unwritable)?;
        if try_lock(&file).map_err(unwritable)? {
            Ok(Self { _file: file })
        } else {
            Err(StoreError::Locked { path: dir.to_owned() })
        }
    }
}
