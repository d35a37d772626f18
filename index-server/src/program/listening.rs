//! Opens the listening sockets of the program.

use std::io;
use std::net::ToSocketAddrs;

use tokio::net::TcpListener;
use tracing::info;

use super::arguments::Arguments;
use super::maintenance::print;
use super::start_error::ProgramError;
use crate::server::{Listeners, TrackerListener};

/// An option with an address to listen on.
#[derive(Debug, Clone, Copy)]
pub(super) enum ListenOption {
    Listen,
    Tracker,
    Metrics,
}

impl ListenOption {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Listen => "--listen",
            Self::Tracker => "--tracker",
            Self::Metrics => "--metrics",
        }
    }

    pub(super) const fn default_port(self) -> u16 {
        match self {
            Self::Listen => 1313,
            Self::Tracker => 6969,
            Self::Metrics => 9313,
        }
    }
}

/// All listening sockets.
pub(super) struct AllListeners {
    pub(super) index: Listeners,
    pub(super) metrics: Option<TcpListener>,
}

/// Listens on all addresses in the arguments.
pub(super) async fn listen_all(arguments: &Arguments) -> Result<AllListeners, ProgramError> {
    let index = listen(ListenOption::Listen, &arguments.listen).await?;
    let tracker = match &arguments.tracker {
        Some(address) => {
            let listener = listen(ListenOption::Tracker, address).await?;
            Some(TrackerListener { listener, url: arguments.tracker_url.clone() })
        }
        None => None,
    };
    let metrics = match &arguments.metrics {
        Some(address) => Some(listen(ListenOption::Metrics, address).await?),
        None => None,
    };
    if let Some(address) = metrics.as_ref().map(TcpListener::local_addr).transpose()? {
        print(&format!("index-server metrics listening on {address}"));
        info!(%address, "metrics listening");
    }
    Ok(AllListeners { index: Listeners { index, tracker }, metrics })
}

async fn listen(option: ListenOption, text: &str) -> Result<TcpListener, ProgramError> {
    let bad = || ProgramError::BadAddress { option, address: text.to_owned() };
    let address = text.to_socket_addrs().map_err(|_| bad())?.next().ok_or_else(bad)?;
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let option = option.name();
                format!("the port is already taken; stop the other program or choose another with {option}")
            }
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
            io::ErrorKind::PermissionDenied => {
                "permission denied: the port is reserved for the administrator".into()
            }
            _ => error.to_string(),
        };
        ProgramError::CannotListen { address, reason }
    })
}
