use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use protocol::index::TrackerLocation;
use protocol::limits::MAX_FILES_PER_NODE;
use protocol::units::parse_size;

use super::machine;
use crate::access::AccessFiles;
use crate::budgets::BudgetLimits;
use crate::limits::{IndexLimits, QuotaLimits, TrackerLimits};

/// The index of a Peerdex network: peers register their files here and find those of others.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    /// What to do instead of serving
    #[command(subcommand)]
    pub(super) task: Option<StoreTask>,

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

    /// End with an error when a write to the store takes longer; 0 is no limit
    #[arg(long, value_name = "SECONDS", env = "INDEX_SERVER_COMMIT_TIMEOUT", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    commit_timeout: u64,

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
pub(super) enum StoreTask {
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

    /// Bytes that the list of a node may take, e.g. 128M, where a file takes about 102; 0 is no limit
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_BYTES_PER_NODE", default_value = "128M", value_parser = size)]
    bytes_per_node: u64,

    /// The same for all lists of one address together; 0 is no limit
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_BYTES_PER_ADDRESS", default_value = "256M", value_parser = size)]
    bytes_per_address: u64,

    /// Memory that all lists may take; 0 is no limit [default: half of what the machine has]
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_MAX_MEMORY", value_parser = size)]
    max_memory: Option<u64>,

    /// Disk space that all lists may take; 0 is no limit [default: half of the file system of the data folder]
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_MAX_DISK", value_parser = size)]
    max_disk: Option<u64>,

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

    /// Forgets the list of a node that was online for less than an hour in total after so many hours; 0 keeps it as long as others
    #[arg(long, value_name = "HOURS", env = "INDEX_SERVER_FORGET_BRIEF_AFTER", default_value_t = 24)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=876_000))]
    forget_brief_after: u64,
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
    pub(super) fn limits(&self) -> IndexLimits {
        let tracker = TrackerLimits::default().with_interval(Duration::from_secs(self.tracker_interval));
        // No descriptors are kept for the connections of a tracker that there is not.
        let its_connections = if self.tracker.is_some() { tracker.connections } else { 0 };
        IndexLimits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            tracker: TrackerLimits { connections: its_connections, ..tracker },
            quotas: self.quotas.limits(),
            budgets: self.budgets(),
            commit_timeout: Duration::from_secs(self.commit_timeout),
            forget_after: Duration::from_hours(24 * self.quotas.forget_after),
            forget_short_lived_after: Duration::from_hours(self.quotas.forget_brief_after),
            ..IndexLimits::default()
        }
    }

    /// Returns what lists may take; where the machine does not say how much it has, there is no limit.
    fn budgets(&self) -> BudgetLimits {
        let QuotaArguments { bytes_per_node, bytes_per_address, max_memory, max_disk, .. } = self.quotas;
        let half = |all: Option<u64>| all.unwrap_or_default() / 2;
        BudgetLimits {
            per_node: bytes_per_node,
            per_address: bytes_per_address,
            memory: max_memory.unwrap_or_else(|| half(machine::available_memory())),
            disk: max_disk.unwrap_or_else(|| half(machine::disk_size(&self.data_dir))),
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
            queries: usual.queries.with_per_second(self.searches_per_second),
            search_time_per_node: self.search_time_per_node,
            search_time_per_address: self.search_time_per_address,
            nodes_per_address: self.nodes_per_address,
            listed_per_address: self.listed_per_address,
            reports: usual.reports.with_per_second(self.reports_per_second),
            files_per_node: self.files_per_node,
            bytes_in_flight,
            bytes_in_flight_per_address: bytes_in_flight / 8,
            limit_loopback: self.limit_loopback,
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

fn announce_url(text: &str) -> Result<String, &'static str> {
    let url = TrackerLocation::Url(text.to_owned()).url("");
    url.ok_or("an announce URL begins with http://, https:// or udp:// and has no blanks")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_set_limits_and_data_dir_for_any_command() {
        let parse = |options: &[&str]| Arguments::try_parse_from([&["index-server"], options].concat());
        let arguments =
            parse(&["--searches-per-second", "3", "--files-per-node", "7", "--forget-after", "2"]).unwrap();
        let limits = arguments.limits();
        assert_eq!((limits.quotas.queries.per_second, limits.quotas.queries.burst), (3, 60));
        assert_eq!((limits.quotas.files_per_node, limits.forget_after), (7, Duration::from_hours(48)));
        assert_eq!(limits.quotas.registrations.burst, IndexLimits::default().quotas.registrations.burst);
        assert!(parse(&["--files-per-node", "1000001"]).is_err() && parse(&["--forget-after", "0"]).is_err());
        let arguments = parse(&["export", "-", "--data-dir", "there"]).unwrap();
        assert!(matches!(&arguments.task, Some(StoreTask::Export { file }) if file.as_os_str() == "-"));
        assert_eq!(arguments.data_dir, PathBuf::from("there"));
    }

    #[test]
    fn budgets_default_to_half_of_the_machine() {
        let budgets = |options: &[&str]| {
            let arguments = Arguments::try_parse_from([&["index-server"], options].concat());
            arguments.map(|arguments| arguments.limits().budgets)
        };
        let usual = budgets(&[]).unwrap();
        assert_eq!((usual.per_node, usual.per_address), (128 << 20, 256 << 20));
        assert_eq!(usual.per_node, BudgetLimits::default().per_node);
        assert!(usual.memory > 0 && usual.disk > 0, "{usual:?}");
        let own =
            ["--bytes-per-node", "1M", "--bytes-per-address", "0", "--max-memory", "2G", "--max-disk", "0"];
        let expected = BudgetLimits { per_node: 1 << 20, per_address: 0, memory: 2 << 30, disk: 0 };
        assert_eq!(budgets(&own).unwrap(), expected);
        assert!(budgets(&["--max-memory", "much"]).is_err());
    }

    #[test]
    fn descriptors_are_reserved_only_with_a_tracker() {
        let connections = |options: &[&str]| {
            let arguments = Arguments::try_parse_from([&["index-server"], options].concat()).unwrap();
            let limits = arguments.limits().within_descriptors(1024);
            (limits.connections, limits.tracker.connections)
        };
        assert_eq!((connections(&[]), connections(&["--tracker", "[::]:6969"])), ((800, 0), (544, 256)));
    }

    #[test]
    fn tracker_url_needs_a_tracker_and_a_usable_scheme() {
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
