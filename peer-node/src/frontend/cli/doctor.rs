//! `peer-node doctor`: starts a node, checks it and stops it again.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser};

use super::options::index_address;
use super::state_options::StateOptions;
use super::{CliError, ProgramOptions};
use crate::frontend::console::output::{Audience, ConsoleOutput};
use crate::frontend::repl::show_findings;
use crate::frontend::signals::Signals;
use crate::node::Node;
use crate::operations::{Operations, Severity};
use crate::state_dir::{StateDir, StateError};

const EXAMPLES: &str = "\
Examples:
  peer-node doctor --index host:1313 --listen-host 0.0.0.0
  peer-node doctor --share-dir /tmp/elsewhere 12350

For a running node, type doctor at its prompt. Status 0: no problems; 1: problems found; 75: the node is
running.";

/// The node to check.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorOptions {
    /// Accept peers on this port
    #[arg(value_name = "PORT", env = "PEER_NODE_PORT", default_value_t = 12349)]
    pub port: u16,

    /// Connect to the index at this address; the default port is 1313
    #[arg(long, value_name = "HOST[:PORT]", env = "PEER_NODE_INDEX", default_value = "127.0.0.1:1313", value_parser = index_address)]
    pub index: String,

    /// Accept peers on this address
    #[arg(long, value_name = "ADDRESS", env = "PEER_NODE_LISTEN_HOST", default_value = "127.0.0.1")]
    pub listen_host: IpAddr,

    /// Check the node of this shared folder [default: `shared_dirs/PORT`]
    #[arg(long, value_name = "FOLDER", env = "PEER_NODE_SHARE_DIR")]
    pub share_dir: Option<PathBuf>,

    /// How strictly the node's own files must be protected.
    #[command(flatten)]
    pub state: StateOptions,
}

/// Checks a node and returns the program's exit status.
pub(super) async fn run(doctor: DoctorOptions) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let DoctorOptions { port, index, listen_host, share_dir, state } = doctor;
    let shown = index.clone();
    let options = ProgramOptions {
        port,
        index,
        listen_host,
        share_dir,
        state,
        ..ProgramOptions::parse_from(["peer-node"])
    };
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
