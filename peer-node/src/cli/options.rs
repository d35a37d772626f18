use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
use protocol::units::parse_size;

use super::address_options::AddressOptions;
use super::doctor::DoctorOptions;
use super::lan::{LanOptions, NeighbourOptions, NoRandomness};
use super::state_options::StateOptions;
use super::swarm::SwarmOptions;
use super::torrent::TorrentCommand;
use crate::node::NodeOptions;
use crate::repl::time_limit::parse_time_limit;

const EXAMPLES: &str = "\
Examples:
  peer-node                          shares shared_dirs/12349, index on this machine
  peer-node 12350 --index host:1313  a second peer, with another index
  printf 'search iso\\ndownload 1\\n' | peer-node 12350
                                     a script: status 1 if any command failed, 7 if a
                                     download is unfinished
  peer-node torrent show a.torrent   what a torrent says
  peer-node swarm start-all          the group of ./Common.cfg and ./PeerInfo.cfg
  peer-node lan                      chunks of files on the local network, without a server

At the prompt, help shows the commands.";

/// A peer: shares a folder, searches everybody's files, fetches one file from many peers at once.
#[derive(Debug, Clone, Parser)]
#[command(name = "peer-node", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct ProgramOptions {
    /// What to do instead of running a node.
    #[command(subcommand)]
    pub command: Option<ProgramCommand>,

    /// The port on which peers are accepted; it also names the folder. 0 takes any free one, with --share-dir.
    #[arg(value_name = "PORT", env = "PEER_NODE_PORT", default_value_t = 12349)]
    pub port: u16,

    /// Connect to the index on this host; without a port, on 1313
    #[arg(long, value_name = "HOST[:PORT]", env = "PEER_NODE_INDEX", default_value = "127.0.0.1:1313", value_parser = index_address)]
    pub index: String,

    /// The address on which peers are accepted: 0.0.0.0 or :: for all.
    #[arg(long, value_name = "ADDRESS", env = "PEER_NODE_LISTEN_HOST", default_value = "127.0.0.1")]
    pub listen_host: IpAddr,

    /// The folder that is shared; without it, a folder named after the port in `shared_dirs`.
    #[arg(long, value_name = "FOLDER", env = "PEER_NODE_SHARE_DIR")]
    pub share_dir: Option<PathBuf>,

    /// Do not share files that match this pattern, in the syntax of .gitignore; can be repeated. Lasting patterns stand in
    /// files named .peerdexignore, or are given to register at the prompt.
    #[arg(long, value_name = "PATTERN", env = "PEER_NODE_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<String>,

    /// How many downloads may fetch at once; others wait for their turn.
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_ACTIVE_DOWNLOADS", default_value_t = 8, value_parser = at_least_one)]
    pub max_active_downloads: usize,

    /// How fast all peers together may be sent content: bytes a second, as in 10M. Without it, as fast as possible.
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_UPLOAD_RATE", value_parser = rate)]
    pub max_upload_rate: Option<NonZeroU64>,

    /// How fast content may be fetched, from all peers together.
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_DOWNLOAD_RATE", value_parser = rate)]
    pub max_download_rate: Option<NonZeroU64>,

    /// How many peers are served at once, besides one in turn; others wait.
    #[arg(long, value_name = "N", env = "PEER_NODE_UPLOAD_SLOTS", default_value_t = 8, value_parser = at_least_one)]
    pub upload_slots: usize,

    /// How many connections to other peers there may be.
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_CONNECTIONS", default_value_t = 200, value_parser = at_least_one)]
    pub max_connections: usize,

    /// What one address may have.
    #[command(flatten)]
    pub addresses: AddressOptions,

    /// Wait at most this long for the downloads of a command; what is unfinished resumes later (status 7 in scripts).
    /// Seconds, or as in 5m or 2h [default: no limit]
    #[arg(long, value_name = "TIME", env = "PEER_NODE_TIMEOUT", value_parser = parse_time_limit)]
    pub timeout: Option<Duration>,

    /// How well the node's own files must be protected.
    #[command(flatten)]
    pub state: StateOptions,

    /// How nodes of the local network are found.
    #[command(flatten)]
    pub neighbours: NeighbourOptions,

    /// Shows the log on stderr; twice for more, three times for everything.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// What the program can do besides running a node.
#[derive(Debug, Clone, Subcommand)]
pub enum ProgramCommand {
    /// Looks into, makes and checks torrents.
    #[command(subcommand)]
    Torrent(TorrentCommand),
    /// Takes part in a configured swarm: a closed group, listed in PeerInfo.cfg, that spreads one file.
    Swarm(SwarmOptions),
    /// Gives and fetches chunks of files on the local network, without any server.
    Lan(LanOptions),
    /// Looks for what keeps a node from working well, and says what to do.
    Doctor(DoctorOptions),
}

