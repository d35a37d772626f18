use std::path::PathBuf;

use clap::Parser;

/// Fills an index with names and measures how it takes them and how it finds them.
#[derive(Debug, Parser)]
#[command(name = "index", about)]
pub(super) struct IndexBenchOptions {
    /// How many files there are, each with a content of its own.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) files: u32,
    /// Of how many nodes.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) nodes: u32,
    /// How many of them register lists while searches are timed.
    #[arg(long, default_value_t = 100)]
    pub(super) busy: u32,
    /// How many files a second they register together; 0 for as many as they can.
    #[arg(long, default_value_t = 0)]
    pub(super) rate: u32,
    /// Over how many connections searches are counted.
    #[arg(long, default_value_t = 64)]
    pub(super) connections: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 10)]
    pub(super) seconds: u64,
    /// How many hits a search asks for.
    #[arg(long, default_value_t = 20)]
    pub(super) hits: u16,
    /// How many different words there are.
    #[arg(long, default_value_t = 120_000)]
    pub(super) words: u32,
    /// Puts a word of 16 random digits into every name, so that there are as many different words as names.
    #[arg(long)]
    pub(super) random_words: bool,
    /// Everything is made from this number.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// The data folder of the index, which stays; without it, one that goes with the benchmark.
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
    /// An option for the index, as in `--index=--max-connections=100`.
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) index: Vec<String>,
    /// Writes the names to a file, one a line, and the queries beside it, and ends.
    #[arg(long, value_name = "FILE")]
    pub(super) export: Option<PathBuf>,
    /// What cargo gives to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}
