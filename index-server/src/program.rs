//! The program: options, log, signals, and what it says when it cannot start.

mod arguments;
mod log;
mod panics;
mod signals;

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::server::{Listeners, TrackerListener};
use crate::store::{Store, StoreError};
use arguments::Arguments;

/// How long threads that hang on a disk may keep the program from ending.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// An option that names an address to listen on.
#[derive(Debug, Clone, Copy)]
enum ListenOption {
    Listen,
    Tracker,
}

impl ListenOption {
    const fn name(self) -> &'static str {
        match self {
            Self::Listen => "--listen",
            Self::Tracker => "--tracker",
        }
    }

    const fn usual_port(self) -> u16 {
        match self {
            Self::Listen => 1313,
            Self::Tracker => 6969,
        }
    }
}

/// Why the program does not run; each kind ends it with a status of its own, taken from `sysexits.h`.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// An option names no address.
    #[error("{address:?} is not an address to listen on; write one such as 127.0.0.1:{}", .option.usual_port())]
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
    /// The system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl StartError {
    const fn status(&self) -> u8 {
        match self {
            Self::BadAddress { .. } => 64,
            Self::CannotListen { .. } => 69,
            Self::System(_) => 71,
            Self::Store(StoreError::Unwritable { .. }) => 73,
            Self::Store(StoreError::Failed { .. } | StoreError::Closed) => 74,
            Self::Store(StoreError::Locked { .. }) => 75,
            Self::Store(StoreError::Damaged { .. } | StoreError::UnknownFormat { .. }) => 78,
        }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.verbose);
    panics::log_them();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "index-server: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn start(arguments: &Arguments) -> Result<(), StartError> {
    allow_many_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listeners = runtime.block_on(listen_all(arguments))?;
    let store = panics::unlogged(|| Store::open(&arguments.data_dir))?;
    let result = runtime.block_on(serve(listeners, store, arguments));
    end(runtime);
    result
}

/// Lets the program open as many descriptors as it may: the usual allowance is a tenth of the connections it serves.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // If it may not, connections wait until others have ended.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn serve(listeners: Listeners, store: Store, arguments: &Arguments) -> Result<(), StartError> {
    let shutdown = CancellationToken::new();
    let signals = signals::watch(shutdown.clone())?;
    let address = listeners.nodes.local_addr()?;
    // Whoever started this may have closed its end already.
    let _ = writeln!(io::stdout(), "index-server listening on {address}");
    info!(%address, data_dir = %arguments.data_dir.display(), "listening");
    if let Some(tracker) = &listeners.tracker {
        let address = tracker.listener.local_addr()?;
        let _ = writeln!(io::stdout(), "index-server tracker listening on {address}");
        info!(%address, url = tracker.url, "tracker listening");
    }
    let _ = io::stdout().flush();
    tokio::select! {
        () = crate::run(listeners, store, arguments.limits(), shutdown) => {}
        () = signals => {}
    }
    info!("stopped");
    Ok(())
}

fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LAST_PAUSE);
}

async fn listen_all(arguments: &Arguments) -> Result<Listeners, StartError> {
    let nodes = listen(ListenOption::Listen, &arguments.listen).await?;
    let tracker = match &arguments.tracker {
        Some(address) => {
            let listener = listen(ListenOption::Tracker, address).await?;
            Some(TrackerListener { listener, url: arguments.tracker_url.clone() })
        }
        None => None,
    };
    Ok(Listeners { nodes, tracker })
}

async fn listen(option: ListenOption, text: &str) -> Result<TcpListener, StartError> {
    let bad = || StartError::BadAddress { option, address: text.to_owned() };
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
        StartError::CannotListen { address, reason }
    })
}
