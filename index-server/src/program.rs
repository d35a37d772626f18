//! The command-line program: options, logging, signals, and startup errors.

mod arguments;
mod listening;
mod log;
mod maintenance;
mod panics;
mod signals;
mod start_error;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::access::Access;
use crate::platform::raise_descriptor_limit;
use crate::server::{Listeners, ServerConfig};
use crate::store::{Store, StoreError};
use arguments::{Arguments, StoreTask};
use listening::{AllListeners, listen_all};
use signals::SecondSignal;
use start_error::ProgramError;

/// How long threads blocked on a disk may delay the exit.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);

/// How long loading the store may still take after a shutdown request.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return show_usage(&usage),
    };
    log::start(arguments.verbose);
    panics::install_log_hook();
    let ended = match &arguments.task {
        Some(task) => run_task(task, &arguments.data_dir).map(|()| ExitCode::SUCCESS),
        None => start(&arguments),
    };
    ended.unwrap_or_else(|error| report_failure(&error))
}

/// Prints the requested help, or the error in the arguments.
fn show_usage(usage: &clap::Error) -> ExitCode {
    match maintenance::ignore_closed_output(usage.print()) {
        Ok(()) => ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(1)),
        Err(error) => report_failure(&error.into()),
    }
}

fn report_failure(error: &ProgramError) -> ExitCode {
    // If standard error is closed, the message is lost.
    let _ = writeln!(io::stderr(), "index-server: {error}");
    ExitCode::from(error.exit_status())
}

/// Runs a maintenance command.
fn run_task(task: &StoreTask, dir: &Path) -> Result<(), ProgramError> {
    let result = panics::without_logging(|| match task {
        StoreTask::Check => maintenance::check(dir).map(Some),
        StoreTask::Export { file } => maintenance::export_to(dir, file).map(|()| None),
        StoreTask::Import { file } => maintenance::import_from(dir, file).map(Some),
    })?;
    if let Some(result) = result {
        maintenance::print_result(&result)?;
    }
    Ok(())
}

fn start(arguments: &Arguments) -> Result<ExitCode, ProgramError> {
    let descriptors = raise_descriptor_limit();
    let access = Access::read(arguments.access())?;
    let limits = arguments.limits().within_descriptors(descriptors);
    let config = ServerConfig { limits, access, metrics: Arc::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let second_signal = signals::watch(shutdown.clone(), config.access.clone())?;
        let listeners = listen_all(arguments).await?;
        tokio::select! {
            ended = serve(listeners, config, arguments, shutdown) => ended.map(|()| ExitCode::SUCCESS),
            SecondSignal { status } = second_signal => Ok(ExitCode::from(status)),
        }
    });
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    result
}

/// Loads the store and serves. Metrics and health checks are available from the start.
async fn serve(
    listeners: AllListeners,
    config: ServerConfig,
    arguments: &Arguments,
    shutdown: CancellationToken,
) -> Result<(), ProgramError> {
    let _metrics_server = listeners.metrics.map(|listener| {
        let names = arguments.metrics_host.clone();
        let metrics = Arc::clone(&config.metrics);
        AbortOnDropHandle::new(tokio::spawn(crate::metrics::serve(listener, metrics, names)))
    });
    if let Some(store) = load(&arguments.data_dir, &shutdown).await? {
        print_addresses(&listeners.index, &arguments.data_dir)?;
        let seconds = config.limits.commit_timeout.as_secs();
        crate::run(listeners.index, store, config, shutdown).await.map_err(|error| match error {
            StoreError::Stuck => ProgramError::StuckWrite { path: arguments.data_dir.clone(), seconds },
            error => error.into(),
        })?;
    } else {
        warn!("stopped before the store was loaded");
    }
    info!("stopped");
    Ok(())
}

/// Opens the store, which takes a while if it is large; returns `None` if interrupted by a shutdown.
async fn load(dir: &Path, shutdown: &CancellationToken) -> Result<Option<Store>, ProgramError> {
    let dir = dir.to_owned();
    let mut opening = tokio::task::spawn_blocking(move || panics::without_logging(|| Store::open(&dir)));
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = shutdown.cancelled() => match timeout(LOAD_TIMEOUT, opening).await {
            // Closed cleanly; loading writes nothing that an interruption could damage.
            Ok(opened) => opened,
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(opened.map_err(io::Error::other)??))
}

/// Prints and logs the listening addresses.
fn print_addresses(listeners: &Listeners, data_dir: &Path) -> io::Result<()> {
    let address = listeners.index.local_addr()?;
    maintenance::print(&format!("index-server listening on {address}"));
    info!(%address, data_dir = %data_dir.display(), "listening");
    if let Some(tracker) = &listeners.tracker {
        let address = tracker.listener.local_addr()?;
        maintenance::print(&format!("index-server tracker listening on {address}"));
        info!(%address, url = tracker.url, "tracker listening");
    }
    // The parent process may have closed its end.
    let _ = io::stdout().flush();
    Ok(())
}