/// Options that make no sense together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A folder named after port 0 would be everybody's.
    #[error("port 0 takes any free port, so the folder cannot be named after it: add --share-dir FOLDER")]
    NoFolder,
    /// The system gives no random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl ProgramOptions {
    /// Returns the folder that the node shares.
    pub fn folder(&self) -> Result<PathBuf, OptionsError> {
        match (&self.share_dir, self.port) {
            (Some(folder), _) => Ok(folder.clone()),
            (None, 0) => Err(OptionsError::NoFolder),
            (None, port) => Ok(PathBuf::from("shared_dirs").join(port.to_string())),
        }
    }

    /// Returns what the node is started with.
    pub fn into_node_options(self) -> Result<NodeOptions, OptionsError> {
        let lan = self.neighbours.settings(self.listen_host)?;
        Ok(NodeOptions {
            port: self.port,
            index: self.index,
            listen_host: self.listen_host,
            max_active_downloads: self.max_active_downloads,
            max_upload_rate: self.max_upload_rate,
            max_download_rate: self.max_download_rate,
            upload_slots: self.upload_slots,
            max_connections: self.max_connections,
            per_address: self.addresses.limits(),
            lan,
            finds_neighbours: self.neighbours.lan,
            exclude: self.exclude,
            exposed_key: self.state.exposure(),
        })
    }
}

pub(super) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = parse_size(text.trim_end_matches("/s")).map_err(|error| error.to_string())?;
    NonZeroU64::new(rate)
        .ok_or_else(|| "with a rate of 0 nothing would pass; leave the option out".to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a number from 1 on".to_owned())
}

/// The port on which an index listens by default.
const INDEX_PORT: u16 = 1313;

/// Reads where an index is: a name or an address, with or without a port. An address of IPv6 with a port needs brackets.
pub(super) fn index_address(text: &str) -> Result<String, String> {
    let wrong =
        || Err(format!("expected HOST or HOST:PORT, e.g. index.example.org:{INDEX_PORT} or [2001:db8::1]"));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if is_ipv6(host) && (rest.is_empty() || rest.starts_with(':')) => {
            (format!("[{host}]"), rest.strip_prefix(':'))
        }
        Some(_) => return wrong(),
        None if is_ipv6(text) => (format!("[{text}]"), None),
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let port = port.map_or(Ok(INDEX_PORT), str::parse::<u16>);
    match port {
        Ok(port) if port > 0 && !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(format!("{host}:{port}"))
        }
        _ => wrong(),
    }
}

/// Returns true for an address of IPv6, which may name the interface of a link-local one.
fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::AddressLimits;

    fn parse(arguments: &[&str]) -> Result<ProgramOptions, clap::Error> {
        ProgramOptions::try_parse_from([&["peer-node"], arguments].concat())
    }

    #[test]
    fn the_folder_is_named_after_the_port() {
        assert_eq!(parse(&["12350"]).unwrap().folder(), Ok(PathBuf::from("shared_dirs/12350")));
        assert_eq!(parse(&["0"]).unwrap().folder(), Err(OptionsError::NoFolder));
        assert_eq!(parse(&["0", "--share-dir", "x"]).unwrap().folder(), Ok(PathBuf::from("x")));
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        for arguments in [
            &["70000"][..],
            &["x"],
            &["--index", ""],
            &["--index", "h:0"],
            &["--index", "h:"],
            &["--index", "h:x"],
            &["--index", ":1"],
            &["--index", "[h]"],
            &["--index", "[::1]1313"],
            &["--index", "a b"],
            &["--listen-host", "here"],
            &["1", "2"],
            &["--max-active-downloads", "0"],
            &["--upload-slots", "0"],
            &["--max-connections", "none"],
            &["--max-upload-rate", "0"],
            &["--max-download-rate", "fast"],
            &["--max-active-downloads", "-1"],
            &["--timeout", "soon"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn an_index_without_a_port_is_on_1313() {
        for (given, meant) in [
            ("h", "h:1313"),
            ("h:1", "h:1"),
            ("10.0.0.7", "10.0.0.7:1313"),
            ("::1", "[::1]:1313"),
            ("[::1]", "[::1]:1313"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
            ("fe80::1%eth0", "[fe80::1%eth0]:1313"),
        ] {
            assert_eq!(parse(&["--index", given]).unwrap().index, meant);
        }
    }

    #[test]
    fn rates_have_units() {
        let options = parse(&["--max-upload-rate", "10M", "--max-download-rate", "512K/s"]).unwrap();
        let rates = (options.max_upload_rate, options.max_download_rate);
        assert_eq!(rates, (NonZeroU64::new(10 << 20), NonZeroU64::new(512 << 10)));
        assert_eq!(parse(&[]).unwrap().max_upload_rate, None);
    }

    #[test]
    fn per_address_limits_are_options_and_0_disables_them() {
        let limits = |arguments: &[&str]| parse(arguments).unwrap().addresses.limits();
        assert_eq!(limits(&[]), AddressLimits::default());
        let none = ["--slots-per-address=0", "--queue-per-address=0", "--connections-per-address=0"];
        let none = limits(&[&none[..], &["--reserved-connections=0", "--limit-loopback"]].concat());
        assert_eq!((none.slots, none.queue, none.connections), (None, None, None));
        assert_eq!((none.reserved, none.includes_loopback), (Some(0), true));
    }

    #[test]
    fn subcommand_excludes_node_options() {
        assert!(matches!(
            parse(&["torrent", "show", "x"]).unwrap().command,
            Some(ProgramCommand::Torrent(_))
        ));
        assert!(parse(&["12350"]).unwrap().command.is_none());
        for arguments in
            [&["12350", "torrent", "show", "x"][..], &["-v", "torrent", "show", "x"], &["torrent"]]
        {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn verbosity_is_counted() {
        assert_eq!(parse(&["-vv"]).unwrap().verbose, 2);
    }
}
