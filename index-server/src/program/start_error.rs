use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::listening::ListenOption;
use super::maintenance::MaintenanceError;
use crate::access::AccessError;
use crate::store::StoreError;

/// Why the program does not run; each kind ends it with a status of its own, taken from `sysexits.h`.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// An option names no address.
    #[error("{address:?} is not an address to listen on; write one such as 127.0.0.1:{}", .option.default_port())]
    BadAddress {
        /// Which option.
        option: ListenOption,
        /// What it names.
        address: String,
    },
    /// The address is taken, or is not one of this machine.
    #[error("cannot listen on {address}: {reason}")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// Why, and what to do.
        reason: String,
    },
    /// The data folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A write to the data folder that does not end.
    #[error(
        "a write to the store in {path:?} did not end within {seconds} s; check the disk, then start the index again (what it \
         acknowledged is safe)"
    )]
    StuckWrite {
        /// The data folder.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The lists of whom to serve.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// What was to be done with the store instead of serving.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// The system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl ProgramError {
    /// Returns the status that the program ends with.
    pub(super) const fn exit_status(&self) -> u8 {
        match self {
            Self::BadAddress { .. } => 64,
            Self::Access(AccessError::BadLine { .. }) | Self::Maintenance(MaintenanceError::BadLines(_)) => {
                65
            }
            Self::Access(AccessError::Unreadable { .. }) => 66,
            Self::CannotListen { .. } => 69,
            Self::System(_) => 71,
            Self::StuckWrite { .. }
            | Self::Maintenance(MaintenanceError::File { .. } | MaintenanceError::Output(_)) => 74,
            Self::Store(error) | Self::Maintenance(MaintenanceError::Store(error)) => store_status(error),
        }
    }
}

const fn store_status(error: &StoreError) -> u8 {
    match error {
        StoreError::Missing { .. } => 66,
        StoreError::Unwritable { .. } | StoreError::NotEmpty { .. } => 73,
        StoreError::Failed { .. } | StoreError::Stuck | StoreError::Closed => 74,
        StoreError::Locked { .. } => 75,
        StoreError::Damaged { .. } | StoreError::UnknownFormat { .. } => 78,
    }
}
