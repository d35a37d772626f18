//! The command-line program around the library: options, signals and exit statuses.

mod basic_options;
mod doctor;
mod folder_hint;
mod lan;
mod options;
mod state_options;
mod swarm;
mod torrent;
mod transfer_options;
mod verbosity_option;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;

pub(crate) use options::{ProgramCommand, ProgramOptions};

use crate::essential_task;
use crate::frontend::console::output::OutputError;
use crate::frontend::repl::{self, ReplEnd, ScriptOutcome};
use crate::identity::IdentityError;
use crate::node::{Node, NodeStartError};
use crate::platform::{Signals, raise_descriptor_limit};
use crate::state_dir::{StateDir, StateError};
use crate::used_folders::UsedFolders;

/// Exit status if another node uses the folder: try again later.
const EXIT_IN_USE: u8 = 75;

/// Exit status if downloads of a script are unfinished; they resume when the node runs again.
const EXIT_UNFINISHED: u8 = 7;

/// Exit status after an internal error.
const EXIT_INTERNAL: u8 = 70;

/// Exit status after a second Ctrl-C.
const EXIT_FORCED: u8 = 130;

/// Maximum time for shutting down; the node itself guarantees less.
const STOP_TIMEOUT: Duration = Duration::from_millis(4500);

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] options::OptionsError),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The node that `doctor` should check is running.
    #[error("{} belongs to a running node; type `doctor` at its prompt instead", folder.display())]
    Running {
        /// The node's state folder.
        folder: PathBuf,
    },
    /// The node cannot start.
    #[error(transparent)]
    Start(#[from] NodeStartError),
    /// A torrent command failed.
    #[error(transparent)]
    Torrent(#[from] torrent::TorrentCommandError),
    /// A peer of a configured swarm failed.
    #[error(transparent)]
    Swarm(#[from] swarm::SwarmCommandError),
    /// A LAN command failed.
    #[error(transparent)]
    Lan(#[from] lan::LanCommandError),
    /// A system resource that the program needs is missing.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
}

impl CliError {
    /// Returns a hint to append to the message: an option that helps.
    const fn hint(&self) -> &'static str {
        match self {
            Self::Start(NodeStartError::Identity(IdentityError::Exposed { .. })) => {
                "; on a file system without permissions, use it anyway with --insecure-state"
            }
            _ => "",
        }
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Options(_) => 2,
            Self::State(StateError::InUse { .. }) | Self::Running { .. } => EXIT_IN_USE,
            Self::Torrent(error) => error.exit_code(),
            Self::Swarm(error) => error.exit_code(),
            Self::State(_) | Self::Start(_) | Self::Lan(_) | Self::System(_) => 1,
        }
    }
}

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    let options = match ProgramOptions::try_parse() {
        Ok(options) => options,
        Err(usage) => return ExitCode::from(show_usage(&usage)),
    };
    let code = run(options).unwrap_or_else(|error| {
        // If stderr is closed, only the exit status reports the failure.
        let _ = writeln!(io::stderr(), "peer-node: {error}{}", error.hint());
        error.exit_code()
    });
    if let Some(task) = essential_task::failed_task() {
        let _ = writeln!(
            io::stderr(),
            "peer-node: internal error: the {task} stopped unexpectedly; received data is kept, start the node again"
        );
        return ExitCode::from(EXIT_INTERNAL);
    }
    ExitCode::from(code)
}

/// Prints the requested help or the usage error and returns the exit status.
fn show_usage(usage: &clap::Error) -> u8 {
    match usage.print().and_then(|()| io::stdout().flush()).map_err(OutputError::from) {
        Ok(()) => u8::try_from(usage.exit_code()).unwrap_or(1),
        Err(error) => report_output_error(error),
    }
}

/// Reports on stderr that the output cannot be written, unless the reader closed it, and returns the exit status.
fn report_output_error(error: OutputError) -> u8 {
    if error != OutputError::Closed {
        let _ = writeln!(io::stderr(), "peer-node: {error}");
    }
    error.exit_code()
}

fn run(options: ProgramOptions) -> Result<u8, CliError> {
    raise_descriptor_limit();
    match &options.command {
        Some(ProgramCommand::Torrent(command)) => return Ok(torrent::run(command)?),
        Some(ProgramCommand::Swarm(command)) => return Ok(swarm::run(command)?),
        Some(ProgramCommand::Lan(lan)) => return Ok(lan::run(lan)?),
        Some(ProgramCommand::Doctor(_)) | None => {}
    }
    let runtime = Runtime::new()?;
    let code = runtime.block_on(async {
        match options.command.clone() {
            Some(ProgramCommand::Doctor(doctor)) => doctor::run(doctor).await,
            _ => run_node(options).await,
        }
    });
    // Only blocking calls can be left after the node has stopped; do not wait for them.
    runtime.shutdown_background();
    code
}

async fn run_node(options: ProgramOptions) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let (verbosity, index, timeout) =
        (options.verbosity.verbose, options.basic.index.clone(), options.timeout);
    let (port, is_named_after_port) = (options.basic.port, options.basic.share_dir.is_none());
    let (folder, options) = (options.folder()?, options.into_node_options()?);
    let used = UsedFolders::for_current_user();
    let other = used.as_ref().filter(|_| is_named_after_port);
    if let Some(notice) = other.and_then(|used| folder_hint::other_folder_notice(used, port, &folder)) {
        let _ = writeln!(io::stderr(), "peer-node: {notice}");
    }
    let state = StateDir::open(&folder)?;
    if let Some(warning) = state.health().borrow().warning() {
        let _ = writeln!(io::stderr(), "peer-node: warning: {}: {warning}", state.path().display());
    }
    if let Err(error) = crate::log::init(&state.log_dir(), verbosity) {
        let _ = writeln!(
            io::stderr(),
            "peer-node: warning: cannot open the log, continuing without one: {error}"
        );
    }
    let node = tokio::select! {
        node = Node::start(options, state) => Arc::new(node?),
        _ = signals.next() => return Ok(0),
    };
    if let Some(used) = used.filter(|_| port != 0) {
        let folder = node.share_dir().to_owned();
        let remembered = tokio::task::spawn_blocking(move || used.remember(port, &folder)).await;
        if let Ok(Err(error)) = remembered {
            tracing::debug!(%error, "cannot remember the folder for the account");
        }
    }
    let ended = repl::run(&node, &index, timeout, &mut signals).await;
    let stopped = tokio::select! {
        _ = tokio::time::timeout(STOP_TIMEOUT, node.stop()) => true,
        () = signals.interrupted() => false,
    };
    Ok(if stopped { exit_status(ended?) } else { EXIT_FORCED })
}

fn exit_status(ended: ReplEnd) -> u8 {
    match ended {
        ReplEnd::Finished(ScriptOutcome::Success) => 0,
        ReplEnd::Finished(ScriptOutcome::Failed) => 1,
        ReplEnd::Finished(ScriptOutcome::Unfinished) => EXIT_UNFINISHED,
        ReplEnd::OutputFailed(error) => report_output_error(error),
    }
}
