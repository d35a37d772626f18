//! The program: options, log, signals, and what it says when it cannot start.

mod arguments;
mod log;
mod panics;
mod signals;
mod upkeep;

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::access::{Access, AccessError};
use crate::server::{Conditions, Listeners, TrackerListener};
use crate::store::{Store, StoreError};
use arguments::{Arguments, Task};
use signals::Impatience;
use upkeep::UpkeepError;

/// How long threads that hang on a disk may keep the program from ending.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// How long the reading of the store may still take once the index is to stop.
const LOADING: Duration = Duration::from_secs(2);

/// An option that names an address to listen on.
#[derive(Debug, Clone, Copy)]
enum ListenOption {
    Listen,
    Tracker,
    Metrics,
}

impl ListenOption {
    const fn name(self) -> &'static str {
        match self {
            Self::Listen => "--listen",
            Self::Tracker => "--tracker",
            Self::Metrics => "--metrics",
        }
    }

    const fn usual_port(self) -> u16 {
        match self {
            Self::Listen => 1313,
            Self::Tracker => 6969,
            Self::Metrics => 9313,
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
    /// The lists of whom to serve.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// What was to be done with the store instead of serving.
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    /// The system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

impl StartError {
    const fn status(&self) -> u8 {
        match self {
            Self::BadAddress { .. } => 64,
            Self::Access(AccessError::BadLine { .. }) | Self::Upkeep(UpkeepError::BadLines(_)) => 65,
            Self::Access(AccessError::Unreadable { .. }) => 66,
            Self::CannotListen { .. } => 69,
            Self::System(_) => 71,
            Self::Upkeep(UpkeepError::File { .. }) => 74,
            Self::Store(error) | Self::Upkeep(UpkeepError::Store(error)) => store_status(error),
        }
    }
}

const fn store_status(error: &StoreError) -> u8 {
    match error {
        StoreError::Missing { .. } => 66,
        StoreError::Unwritable { .. } | StoreError::NotEmpty { .. } => 73,
        StoreError::Failed { .. } | StoreError::Closed => 74,
        StoreError::Locked { .. } => 75,
        StoreError::Damaged { .. } | StoreError::UnknownFormat { .. } => 78,
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.verbose);
    panics::log_them();
    let ended = match &arguments.task {
        Some(task) => attend(task, &arguments.data_dir).map(|()| ExitCode::SUCCESS),
        None => start(&arguments),
    };
    ended.unwrap_or_else(|error| {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(io::stderr(), "index-server: {error}");
        ExitCode::from(error.status())
    })
}

/// Does something else than serve.
fn attend(task: &Task, dir: &Path) -> Result<(), StartError> {
    let said = panics::unlogged(|| match task {
        Task::Check => upkeep::check(dir).map(Some),
        Task::Export { file } => upkeep::export_to(dir, file).map(|()| None),
        Task::Import { file } => upkeep::import_from(dir, file).map(Some),
    })?;
    if let Some(said) = said {
        upkeep::say(&said);
    }
    Ok(())
}

fn start(arguments: &Arguments) -> Result<ExitCode, StartError> {
    let descriptors = allow_many_connections();
    let access = Access::read(arguments.access())?;
    let limits = arguments.limits().within(descriptors);
    let conditions = Conditions { limits, access, metrics: Arc::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let listeners = listen_all(arguments).await?;
        serve(listeners, conditions, arguments).await
    });
    runtime.shutdown_timeout(LAST_PAUSE);
    result
}

/// Lets the program open as many descriptors as it may, and says how many those are: the usual allowance is a tenth of
/// the connections it serves.
fn allow_many_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // If it may not, there are fewer connections.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = getrlimit(Resource::Nofile).current;
    allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed).unwrap_or(usize::MAX))
}

/// Opens the store and serves, from the first moment ready to be stopped and to tell how it is.
async fn serve(
    listeners: AllListeners,
    conditions: Conditions,
    arguments: &Arguments,
) -> Result<ExitCode, StartError> {
    let shutdown = CancellationToken::new();
    let impatience = signals::watch(shutdown.clone(), conditions.access.clone())?;
    let _telling = listeners.metrics.map(|listener| {
        let names = arguments.metrics_host.clone();
        let metrics = Arc::clone(&conditions.metrics);
        AbortOnDropHandle::new(tokio::spawn(crate::metrics::serve(listener, metrics, names)))
    });
    let served = async {
        if let Some(store) = load(&arguments.data_dir, &shutdown).await? {
            announce(&listeners.serving, &arguments.data_dir)?;
            crate::run(listeners.serving, store, conditions, shutdown).await;
        } else {
            warn!("stopped before the store was read");
        }
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    };
    tokio::select! {
        ended = served => ended,
        Impatience { status } = impatience => Ok(ExitCode::from(status)),
    }
}

/// Opens the store, which takes a while where it is large; gives none if that is not waited for.
async fn load(dir: &Path, shutdown: &CancellationToken) -> Result<Option<Store>, StartError> {
    let dir = dir.to_owned();
    let mut opening = tokio::task::spawn_blocking(move || panics::unlogged(|| Store::open(&dir)));
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = shutdown.cancelled() => match timeout(LOADING, opening).await {
            // Closed in order; what is cut short here does the store no harm either.
            Ok(opened) => opened,
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(opened.map_err(io::Error::other)??))
}

/// Says where the index listens.
fn announce(listeners: &Listeners, data_dir: &Path) -> io::Result<()> {
    let address = listeners.nodes.local_addr()?;
    upkeep::say(&format!("index-server listening on {address}"));
    info!(%address, data_dir = %data_dir.display(), "listening");
    if let Some(tracker) = &listeners.tracker {
        let address = tracker.listener.local_addr()?;
        upkeep::say(&format!("index-server tracker listening on {address}"));
        info!(%address, url = tracker.url, "tracker listening");
    }
    // Whoever started this may have closed its end already.
    let _ = io::stdout().flush();
    Ok(())
}

/// Everything that is listened on.
struct AllListeners {
    serving: Listeners,
    metrics: Option<TcpListener>,
}

async fn listen_all(arguments: &Arguments) -> Result<AllListeners, StartError> {
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
        upkeep::say(&format!("index-server metrics listening on {address}"));
        info!(%address, "metrics listening");
    }
    Ok(AllListeners { serving: Listeners { nodes, tracker }, metrics })
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
