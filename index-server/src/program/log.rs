use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sends the log to standard error, coloured on a terminal unless `NO_COLOR` is set.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let from_environment = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    // The database reports failures as errors; its own log only covers its internals.
    let otherwise = || Targets::new().with_default(level).with_target("sled", LevelFilter::OFF);
    let filter = from_environment.unwrap_or_else(|| otherwise().with_target("mio", LevelFilter::WARN));
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Logging an internal error to a closed standard error would panic. Initialization only fails if the process already has a
    // subscriber, which then stays in use.
    let log = tracing_subscriber::fmt::layer().log_internal_errors(false);
    let log = log.with_writer(io::stderr).with_ansi(colours).with_filter(filter);
    let _ = tracing_subscriber::registry().with(log).try_init();
}
