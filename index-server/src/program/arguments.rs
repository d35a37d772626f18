use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use protocol::index::TrackerPlace;
use protocol::limits::MAX_FILES_PER_NODE;

use crate::access::AccessFiles;
use crate::limits::{Limits, QuotaLimits, TrackerLimits};

/// The index of a Peerdex network: peers register their files here and find those of others.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    /// What to do instead of serving
    #[command(subcommand)]
    pub(super) task: Option<Task>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_LISTEN", default_value = "127.0.0.1:1313")]
    pub(super) listen: String,

    /// Folder for everything that is registered; made if there is none
    #[arg(
        long,
        value_name = "FOLDER",
        env = "INDEX_SERVER_DATA_DIR",
        default_value = "index-data",
        global = true
    )]
    pub(super) data_dir: PathBuf,

    /// The most connections at once
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,

    /// The most connections at once from one address (this machine is exempt)
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1000)]
    max_connections_per_address: usize,

    #[command(flatten)]
    quotas: QuotaArguments,

    #[command(flatten)]
    access: AccessArguments,

    /// Tells its numbers (/metrics, for Prometheus) and whether it is well (/healthz, /readyz) on this address and port
    /// over HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_METRICS")]
    pub(super) metrics: Option<String>,

    /// A name, besides its address, by which this machine may be asked for its numbers
    #[arg(long, value_name = "NAME", requires = "metrics")]
    pub(super) metrics_host: Vec<String>,

    /// Is a BitTorrent tracker too, on this address and port (HTTP); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_TRACKER")]
    pub(super) tracker: Option<String>,

    /// The tracker's announce URL as others reach it; if not given, nodes use the host of the index and the port
    #[arg(long, value_name = "URL", env = "INDEX_SERVER_TRACKER_URL", requires = "tracker", value_parser = announce_url)]
    pub(super) tracker_url: Option<String>,

    /// How often clients of the tracker are to announce themselves, in seconds
    #[arg(long, value_name = "SECONDS", env = "INDEX_SERVER_TRACKER_INTERVAL", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    tracker_interval: u64,

    /// Says more on standard error: -v decisions, -vv everything; `RUST_LOG` goes before it
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,
}

/// What can be done with a store that no index runs on.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Reads the whole store and says whether it is sound
    Check,
    /// Writes everything in the store as lines of JSON
    Export {
        /// A file that is not there yet, or - for the standard output
        file: PathBuf,
    },
    /// Makes a store of what was exported; all of it or nothing
    Import {
        /// The file, or - for the standard input
        file: PathBuf,
    },
}

/// How much each may ask for.
#[derive(Debug, Args)]
struct QuotaArguments {
    /// Changes of its list that a node may make in a second, and 50 times as many at once; 0 is no limit
    #[arg(long, value_name = "N", env = "INDEX_SERVER_REGISTRATIONS_PER_SECOND", default_value_t = 100)]
    registrations_per_second: u32,

    /// Searches and other questions of a node in a second, and 20 times as many at once; 0 is no limit
    #[arg(long, value_name = "N", env = "INDEX_SERVER_SEARCHES_PER_SECOND", default_value_t = 1000)]
    searches_per_second: u32,

    /// Processor time for the searches of a node, in milliseconds per second, and 10 times as much at once; 0 is no limit
    #[arg(long, value_name = "MS", env = "INDEX_SERVER_SEARCH_TIME_PER_NODE", default_value_t = 200)]
    search_time_per_node: u32,

    /// The same for all nodes at one address together; 0 is no limit
    #[arg(long, value_name = "MS", env = "INDEX_SERVER_SEARCH_TIME_PER_ADDRESS", default_value_t = 1000)]
    search_time_per_address: u32,

    /// All nodes at one address may ask for as much as so many nodes
    #[arg(long, value_name = "N", env = "INDEX_SERVER_NODES_PER_ADDRESS", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    nodes_per_address: u32,

    /// Nodes of one address that are listed as sources; 0 is no limit
    #[arg(long, value_name = "N", env = "INDEX_SERVER_LISTED_PER_ADDRESS", default_value_t = 32)]
    listed_per_address: u32,

    /// Reports of one address in a second that sources do not answer, and 50 times as many at once; 0 is no limit
    #[arg(long, value_name = "N", env = "INDEX_SERVER_REPORTS_PER_SECOND", default_value_t = 2)]
    reports_per_second: u32,

    /// Files that a node may share
    #[arg(long, value_name = "N", env = "INDEX_SERVER_FILES_PER_NODE", default_value_t = MAX_FILES_PER_NODE)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FILES_PER_NODE)))]
    files_per_node: u32,

    /// Memory for long messages under way, in MiB; an eighth of it for one address
    #[arg(long, value_name = "MIB", env = "INDEX_SERVER_MEMORY_IN_FLIGHT", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u32).range(8..=65_536))]
    memory_in_flight: u32,

