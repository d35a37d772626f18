use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::basic_options::BasicOptions;
use super::doctor::DoctorOptions;
use super::lan::{LanOptions, NeighbourOptions, NoRandomness};
use super::state_options::StateOptions;
use super::swarm::SwarmOptions;
use super::torrent::TorrentCommand;
use super::transfer_options::{TransferOptions, at_least_one};
use super::verbosity_option::VerbosityOption;
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

    /// Which node is run.
    #[command(flatten)]
    pub basic: BasicOptions,

    /// Do not share files that match this pattern, in .gitignore syntax; can be repeated. For permanent patterns use
    /// .peerdexignore files, or register at the prompt
    #[arg(long, value_name = "PATTERN", env = "PEER_NODE_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<String>,

    /// Maximum number of downloads that fetch at once; others wait in the queue
    #[arg(long, value_name = "N", env = "PEER_NODE_MAX_ACTIVE_DOWNLOADS", default_value_t = 8, value_parser = at_least_one)]
    pub max_active_downloads: usize,

    /// The limits of transfers.
    #[command(flatten)]
    pub transfers: TransferOptions,

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

    /// How much of the log is shown.
    #[command(flatten)]
    pub verbosity: VerbosityOption,
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
        match (&self.basic.share_dir, self.basic.port) {
            (Some(folder), _) => Ok(folder.clone()),
            (None, 0) => Err(OptionsError::NoFolder),
            (None, port) => Ok(PathBuf::from("shared_dirs").join(port.to_string())),
        }
    }

    /// Returns the options with which the node is started.
    pub(crate) fn into_node_options(self) -> Result<NodeOptions, OptionsError> {
        let (basic, transfers) = (self.basic, self.transfers);
        let lan = self.neighbours.settings(basic.listen_host)?;
        Ok(NodeOptions {
            port: basic.port,
            index: basic.index,
            listen_host: basic.listen_host,
            max_active_downloads: self.max_active_downloads,
            max_upload_rate: transfers.max_upload_rate,
            max_download_rate: transfers.max_download_rate,
            upload_slots: transfers.upload_slots,
            max_connections: transfers.max_connections,
            per_address: transfers.addresses.limits(),
            lan,
            finds_neighbours: self.neighbours.lan,
            exclude: self.exclude,
            exposed_key: self.state.exposure(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

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
            assert_eq!(parse(&["--index", given]).unwrap().basic.index, meant);
        }
    }

    #[test]
    fn rates_have_units() {
        let options =
            parse(&["--max-upload-rate", "10M", "--max-download-rate", "512K/s"]).unwrap().transfers;
        let rates = (options.max_upload_rate, options.max_download_rate);
        assert_eq!(rates, (NonZeroU64::new(10 << 20), NonZeroU64::new(512 << 10)));
        assert_eq!(parse(&[]).unwrap().transfers.max_upload_rate, None);
    }

    #[test]
    fn per_address_limits_are_options_and_0_disables_them() {
        let limits = |arguments: &[&str]| parse(arguments).unwrap().transfers.addresses.limits();
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
        assert_eq!(parse(&["-vv"]).unwrap().verbosity.verbose, 2);
    }
}
