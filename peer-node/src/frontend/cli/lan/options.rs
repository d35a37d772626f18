use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use protocol::lan::{
    ANNOUNCE_INTERVAL_SECONDS, ANNOUNCE_PORT, CHUNK_PORT, ChunkCount, JSON_DEFAULTS, ReplyFormat,
};
use protocol::limits::MAX_CHUNK_COUNT;
use protocol::units::parse_size;

use super::fresh_cookie;
use crate::frontend::cli::verbosity_option::VerbosityOption;
use crate::lan::LanSettings;

const EXAMPLES: &str = "\
Examples:
  peer-node lan announce forest.png     split it into lan/forest_1 to lan/forest_5 and announce them
  peer-node lan upload                  serve the chunks
  peer-node lan discover                record announced chunks in lan/content_dictionary.txt
  peer-node lan download forest.png     download the chunks of forest and reassemble the file
  peer-node lan --file forest.png       all of these at once; each line of stdin names a file to download

Every chunk in the folder is announced and served. The protocol carries no hashes: a downloaded file is only
as trustworthy as the network, unless both sides are peer-node, which announces digests as well.";

/// The command and options of `peer-node lan`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LanOptions {
    /// The part to run; all of them without it.
    #[command(subcommand)]
    pub command: Option<LanCommand>,

    /// The options of all parts.
    #[command(flatten)]
    pub shared: LanSharedOptions,
}

/// The parts that can run alone.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LanCommand {
    /// Announce the chunks in the folder periodically
    Announce {
        /// Split these files into chunks first
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Receive announcements and record them in `content_dictionary.txt`
    Discover,
    /// Download the chunks of a file from the peers that announced them
    Download {
        /// Name of the file, with or without its extension
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Serve chunks to other peers
    Upload,
}

/// The options of all parts.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("verbose", |arg| arg.global(true)))]
pub(crate) struct LanSharedOptions {
    /// Keep the chunks, the content dictionary and the logs in this folder
    #[arg(long, value_name = "DIR", default_value = "lan", global = true)]
    pub dir: PathBuf,

    /// Split and announce this file when all parts run at once; can be repeated
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Use the JSON dialect of the programs of 2025 and 2026: request chunks by both keys, announce a name
    #[arg(long, global = true)]
    pub json: bool,

    /// Send and receive announcements on this UDP port [default: 5001, with --json 6000]
    #[arg(long, value_name = "PORT", global = true, value_parser = port)]
    pub announce_port: Option<u16>,

    /// Serve and request chunks on this TCP port [default: 5000, with --json 6001]
    #[arg(long, value_name = "PORT", global = true, value_parser = port)]
    pub chunk_port: Option<u16>,

    /// Announce at this interval in seconds [default: 60, with --json 8]
    #[arg(long, value_name = "SECONDS", global = true, value_parser = seconds)]
    pub period: Option<f64>,

    /// Number of chunks per file, the same for all peers [default: 5, with --json 3]
    #[arg(long, value_name = "N", global = true, value_parser = count)]
    pub chunks: Option<u16>,

    /// Send announcements to this address [default: the broadcast address of every local network]
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub broadcast: Option<Ipv4Addr>,

    /// Use this address of the machine; 0.0.0.0 for all addresses
    // The node has an option of this name and another type, so this one needs an id of its own.
    #[arg(id = "lan_host", long = "listen-host", value_name = "ADDRESS", default_value_t = Ipv4Addr::UNSPECIFIED, global = true)]
    pub listen_host: Ipv4Addr,

    /// Maximum size of a downloaded file
    #[arg(long, value_name = "SIZE", default_value = "16G", global = true, value_parser = size)]
    pub max_size: u64,

    /// How much of the log is shown.
    #[command(flatten)]
    pub verbosity: VerbosityOption,
}

impl LanOptions {
    /// Returns the settings of the parts, with a fresh cookie for this run.
    pub(super) fn settings(&self) -> io::Result<LanSettings> {
        let shared = &self.shared;
        let variant = if shared.json { ReplyFormat::Json } else { ReplyFormat::Raw };
        let (announce_port, chunk_port, period, chunks) = match variant {
            ReplyFormat::Json => JSON_DEFAULTS,
            ReplyFormat::Raw => {
                (ANNOUNCE_PORT, CHUNK_PORT, ANNOUNCE_INTERVAL_SECONDS, ChunkCount::default().get())
            }
        };
        Ok(LanSettings {
            announce_port: shared.announce_port.unwrap_or(announce_port),
            chunk_port: shared.chunk_port.unwrap_or(chunk_port),
            period: Duration::from_secs_f64(shared.period.unwrap_or_else(|| f64::from(period))),
            chunk_count: ChunkCount::new(shared.chunks.unwrap_or(chunks)).unwrap_or_default(),
            broadcast: shared.broadcast,
            host: shared.listen_host,
            max_size: shared.max_size,
            reply_format: variant,
            cookie: fresh_cookie().map_err(io::Error::other)?,
        })
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "expected a number from 1 to 65535".to_owned())
}

fn count(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().and_then(ChunkCount::new).map(ChunkCount::get);
    count.ok_or_else(|| format!("expected a number from 1 to {MAX_CHUNK_COUNT}"))
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds from 0.1 to 86400".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}