    /// Lets the limits by address and the rates apply to this machine too
    #[arg(long, env = "INDEX_SERVER_LIMIT_LOOPBACK")]
    limit_loopback: bool,

    /// Forgets the list of a node that was not seen for so many days
    #[arg(long, value_name = "DAYS", env = "INDEX_SERVER_FORGET_AFTER", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=36_500))]
    forget_after: u64,
}

/// Whom the index serves.
#[derive(Debug, Args)]
struct AccessArguments {
    /// Serves only the networks and nodes in this file, one on each line; read again at SIGHUP
    #[arg(long, value_name = "FILE", env = "INDEX_SERVER_ALLOW")]
    allow: Option<PathBuf>,

    /// Does not serve the networks and nodes in this file, one on each line; read again at SIGHUP
    #[arg(long, value_name = "FILE", env = "INDEX_SERVER_DENY")]
    deny: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn limits(&self) -> Limits {
        let tracker = TrackerLimits::default().with_interval(Duration::from_secs(self.tracker_interval));
        // No descriptors are kept for the connections of a tracker that there is not.
        let its_connections = if self.tracker.is_some() { tracker.connections } else { 0 };
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            tracker: TrackerLimits { connections: its_connections, ..tracker },
            quotas: self.quotas.limits(),
            forget_after: Duration::from_hours(24 * self.quotas.forget_after),
            ..Limits::default()
        }
    }

    pub(super) fn access(&self) -> AccessFiles {
        AccessFiles { allow: self.access.allow.clone(), deny: self.access.deny.clone() }
    }
}

impl QuotaArguments {
    fn limits(&self) -> QuotaLimits {
        let usual = QuotaLimits::default();
        let bytes_in_flight = (self.memory_in_flight as usize) << 20;
        QuotaLimits {
            registrations: usual.registrations.with_per_second(self.registrations_per_second),
            questions: usual.questions.with_per_second(self.searches_per_second),
            search_time_per_node: self.search_time_per_node,
            search_time_per_address: self.search_time_per_address,
            nodes_per_address: self.nodes_per_address,
            listed_per_address: self.listed_per_address,
            reports: usual.reports.with_per_second(self.reports_per_second),
            files_per_node: self.files_per_node,
            bytes_in_flight,
            bytes_in_flight_per_address: bytes_in_flight / 8,
            loopback_counts: self.limit_loopback,
        }
    }
}

fn announce_url(text: &str) -> Result<String, &'static str> {
    let url = TrackerPlace::Url(text.to_owned()).url("");
    url.ok_or("an announce URL begins with http://, https:// or udp:// and has no blanks")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn limits_come_from_options_and_a_store_can_be_named_with_any_command() {
        let parse = |options: &[&str]| Arguments::try_parse_from([&["index-server"], options].concat());
        let arguments =
            parse(&["--searches-per-second", "3", "--files-per-node", "7", "--forget-after", "2"]).unwrap();
        let limits = arguments.limits();
        assert_eq!((limits.quotas.questions.per_second, limits.quotas.questions.burst), (3, 60));
        assert_eq!((limits.quotas.files_per_node, limits.forget_after), (7, Duration::from_hours(48)));
        assert_eq!(limits.quotas.registrations.burst, Limits::default().quotas.registrations.burst);
        assert!(parse(&["--files-per-node", "1000001"]).is_err() && parse(&["--forget-after", "0"]).is_err());
        let arguments = parse(&["export", "-", "--data-dir", "there"]).unwrap();
        assert!(matches!(&arguments.task, Some(Task::Export { file }) if file.as_os_str() == "-"));
        assert_eq!(arguments.data_dir, PathBuf::from("there"));
    }

    #[test]
    fn descriptors_are_kept_for_a_tracker_only_if_there_is_one() {
        let connections = |options: &[&str]| {
            let arguments = Arguments::try_parse_from([&["index-server"], options].concat()).unwrap();
            let limits = arguments.limits().within(1024);
            (limits.connections, limits.tracker.connections)
        };
        assert_eq!((connections(&[]), connections(&["--tracker", "[::]:6969"])), ((800, 0), (544, 256)));
    }

    #[test]
    fn a_tracker_url_goes_with_a_tracker_and_is_one_that_can_be_announced_to() {
        let parse = |options: &[&str]| Arguments::try_parse_from([&["index-server"], options].concat());
        let url = ["--tracker", "[::]:6969", "--tracker-url", "http://t.example/announce"];
        let arguments = parse(&url).unwrap();
        assert_eq!(arguments.tracker_url.as_deref(), Some("http://t.example/announce"));
        assert_eq!(arguments.limits().tracker.swarms.lifetime, Duration::from_mins(11));
        assert!(parse(&url[2..]).is_err());
        assert!(parse(&["--tracker", "[::]:1", "--tracker-url", "file:///etc/passwd"]).is_err());
        assert!(parse(&["--tracker-interval", "0"]).is_err());
    }
}
