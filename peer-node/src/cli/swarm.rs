//! The peers of a configured swarm, as programs: one of them, or all whose host is this machine.

mod all;
mod one;
mod report;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use protocol::configured::{ConfiguredPeerId, Framing};

use crate::configured::{GroupConfig, GroupConfigError, GroupStartError};
use crate::repl::output::{Audience, ConsoleOutput, OutputError};

const EXAMPLES: &str = "\
Examples:
  peer-node swarm 1001               peer 1001 of ./PeerInfo.cfg, which has the file
  peer-node swarm 1002 --dir ~/p2p   another one: it fetches the file into ~/p2p/peer_1002/
  peer-node swarm start-all          all peers whose host is this machine, shown together

A peer ends by itself, with status 0, when everybody has the file. What it has is kept: started
again, it goes on from there. Its log is log_peer_ID.log.";

/// Which peers are started, and what they have agreed on.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SwarmOptions {
    /// The peer, by its number in the list; or all whose host is this machine.
    #[arg(value_name = "PEER_ID|start-all", value_parser = parse_peer_choice)]
    pub who: PeerChoice,

    /// The folder of the peers' folders and of their logs.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// What the peers have agreed on; without it, Common.cfg in the folder.
    #[arg(long, value_name = "FILE")]
    pub common: Option<PathBuf>,

    /// The list of the peers; without it, PeerInfo.cfg in the folder.
    #[arg(long, value_name = "FILE")]
    pub peers: Option<PathBuf>,

    /// What the length of a message counts: its type as well, or only what follows; auto adopts what the others speak.
    #[arg(long, value_name = "FRAMING", value_enum, default_value_t = FramingOption::Auto)]
    pub framing: FramingOption,

    /// Says every quarter of a second how far it is, in lines for `start-all`.
    #[arg(long, hide = true)]
    pub report: bool,

    /// Shows the log on stderr; twice for more, three times for everything.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Which peers are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerChoice {
    /// One.
    One(ConfiguredPeerId),
    /// All whose host is this machine.
    All,
}

/// How messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FramingOption {
    /// As each of the others does.
    Auto,
    /// The length counts the type and what follows it.
    Inclusive,
    /// The length counts what follows the type.
    Exclusive,
}

/// Why there is no swarm.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwarmCommandError {
    /// What was agreed on cannot be used.
    #[error(transparent)]
    Plan(#[from] GroupConfigError),
    /// The peer cannot begin.
    #[error(transparent)]
    Peer(#[from] GroupStartError),
    /// Nobody is to be started here.
    #[error("no peer of {} has this machine as its host", .0.display())]
    NoLocalPeer(PathBuf),
    /// The system does not give what every program needs.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
    /// Nobody reads what is said.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl SwarmCommandError {
    /// Returns the status with which the program ends.
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

    /// Reads what was agreed on.
    fn read_plan(&self) -> Result<GroupConfig, GroupConfigError> {
        let mut plan = GroupConfig::read(&self.dir, &self.common_path(), &self.peers_path())?;
        plan.framing = match self.framing {
            FramingOption::Auto => None,
            FramingOption::Inclusive => Some(Framing::Inclusive),
            FramingOption::Exclusive => Some(Framing::Exclusive),
        };
        Ok(plan)
    }
}

/// Carries the command out and returns the program's status. Blocks.
pub(super) fn run(options: &SwarmOptions) -> Result<u8, SwarmCommandError> {
    crate::log::init_stderr(options.verbose);
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = ConsoleOutput::standard(audience);
    let plan = options.read_plan()?;
    // Whoever has started this peer has reported them.
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
    // What is left is at most a call that blocks.
    runtime.shutdown_background();
    code
}

fn parse_peer_choice(text: &str) -> Result<PeerChoice, String> {
    if text == "start-all" {
        return Ok(PeerChoice::All);
    }
    let id = text.parse().map_err(|_| "write the number of a peer, or start-all".to_owned())?;
    Ok(PeerChoice::One(ConfiguredPeerId(id)))
}
