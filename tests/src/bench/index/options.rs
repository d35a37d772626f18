use std::path::PathBuf;

use clap::Parser;

/// Measure registration and searches of an index filled with generated names.
#[derive(Debug, Parser)]
#[command(name = "index", about)]
pub(super) struct IndexBenchOptions {
    /// Number of files, each with its own content
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) files: u32,
    /// Number of nodes that share the files
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) nodes: u32,
    /// Number of nodes that register lists while searches are timed
    #[arg(long, default_value_t = 100)]
    pub(super) busy: u32,
    /// Files per second that these nodes register together, 0 for no limit
    #[arg(long, default_value_t = 0)]
    pub(super) rate: u32,
    /// Number of connections over which searches are counted
    #[arg(long, default_value_t = 64)]
    pub(super) connections: u32,
    /// Seconds during which searches are counted
    #[arg(long, default_value_t = 10)]
    pub(super) seconds: u64,
    /// Number of hits per search
    #[arg(long, default_value_t = 20)]
    pub(super) hits: u16,
    /// Number of different words
    #[arg(long, default_value_t = 120_000)]
    pub(super) words: u32,
    /// Add a word of 16 random digits to every name, so that there are as many different words as names
    #[arg(long)]
    pub(super) random_words: bool,
    /// Seed of everything that is generated
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Data folder of the index, which is kept [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
    /// Option to pass to the index, e.g. `--index=--max-connections=100`
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) index: Vec<String>,
    /// Write the names to a file, one per line, and the queries to a file beside it, and exit
    #[arg(long, value_name = "FILE")]
    pub(super) export: Option<PathBuf>,
    /// Accept what cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}
