use clap::{ArgAction, Args};

/// How much of the log is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct VerbosityOption {
    /// Show the log on stderr; repeat for more detail, up to -vvv
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}
