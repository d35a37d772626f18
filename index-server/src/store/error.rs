use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another index uses the data folder.
    #[error("the data folder {path:?} is in use by another index; stop it or choose another data folder")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The data folder cannot be created or written to.
    #[error("cannot write to the data folder {path:?}: {source}")]
    Unwritable {
        /// The folder or a file in it.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The contents are incomplete or damaged. They are left unchanged.
    #[error(
        "the store in {path:?} is damaged: {what}; restore a backup, or move the folder away to start \
         with an empty store (nodes then register again)"
    )]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// What is damaged.
        what: String,
    },
    /// The store was written by an incompatible version of this program.
    #[error(
        "the store in {path:?} has format {found}, this program supports format {known}; use the version that wrote \
         it"
    )]
    UnknownFormat {
        /// The data folder.
        path: PathBuf,
        /// The format of the store.
        found: String,
        /// The only format that this program reads.
        known: u32,
    },
    /// The data folder contains no store.
    #[error("there is no store in {path:?}; specify the data folder of an index")]
    Missing {
        /// The data folder.
        path: PathBuf,
    },
    /// The data folder already contains a store.
    #[error("{path:?} already contains a store; choose an empty data folder")]
    NotEmpty {
        /// The data folder.
        path: PathBuf,
    },
    /// An operation of the store failed.
    #[error("store error: {what}")]
    Failed {
        /// The error of the system or the database.
        what: String,
    },
    /// A write did not complete in time.
    #[error("a write to the store is stuck; check the disk, then restart the index")]
    Stuck,
    /// The clock of the machine is set to a time that the database does not support.
    #[error("the clock of this machine is set to a time before 1970; set it, then start the index again")]
    ClockBefore1970,
    /// The owner of the store has panicked.
    #[error(
        "internal error: the registrar stopped unexpectedly; restart the index (acknowledged changes are safe)"
    )]
    Internal,
    /// An earlier failure has closed the store.
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
