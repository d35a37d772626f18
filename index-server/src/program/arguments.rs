use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use protocol::index::TrackerLocation;
use protocol::limits::MAX_FILES_PER_NODE;
use protocol::units::parse_size;

use crate::access::AccessFiles;
use crate::budgets::BudgetLimits;
use crate::limits::{IndexLimits, QuotaLimits, TrackerLimits};
use crate::platform;

/// Index server of a Peerdex network: nodes register their files here and search those of others
///
/// Serves if no command is given
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    /// Maintenance command to run instead of serving
    #[command(subcommand)]
    pub(super) task: Option<StoreTask>,

    /// Listen for nodes on this address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_LISTEN", default_value = "127.0.0.1:1313")]
    pub(super) listen: String,

    /// Store all data in this folder; created if missing
    #[arg(
        long,
        value_name = "FOLDER",
        env = "INDEX_SERVER_DATA_DIR",
        default_value = "index-data",
        global = true
    )]
    pub(super) data_dir: PathBuf,

    /// Maximum number of connections
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,

    /// Maximum number of connections per address (loopback is exempt)
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1000)]
    max_connections_per_address: usize,

    /// Exit with an error if a write to the store takes longer; 0 means unlimited
    #[arg(long, value_name = "SECONDS", env = "INDEX_SERVER_COMMIT_TIMEOUT", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    commit_timeout: u64,

    #[command(flatten)]
    quotas: QuotaArguments,

    #[command(flatten)]
    access: AccessArguments,

    /// Serve Prometheus metrics (/metrics) and health checks (/healthz, /readyz) over HTTP on this address; port 0 selects
    /// a free port
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_METRICS")]
    pub(super) metrics: Option<String>,

    /// Accept metrics requests under this host name, besides the address
    #[arg(long, value_name = "NAME", requires = "metrics")]
    pub(super) metrics_host: Vec<String>,

    /// Serve a BitTorrent tracker over HTTP on this address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_TRACKER")]
    pub(super) tracker: Option<String>,

    /// Announce URL of the tracker as others reach it [default: derived by nodes from the host of the index and the port]
    #[arg(long, value_name = "URL", env = "INDEX_SERVER_TRACKER_URL", requires = "tracker", value_parser = announce_url)]
    pub(super) tracker_url: Option<String>,

    /// Announce interval for clients of the tracker
    #[arg(long, value_name = "SECONDS", env = "INDEX_SERVER_TRACKER_INTERVAL", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    tracker_interval: u64,

    /// Log more to standard error: -v decisions, -vv everything; `RUST_LOG` overrides it
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,
}

/// Maintenance of a store that no index is using.
#[derive(Debug, Subcommand)]
pub(super) enum StoreTask {
    /// Read the whole store and check that it is sound
    Check,
    /// Write the contents of the store as lines of JSON
    Export {
        /// File to create, or - for standard output
        file: PathBuf,
    },
    /// Create a store from exported data; all of it or nothing
    Import {
        /// File to read, or - for standard input
        file: PathBuf,
    },
}

/// Quotas per node and per address.
#[derive(Debug, Args)]
struct QuotaArguments {
    /// Maximum list changes per node and second, with bursts of 50 times as many; 0 means unlimited
    #[arg(long, value_name = "N", env = "INDEX_SERVER_REGISTRATIONS_PER_SECOND", default_value_t = 100)]
    registrations_per_second: u32,

    /// Maximum searches and other queries per node and second, with bursts of 20 times as many; 0 means unlimited
    #[arg(long, value_name = "N", env = "INDEX_SERVER_SEARCHES_PER_SECOND", default_value_t = 1000)]
    searches_per_second: u32,

    /// Maximum processor time for searches per node, in ms per second, with bursts of 10 times as much; 0 means unlimited
    #[arg(long, value_name = "MS", env = "INDEX_SERVER_SEARCH_TIME_PER_NODE", default_value_t = 200)]
    search_time_per_node: u32,

    /// Maximum processor time for searches of all nodes at one address, in ms per second; 0 means unlimited
    #[arg(long, value_name = "MS", env = "INDEX_SERVER_SEARCH_TIME_PER_ADDRESS", default_value_t = 1000)]
    search_time_per_address: u32,

    /// Quota of all nodes at one address, as a multiple of the quota of one node
    #[arg(long, value_name = "N", env = "INDEX_SERVER_NODES_PER_ADDRESS", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    nodes_per_address: u32,

    /// Maximum nodes per address that are listed as sources; 0 means unlimited
    #[arg(long, value_name = "N", env = "INDEX_SERVER_LISTED_PER_ADDRESS", default_value_t = 32)]
    listed_per_address: u32,

    /// Maximum reports of unreachable sources per address and second, with bursts of 50 times as many; 0 means unlimited
    #[arg(long, value_name = "N", env = "INDEX_SERVER_REPORTS_PER_SECOND", default_value_t = 2)]
    reports_per_second: u32,

