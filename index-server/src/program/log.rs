use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sends the log to standard error, coloured only on a terminal whose user does not mind.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let from_environment = std::env::var("RUST_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    // What the database has to say comes back as errors; its own log is about its pages.
    let filter = from_environment.unwrap_or_else(|| EnvFilter::new(format!("{level},sled=off,mio=warn")));
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    // Without this, a closed standard error would be complained about on standard error, and that panics. And only a
    // second subscriber in the same process would fail, and then the first one serves.
    let _ = log.log_internal_errors(false).try_init();
}
