use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

/// Measure downloads over emulated long lines beside curl and aria2.
#[derive(Debug, Parser)]
#[command(name = "long_lines")]
pub(super) struct LongLinesOptions {
    /// Run only cells that have all words of a filter, e.g. bbr,100ms,0.1% [default: all cells]
    pub(super) filters: Vec<String>,
    /// Number of runs per contender [default: 5 at 100 ms and 100 Mbit/s, 3 elsewhere]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) runs: Option<u16>,
    /// Run only these contenders
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(super) only: Vec<String>,
    /// Also measure a download in a node that is already running and connected
    #[arg(long)]
    pub(super) running: bool,
    /// Seconds after which a run is stopped and counted with this duration
    #[arg(long, default_value_t = 60)]
    limit: u64,
    /// Use index-server and peer-node from this folder [default: build them]
    #[arg(long, value_name = "DIR")]
    pub(super) programs: Option<PathBuf>,
    /// Folder for temporary files [default: the system's]
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// Output in addition to the tables of the cells
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// List the cells and exit
    #[arg(long)]
    pub(super) list: bool,
    /// Accept what cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Output in addition to the tables of the cells.
#[derive(Debug, Args)]
pub(super) struct OutputOptions {
    /// Print one JSON object per cell
    #[arg(long)]
    pub(super) json: bool,
    /// Print a Markdown table of all cells at the end
    #[arg(long)]
    pub(super) markdown: bool,
}

impl LongLinesOptions {
    /// Returns the time limit of one run.
    pub(super) const fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}
