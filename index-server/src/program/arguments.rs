use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};
use protocol::index::TrackerPlace;

use crate::limits::{Limits, TrackerLimits};

/// The index of a Peerdex network: peers register their files here and find those of others.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_LISTEN", default_value = "127.0.0.1:1313")]
    pub(super) listen: String,

    /// Folder for everything that is registered; made if there is none
    #[arg(long, value_name = "FOLDER", env = "INDEX_SERVER_DATA_DIR", default_value = "index-data")]
    pub(super) data_dir: PathBuf,

    /// The most connections at once
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,

    /// The most connections at once from one address (this machine is exempt)
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1000)]
    max_connections_per_address: usize,

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
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Arguments {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            tracker: TrackerLimits::default().with_interval(Duration::from_secs(self.tracker_interval)),
            ..Limits::default()
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