    /// Maximum files per node
    #[arg(long, value_name = "N", env = "INDEX_SERVER_FILES_PER_NODE", default_value_t = MAX_FILES_PER_NODE)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FILES_PER_NODE)))]
    files_per_node: u32,

    /// Maximum size of the list of one node, e.g. 128M; a file takes about 102 bytes; 0 means unlimited
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_BYTES_PER_NODE", default_value = "128M", value_parser = size)]
    bytes_per_node: u64,

    /// Maximum size of all lists of one address; 0 means unlimited
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_BYTES_PER_ADDRESS", default_value = "256M", value_parser = size)]
    bytes_per_address: u64,

    /// Maximum memory for all lists; 0 means unlimited [default: half of the machine's memory]
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_MAX_MEMORY", value_parser = size)]
    max_memory: Option<u64>,

    /// Maximum disk space for all lists; 0 means unlimited [default: half of the file system of the data folder]
    #[arg(long, value_name = "SIZE", env = "INDEX_SERVER_MAX_DISK", value_parser = size)]
    max_disk: Option<u64>,

    /// Memory for long messages being processed, in MiB; one address may use an eighth of it
    #[arg(long, value_name = "MIB", env = "INDEX_SERVER_MEMORY_IN_FLIGHT", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u32).range(8..=65_536))]
    memory_in_flight: u32,

    /// Apply the limits per address and the rates to loopback addresses too
    #[arg(long, env = "INDEX_SERVER_LIMIT_LOOPBACK")]
    limit_loopback: bool,

    /// Forget the list of a node that was not seen for this many days
    #[arg(long, value_name = "DAYS", env = "INDEX_SERVER_FORGET_AFTER", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=36_500))]
    forget_after: u64,

    /// Forget the list of a node that was online for less than an hour in total after this many hours; 0 uses --forget-after
    #[arg(long, value_name = "HOURS", env = "INDEX_SERVER_FORGET_BRIEF_AFTER", default_value_t = 24)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=876_000))]
    forget_brief_after: u64,
}

/// Who may use the index.
#[derive(Debug, Args)]
struct AccessArguments {
    /// Serve only the networks and nodes in this file, one per line; reloaded on SIGHUP
    #[arg(long, value_name = "FILE", env = "INDEX_SERVER_ALLOW")]
    allow: Option<PathBuf>,

    /// Refuse the networks and nodes in this file, one per line; reloaded on SIGHUP
    #[arg(long, value_name = "FILE", env = "INDEX_SERVER_DENY")]
    deny: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn limits(&self) -> IndexLimits {
        let tracker = TrackerLimits::default().with_interval(Duration::from_secs(self.tracker_interval));
        // Without a tracker, no file descriptors are reserved for its connections.
        let tracker_connections = if self.tracker.is_some() { tracker.connections } else { 0 };
        IndexLimits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            tracker: TrackerLimits { connections: tracker_connections, ..tracker },
            quotas: self.quotas.limits(),
            budgets: self.budgets(),
            commit_timeout: Duration::from_secs(self.commit_timeout),
            expire_after: Duration::from_hours(24 * self.quotas.forget_after),
            expire_short_lived_after: Duration::from_hours(self.quotas.forget_brief_after),
            ..IndexLimits::default()
        }
    }

    /// Returns the byte budgets; unlimited if the size of the machine's memory or disk is unknown.
    fn budgets(&self) -> BudgetLimits {
        let QuotaArguments { bytes_per_node, bytes_per_address, max_memory, max_disk, .. } = self.quotas;
        let half = |all: Option<u64>| all.unwrap_or_default() / 2;
        BudgetLimits {
            per_node: bytes_per_node,
            per_address: bytes_per_address,
            memory: max_memory.unwrap_or_else(|| half(platform::available_memory())),
            disk: max_disk.unwrap_or_else(|| half(platform::disk_size(&self.data_dir))),
        }
    }

    pub(super) fn access(&self) -> AccessFiles {
        AccessFiles { allow: self.access.allow.clone(), deny: self.access.deny.clone() }
    }
}

impl QuotaArguments {
    fn limits(&self) -> QuotaLimits {
        let defaults = QuotaLimits::default();
        let bytes_in_flight = (self.memory_in_flight as usize) << 20;
        QuotaLimits {
            registrations: defaults.registrations.with_per_second(self.registrations_per_second),
            queries: defaults.queries.with_per_second(self.searches_per_second),
            search_time_per_node: self.search_time_per_node,
            search_time_per_address: self.search_time_per_address,
            nodes_per_address: self.nodes_per_address,
            listed_per_address: self.listed_per_address,
            reports: defaults.reports.with_per_second(self.reports_per_second),
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
    url.ok_or("an announce URL starts with http://, https:// or udp:// and contains no spaces")
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
        assert_eq!((limits.quotas.files_per_node, limits.expire_after), (7, Duration::from_hours(48)));
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
