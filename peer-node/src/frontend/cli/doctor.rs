//! `peer-node doctor`: starts a node, checks it and stops it again.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::{Args, Parser};

use super::basic_options::BasicOptions;
use super::state_options::StateOptions;
use super::{CliError, ProgramOptions};
use crate::frontend::console::output::{Audience, ConsoleOutput};
use crate::frontend::repl::show_findings;
use crate::node::Node;
use crate::operations::{Operations, Severity};
use crate::platform::Signals;
use crate::state_dir::{StateDir, StateError};

const EXAMPLES: &str = "\
Examples:
  peer-node doctor --index host:1313 --listen-host 0.0.0.0
  peer-node doctor --share-dir /tmp/elsewhere 12350

For a running node, type doctor at its prompt. Status 0: no problems; 1: problems found; 75: the node is
running.";

/// The node to check.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("port", |arg| arg.help("Accept peers on this port")),
    mut_arg("listen_host", |arg| arg.help("Accept peers on this address")),
    mut_arg("share_dir", |arg| arg.help("Check the node of this shared folder [default: `shared_dirs/PORT`]")),
)]
pub(crate) struct DoctorOptions {
    /// Which node is checked.
    #[command(flatten)]
    pub basic: BasicOptions,

    /// How strictly the node's own files must be protected.
    #[command(flatten)]
    pub state: StateOptions,
}

/// Checks a node and returns the program's exit status.
pub(super) async fn run(doctor: DoctorOptions) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let DoctorOptions { basic, state } = doctor;
    let shown = basic.index.clone();
    let options = ProgramOptions { basic, state, ..ProgramOptions::parse_from(["peer-node"]) };
    let (folder, options) = (options.folder()?, options.into_node_options()?);
    let state = StateDir::open(&folder).map_err(|error| match error {
        StateError::InUse { path } => CliError::Running { folder: path },
        error => error.into(),
    })?;
    let node = Arc::new(Node::start(options, state).await?);
    let operations = Operations::new(Arc::clone(&node));
    let findings = tokio::select! {
        findings = operations.diagnose_new_node(&shown) => Some(findings),
        _ = signals.next() => None,
    };
    node.stop().await;
    let Some(findings) = findings else { return Ok(super::EXIT_FORCED) };
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    if let Err(error) = show_findings(&mut ConsoleOutput::standard(audience), &findings) {
        return Ok(super::report_output_error(error));
    }
    Ok(u8::from(findings.iter().any(|finding| finding.severity == Severity::Problem)))
}
