use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sends the log to standard error, coloured only on a terminal whose user does not mind.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let from_environment = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    // What the database has to say comes back as errors; its own log is about its pages.
    let otherwise = || Targets::new().with_default(level).with_target("sled", LevelFilter::OFF);
    let filter = from_environment.unwrap_or_else(|| otherwise().with_target("mio", LevelFilter::WARN));
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Without this, a closed standard error would be complained about on standard error, and that panics. And only a
    // second subscriber in the same process would fail, and then the first one serves.
    let log = tracing_subscriber::fmt::layer().log_internal_errors(false);
    let log = log.with_writer(io::stderr).with_ansi(colours).with_filter(filter);
    let _ = tracing_subscriber::registry().with(log).try_init();
}
