//! Command-line options of the transfer benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::byte_size::ByteSize;

/// Measure a transfer beside other programs on this machine and print medians.
#[derive(Debug, Parser)]
#[command(name = "transfer", about)]
pub(super) struct TransferOptions {
    /// Size of the file
    #[arg(long, default_value = "1GiB")]
    pub(super) size: ByteSize,
    /// Numbers of sources, one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) sources: Vec<u8>,
    /// Number of runs per contender
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) runs: u16,
    /// Run only these contenders; ours always runs
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(super) only: Vec<String>,
    /// Folder for the files [default: the system's folder for temporary files]; `/dev/shm` excludes the disk
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// Measure BitTorrent only, with the seeders of one contender after the other; `own` uses each contender's own
    /// seeders
    #[arg(long, value_delimiter = ',', value_name = "NAME", conflicts_with = "small")]
    pub(super) seeders: Vec<String>,
    /// Transfer 1,000 files of 10 KiB from one source instead of one large file
    #[arg(long)]
    pub(super) small: bool,
    /// Amount of free memory to touch and keep backed, `0` for none [default: three quarters of the free memory]. It
    /// matters on virtual machines that return free pages to their host
    #[arg(long, value_name = "SIZE")]
    pub(super) warm: Option<ByteSize>,
    /// Command that keeps memory backed while it runs, instead of `--warm`; it prints a line when it is ready
    #[arg(long, value_name = "COMMAND")]
    pub(super) keep_warm: Option<String>,
    /// Seconds after which a run is aborted
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// List the contenders and exit
    #[arg(long)]
    pub(super) list: bool,
    /// Accept what cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl TransferOptions {
    /// Returns the time limit of one run.
    pub(super) const fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}
