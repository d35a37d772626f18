//! `peer-node swarm`: runs one peer of a configured swarm, or all whose host is this machine.

mod all;
mod one;
mod report;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use protocol::configured::{ConfiguredPeerId, Framing};

use super::verbosity_option::VerbosityOption;
use crate::configured::{GroupConfig, GroupConfigError, GroupStartError};
use crate::frontend::console::output::{Audience, ConsoleOutput, OutputError};

const EXAMPLES: &str = "\
Examples:
  peer-node swarm 1001               run peer 1001 of ./PeerInfo.cfg, which has the file
  peer-node swarm 1002 --dir ~/p2p   run peer 1002, which downloads the file into ~/p2p/peer_1002/
  peer-node swarm start-all          run all peers whose host is this machine, shown together

A peer exits with status 0 when all peers have the file. Finished pieces are kept: a peer that is
started again resumes. Its log is log_peer_ID.log.";

/// Which peers are started, and their configuration.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SwarmOptions {
    /// Run the peer with this number in the list, or all peers whose host is this machine
    #[arg(value_name = "PEER_ID|start-all", value_parser = parse_peer_choice)]
    pub who: PeerChoice,

    /// Keep the peers' folders and logs in this folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Read the common configuration from this file [default: Common.cfg in DIR]
    #[arg(long, value_name = "FILE")]
    pub common: Option<PathBuf>,

    /// Read the list of peers from this file [default: PeerInfo.cfg in DIR]
    #[arg(long, value_name = "FILE")]
    pub peers: Option<PathBuf>,

    /// Count the message type in the length field (inclusive), or only the payload (exclusive); auto adopts what each peer uses
    #[arg(long, value_name = "FRAMING", value_enum, default_value_t = FramingOption::Auto)]
    pub framing: FramingOption,

    /// Print progress lines for `start-all` every quarter of a second
    #[arg(long, hide = true)]
    pub report: bool,

    /// How much of the log is shown.
    #[command(flatten)]
    pub verbosity: VerbosityOption,
}

/// Which peers are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerChoice {
    /// The peer with this number.
    One(ConfiguredPeerId),
    /// All whose host is this machine.
    All,
}

/// How messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramingOption {
    /// Adopt what each peer uses
    Auto,
    /// The length counts the type and the payload
    Inclusive,
    /// The length counts only the payload
    Exclusive,
}

/// Why a swarm command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwarmCommandError {
    /// The configuration is invalid.
    #[error(transparent)]
    Plan(#[from] GroupConfigError),
    /// The peer cannot start.
    #[error(transparent)]
    Peer(#[from] GroupStartError),
    /// No peer runs on this machine.
    #[error("no peer of {} has this machine as its host", .0.display())]
    NoLocalPeer(PathBuf),
    /// A system resource that the program needs is missing.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl SwarmCommandError {
    /// Returns the program's exit status.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Output(error) => error.exit_code(),
            Self::Plan(_) => 2,
            Self::Peer(_) | Self::NoLocalPeer(_) | Self::System(_) => 1,
        }
    }
}

impl SwarmOptions {
    fn common_path(&self) -> PathBuf {
        self.common.clone().unwrap_or_else(|| self.dir.join("Common.cfg"))
    }

    fn peers_path(&self) -> PathBuf {
        self.peers.clone().unwrap_or_else(|| self.dir.join("PeerInfo.cfg"))
    }

    /// Reads the configuration.
    fn read_plan(&self) -> Result<GroupConfig, GroupConfigError> {
        let mut plan = GroupConfig::read(&self.dir, &self.common_path(), &self.peers_path())?;
        plan.framing = match self.framing {
            FramingOption::Auto => None,
            FramingOption::Inclusive => Some(Framing::Inclusive),
            FramingOption::Exclusive => Some(Framing::Exclusive),
        };
        plan.framing_advice = |framing| format!("try --framing {framing}");
        Ok(plan)
    }
}

/// Runs the command and returns the program's exit status. Blocks.
pub(super) fn run(options: &SwarmOptions) -> Result<u8, SwarmCommandError> {
    crate::log::init_stderr(options.verbosity.verbose);
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = ConsoleOutput::standard(audience);
    let plan = options.read_plan()?;
    // For a peer of `start-all`, the parent process has reported the warnings.
    if !options.report {
        plan.warnings.iter().for_each(|warning| output.warning(warning));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let code = match options.who {
        PeerChoice::One(id) => {
            let us = plan.find(id, &options.peers_path())?.clone();
            runtime.block_on(one::run(plan, us, options.report, &mut output))
        }
        PeerChoice::All => runtime.block_on(all::run(&plan, options, &mut output)),
    };
    output.clear_live();
    // Only blocking calls can be left; do not wait for them.
    runtime.shutdown_background();
    code
}

fn parse_peer_choice(text: &str) -> Result<PeerChoice, String> {
    if text == "start-all" {
        return Ok(PeerChoice::All);
    }
    let id = text.parse().map_err(|_| "expected the number of a peer, or start-all".to_owned())?;
    Ok(PeerChoice::One(ConfiguredPeerId(id)))
}
