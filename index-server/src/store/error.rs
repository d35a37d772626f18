use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another index runs on it.
    #[error(
        "the data folder {path:?} is in use by another index; stop that one or choose another --data-dir"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be made or written to.
    #[error("cannot write to the data folder {path:?}: {source}")]
    Unwritable {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is in it is not whole. It is left as it is.
    #[error(
        "the store in {path:?} is damaged: {what}; put a backup in its place, or move the folder away to start \
         with an empty one (nodes then register anew)"
    )]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was written by another version of this program.
    #[error(
        "the store in {path:?} has format {found}, this program knows format {known}; use the program that wrote it"
    )]
    UnknownFormat {
        /// The data folder.
        path: PathBuf,
        /// The format that it has.
        found: String,
        /// The one format that this program reads.
        known: u32,
    },
    /// There is no store to look at.
    #[error("there is no store in {path:?}; name the data folder of an index with --data-dir")]
    Missing {
        /// The data folder.
        path: PathBuf,
    },
    /// There is a store where a new one was to be made.
    #[error("there is a store in {path:?} already; choose an empty data folder")]
    NotEmpty {
        /// The data folder.
        path: PathBuf,
    },
    /// The disk does not take a change.
    #[error("cannot write to the store: {what}")]
    Failed {
        /// What the system or the database says.
        what: String,
    },
    /// A write does not end.
    #[error("a write to the store does not end; check the disk, then start the index again")]
    Stuck,
    /// An earlier failure has closed it.
    #[error("the store is closed after a failure")]
    Closed,
}

impl StoreError {
    pub(super) fn damaged(path: &Path, what: &impl Display) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.to_string() }
    }

    pub(super) fn failed(path: &Path, what: &dyn Display) -> Self {
        Self::Failed { what: format!("{}: {what}", path.display()) }
    }
}
