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

use crate::store::{Store, StoreError};
use arguments::Arguments;

/// How long threads that hang on a disk may keep the program from ending.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// Why the program does not run; each kind ends it with a status of its own, taken from `sysexits.h`.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// `--listen` names no address.
    #[error("{address:?} is not an address to listen on; write one such as 127.0.0.1:1313")]
    BadAddress {
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
    let address = resolve(&arguments.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(listen(address))?;
    let store = panics::unlogged(|| Store::open(&arguments.data_dir))?;
    let result = runtime.block_on(serve(listener, store, arguments));
    end(runtime);
    result
}

/// Lets the program open as many descriptors as it may: the usual allowance is a tenth of the connections it serves.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // If it may not, connections wait until others have ended.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn serve(listener: TcpListener, store: Store, arguments: &Arguments) -> Result<(), StartError> {
    let shutdown = CancellationToken::new();
    let signals = signals::watch(shutdown.clone())?;
    let address = listener.local_addr()?;
    // Whoever started this may have closed its end already.
    let _ = writeln!(io::stdout(), "index-server listening on {address}");
    let _ = io::stdout().flush();
    info!(%address, data_dir = %arguments.data_dir.display(), "listening");
    tokio::select! {
        () = crate::run(listener, store, arguments.limits(), shutdown) => {}
        () = signals => {}
    }
    info!("stopped");
    Ok(())
}

fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LAST_PAUSE);
}

fn resolve(text: &str) -> Result<SocketAddr, StartError> {
    let bad = || StartError::BadAddress { address: text.to_owned() };
    text.to_socket_addrs().map_err(|_| bad())?.next().ok_or_else(bad)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is taken; stop who has it or choose another with --listen".into()
            }
            io::ErrorKind::AddrNotAvailable => "the address is not one of this machine".into(),
            io::ErrorKind::PermissionDenied => "only the administrator may use that port".into(),
            _ => error.to_string(),
        };
        StartError::CannotListen { address, reason }
    })
}
