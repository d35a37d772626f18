use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use protocol::lan::{
    ANNOUNCE_INTERVAL_SECONDS, ANNOUNCE_PORT, CHUNK_PORT, ChunkCount, JSON_DEFAULTS, ReplyFormat,
};
use protocol::limits::MAX_CHUNK_COUNT;
use protocol::units::parse_size;

use super::fresh_cookie;
use crate::lan::LanSettings;

const EXAMPLES: &str = "\
Examples:
  peer-node lan announce forest.png     cuts it into lan/forest_1 to lan/forest_5 and tells everybody
  peer-node lan upload                  gives them to whoever asks
  peer-node lan discover                writes lan/content_dictionary.txt
  peer-node lan download forest.png     fetches what was heard of as forest, and puts it together
  peer-node lan --file forest.png       all of it at once; each line of stdin is a name to download

Every chunk in the folder is announced and given. There are no hashes on this wire: what is fetched is as
trustworthy as the network, unless both sides are programs of ours, which announce digests.";

/// What to do on the network without a server.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LanOptions {
    /// One part alone; without it, all of them.
    #[command(subcommand)]
    pub command: Option<LanCommand>,

    /// How it is done.
    #[command(flatten)]
    pub shared: LanSharedOptions,
}

/// The parts.
#[derive(Debug, Clone, Subcommand)]
pub enum LanCommand {
    /// Tells everybody again and again which chunks are here.
    Announce {
        /// Files that are cut into chunks first.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Hears what others announce, and writes it down.
    Discover,
    /// Fetches the chunks of a file from those who were heard to have them.
    Download {
        /// The file's name, with or without its extension.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Gives chunks to whoever asks for them.
    Upload,
}

/// What all parts have in common.
#[derive(Debug, Clone, Args)]
pub struct LanSharedOptions {
    /// The folder of chunks, and of the files in which is written what was heard and done.
    #[arg(long, value_name = "DIR", default_value = "lan", global = true)]
    pub dir: PathBuf,

    /// A file that is cut and announced, when all parts run at once; may be repeated.
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Speak with the programs of 2025 and 2026: request chunks by both keys, announce a name.
    #[arg(long, global = true)]
    pub json: bool,

    /// The UDP port of announcements [default: 5001, with --json 6000].
    #[arg(long, value_name = "PORT", global = true, value_parser = port)]
    pub announce_port: Option<u16>,

    /// The TCP port on which chunks are given, here and elsewhere [default: 5000, with --json 6001].
    #[arg(long, value_name = "PORT", global = true, value_parser = port)]
    pub chunk_port: Option<u16>,

    /// The seconds between two announcements [default: 60, with --json 8].
    #[arg(long, value_name = "SECONDS", global = true, value_parser = seconds)]
    pub period: Option<f64>,

    /// Into how many chunks a file is cut, here and elsewhere [default: 5, with --json 3].
    #[arg(long, value_name = "N", global = true, value_parser = count)]
    pub chunks: Option<u16>,

    /// Where announcements go; without it, to everybody on every network of this machine.
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub broadcast: Option<Ipv4Addr>,

    /// The address of this machine that is used; 0.0.0.0 for all.
    // The node has an option of this name and of another type, with which it must not be mixed up.
    #[arg(id = "lan_host", long = "listen-host", value_name = "ADDRESS", default_value_t = Ipv4Addr::UNSPECIFIED, global = true)]
    pub listen_host: Ipv4Addr,

    /// The largest file that is fetched.
    #[arg(long, value_name = "SIZE", default_value = "16G", global = true, value_parser = size)]
    pub max_size: u64,

    /// Shows the log on stderr; twice for more, three times for everything.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

impl LanOptions {
    /// Returns how the parts work, with a cookie of its own for this run.
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
            variant,
            cookie: fresh_cookie().map_err(io::Error::other)?,
        })
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "write a number from 1 to 65535".to_owned())
}

fn count(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().and_then(ChunkCount::new).map(ChunkCount::get);
    count.ok_or_else(|| format!("write a number from 1 to {MAX_CHUNK_COUNT}"))
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "write seconds from 0.1 to 86400".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}
