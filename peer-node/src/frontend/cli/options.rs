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
use crate::frontend::time_limit::parse_time_limit;
use crate::node::NodeOptions;

const EXAMPLES: &str = "\
Examples:
  peer-node                          share shared_dirs/12349, with an index on this machine
  peer-node 12350 --index host:1313  run a second node, with another index
  printf 'search iso\\ndownload 1\\n' | peer-node 12350
                                     run a script: status 1 if a command failed, 7 if a
                                     download is unfinished
  peer-node torrent show a.torrent   show what a torrent contains
  peer-node swarm start-all          run the group of ./Common.cfg and ./PeerInfo.cfg
  peer-node lan                      exchange chunks on the local network, without a server

Type help at the prompt to list the commands.";

/// Share a folder, search the files of all peers, and download each file from many peers at once
#[derive(Debug, Clone, Parser)]
#[command(name = "peer-node", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct ProgramOptions {
    /// The command to run instead of a node.
    #[command(subcommand)]
    pub command: Option<ProgramCommand>,

    /// Accept peers on this port, which also names the shared folder; 0 takes any free port (requires --share-dir)
    #[arg(value_name = "PORT", env = "PEER_NODE_PORT", default_value_t = 12349)]
    pub port: u16,

    /// Connect to the index at this address; the default port is 1313
    #[arg(long, value_name = "HOST[:PORT]", env = "PEER_NODE_INDEX", default_value = "127.0.0.1:1313", value_parser = index_address)]
    pub index: String,

    /// Accept peers on this address; 0.0.0.0 or :: for all addresses
    #[arg(long, value_name = "ADDRESS", env = "PEER_NODE_LISTEN_HOST", default_value = "127.0.0.1")]
    pub listen_host: IpAddr,

    /// Share this folder [default: `shared_dirs/PORT`]
    #[arg(long, value_name = "FOLDER", env = "PEER_NODE_SHARE_DIR")]
    pub share_dir: Option<PathBuf>,

    /// Do not share files that match this pattern, in .gitignore syntax; can be repeated. For permanent patterns use
    /// .peerdexignore files, or register at the prompt
    #[arg(long, value_name = "PATTERN", env = "PEER_NODE_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<String>,

    /// Maximum number of downloads that fetch at once; others wait in the queue
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_ACTIVE_DOWNLOADS", default_value_t = 8, value_parser = at_least_one)]
    pub max_active_downloads: usize,

    /// Maximum total upload rate in bytes/s, e.g. 10M [default: unlimited]
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_UPLOAD_RATE", value_parser = rate)]
    pub max_upload_rate: Option<NonZeroU64>,

    /// Maximum total download rate in bytes/s, e.g. 10M [default: unlimited]
    #[arg(long, value_name = "RATE", env = "PEER_NODE_MAX_DOWNLOAD_RATE", value_parser = rate)]
    pub max_download_rate: Option<NonZeroU64>,

    /// Maximum number of peers served at once, plus one rotating slot; others wait in the queue
    #[arg(long, value_name = "N", env = "PEER_NODE_UPLOAD_SLOTS", default_value_t = 8, value_parser = at_least_one)]
    pub upload_slots: usize,

    /// Maximum number of connections to other peers
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_CONNECTIONS", default_value_t = 200, value_parser = at_least_one)]
    pub max_connections: usize,

    /// The limits per address.
    #[command(flatten)]
    pub addresses: AddressOptions,

    /// Wait at most this long for the downloads of a command, e.g. 30 (seconds), 5m or 2h; unfinished downloads resume
    /// later (status 7 in scripts) [default: no limit]
    #[arg(long, value_name = "TIME", env = "PEER_NODE_TIMEOUT", value_parser = parse_time_limit)]
    pub timeout: Option<Duration>,

    /// How strictly the node's own files must be protected.
    #[command(flatten)]
    pub state: StateOptions,

    /// How nodes on the local network are found.
    #[command(flatten)]
    pub neighbours: NeighbourOptions,

    /// Show the log on stderr; repeat for more detail, up to -vvv
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands besides running a node.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ProgramCommand {
    /// Show, create, verify, download and seed torrents
    #[command(subcommand)]
    Torrent(TorrentCommand),
    /// Take part in a configured swarm: a closed group, listed in PeerInfo.cfg, that distributes one file
    Swarm(SwarmOptions),
    /// Exchange chunks of files on the local network, without a server
    Lan(LanOptions),
    /// Check what keeps a node from working well, and suggest remedies
    Doctor(DoctorOptions),
}

/// Options that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionsError {
    /// All nodes on port 0 would share one folder.
    #[error("port 0 takes any free port, so the folder cannot be named after it; add --share-dir FOLDER")]
    NoFolder,
    /// The system provides no random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl ProgramOptions {
    /// Returns the folder that the node shares.
    pub(crate) fn folder(&self) -> Result<PathBuf, OptionsError> {
        match (&self.share_dir, self.port) {
            (Some(folder), _) => Ok(folder.clone()),
            (None, 0) => Err(OptionsError::NoFolder),
            (None, port) => Ok(PathBuf::from("shared_dirs").join(port.to_string())),
        }
    }

    /// Returns the options with which the node is started.
    pub(crate) fn into_node_options(self) -> Result<NodeOptions, OptionsError> {
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
        .ok_or_else(|| "a rate of 0 would block all transfers; omit the option for no limit".to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a number of at least 1".to_owned())
}

/// The default port of an index.
const INDEX_PORT: u16 = 1313;

/// Parses the address of an index: a name or an IP address, with or without a port. An IPv6 address with a port needs brackets.
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

/// Returns true for an IPv6 address, with or without the interface of a link-local one (`fe80::1%eth0`).
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
