use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::listening::ListenOption;
use super::maintenance::MaintenanceError;
use crate::access::AccessError;
use crate::store::StoreError;

/// Why the program cannot run; each kind has an exit status from `sysexits.h`.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// An option's value is not an address.
    #[error("{address:?} is not a valid address to listen on; use one such as 127.0.0.1:{}", .option.default_port())]
    BadAddress {
        /// The option.
        option: ListenOption,
        /// Its value.
        address: String,
    },
    /// The address is in use or not available.
    #[error("cannot listen on {address}: {reason}")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// The reason, and what to do.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A write to the store timed out.
    #[error(
        "a write to the store in {path:?} did not complete within {seconds} s; check the disk, then restart the index \
         (acknowledged changes are safe)"
    )]
    StuckWrite {
        /// The data folder.
        path: PathBuf,
        /// The timeout in seconds.
        seconds: u64,
    },
    /// An access list is invalid.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A maintenance command failed.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    /// The system failed.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl ProgramError {
    /// Returns the exit status.
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
        StoreError::Internal => 70,
        StoreError::ClockBefore1970 => 71,
        StoreError::Failed { .. } | StoreError::Stuck | StoreError::Closed => 74,
        StoreError::Locked { .. } => 75,
        StoreError::Damaged { .. } | StoreError::UnknownFormat { .. } => 78,
    }
}
