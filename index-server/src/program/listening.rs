//! Where the program listens, and what it says when it cannot.

use std::io;
use std::net::ToSocketAddrs;

use tokio::net::TcpListener;
use tracing::info;

use super::arguments::Arguments;
use super::maintenance::print;
use super::start_error::ProgramError;
use crate::server::{Listeners, TrackerListener};

/// An option that names an address to listen on.
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

/// Everything that is listened on.
pub(super) struct AllListeners {
    pub(super) index: Listeners,
    pub(super) metrics: Option<TcpListener>,
}

/// Listens on all addresses that the arguments name.
pub(super) async fn listen_all(arguments: &Arguments) -> Result<AllListeners, ProgramError> {
    let nodes = listen(ListenOption::Listen, &arguments.listen).await?;
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
    Ok(AllListeners { index: Listeners { index: nodes, tracker }, metrics })
}

async fn listen(option: ListenOption, text: &str) -> Result<TcpListener, ProgramError> {
    let bad = || ProgramError::BadAddress { option, address: text.to_owned() };
    let address = text.to_socket_addrs().map_err(|_| bad())?.next().ok_or_else(bad)?;
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("the port is taken; stop who has it or choose another with {}", option.name())
            }
            io::ErrorKind::AddrNotAvailable => "the address is not one of this machine".into(),
            io::ErrorKind::PermissionDenied => "only the administrator may use that port".into(),
            _ => error.to_string(),
        };
        ProgramError::CannotListen { address, reason }
    })
}
