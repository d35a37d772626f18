//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::byte_size::ByteSize;

/// Measures a transfer beside other programs on this machine, and prints medians.
#[derive(Debug, Parser)]
#[command(name = "transfer", about)]
pub(super) struct TransferOptions {
    /// The size of the file.
    #[arg(long, default_value = "1GiB")]
    pub(super) size: ByteSize,
    /// From how many sources, one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(super) sources: Vec<u8>,
    /// How often each contender runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) runs: u16,
    /// Only these contenders; ours always runs.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(super) only: Vec<String>,
    /// Where the files lie; by default the folder for temporary files. `/dev/shm` takes the disk out of the picture.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// BitTorrent alone, and all from the seeders of one contender after the other; `own` is each from its own.
    #[arg(long, value_delimiter = ',', value_name = "NAME", conflicts_with = "small")]
    pub(super) seeders: Vec<String>,
    /// 1,000 files of 10 KiB from one source instead of one large file.
    #[arg(long)]
    pub(super) small: bool,
    /// How much free memory is touched and kept backed; without it, three quarters of what is free. `0` for none. It
    /// matters on virtual machines that give free pages back to their host.
    #[arg(long, value_name = "SIZE")]
    pub(super) warm: Option<ByteSize>,
    /// A command that keeps memory backed as long as it runs, instead of `--warm`: it prints a line once it is ready.
    #[arg(long, value_name = "COMMAND")]
    pub(super) keep_warm: Option<String>,
    /// After how many seconds a run is given up.
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Names the contenders and ends.
    #[arg(long)]
    pub(super) list: bool,
    /// What cargo gives to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl TransferOptions {
    /// Returns how long one run may take.
    pub(super) const fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}
