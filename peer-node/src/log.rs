//! Where the node's log goes: a file that rotates by size, and stderr when asked.

mod rotating_file;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use rotating_file::RotatingFile;

/// Sends what the program logs to `node.log` in `log_dir`, and to stderr if `verbosity` is not 0.
///
/// The verbosity counts the `-v`: 1 shows info on stderr, 2 debug, 3 trace; from 2 on, the file too has this program's
/// debug. `RUST_LOG` takes precedence over both. A log that cannot be written never stops or disturbs the program.
pub fn init(log_dir: &Path, verbosity: u8) -> io::Result<()> {
    let file = Arc::new(RotatingFile::open(log_dir.join("node.log"))?);
    let file_layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(file)
        .with_filter(filter(if verbosity >= 2 { "info,peer_node=debug,protocol=debug" } else { "info" }));
    let stderr_layer = (verbosity > 0).then(|| {
        let colours =
            io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        tracing_subscriber::fmt::layer()
            .with_ansi(colours)
            .log_internal_errors(false)
            .with_writer(io::stderr)
            .with_filter(filter(match verbosity {
                0 | 1 => "info",
                2 => "info,peer_node=debug,protocol=debug",
                _ => "info,peer_node=trace,protocol=trace",
            }))
    });
    tracing_subscriber::registry().with(file_layer).with(stderr_layer).try_init().map_err(io::Error::other)
}

/// Returns what `RUST_LOG` asks for, or else the given directives; what cannot be read in either means info.
fn filter(otherwise: &str) -> EnvFilter {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|asked| !asked.trim().is_empty());
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(asked.as_deref().unwrap_or(otherwise))
}
