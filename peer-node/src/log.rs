//! Where the node's log goes: a file that rotates by size, and stderr when asked.

mod rotating_file;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use rotating_file::RotatingFile;

use crate::storage::at_path;

/// Sends what the program logs to `node.log` in `log_dir`, and to stderr if `verbosity` is not 0.
///
/// The verbosity counts the `-v`: 1 shows info on stderr, 2 debug, 3 trace; the file has this program's debug always, since
/// that is where each verified piece stands. `RUST_LOG` takes precedence over both. A log that cannot be written never stops or disturbs the program.
pub fn init(log_dir: &Path, verbosity: u8) -> io::Result<()> {
    let asked = std::env::var(FILTER_VARIABLE).ok();
    subscriber(log_dir, verbosity, asked.as_deref())?.try_init().map_err(io::Error::other)
}

/// Sends what the program logs to stderr, if `verbosity` is not 0; for commands that have no folder of their own.
pub fn init_stderr(verbosity: u8) {
    let asked = std::env::var(FILTER_VARIABLE).ok();
    // Only one of a process's logs can be the first.
    let _ = tracing_subscriber::registry().with(stderr_layer(verbosity, asked.as_deref())).try_init();
}

fn stderr_layer<S>(verbosity: u8, asked: Option<&str>) -> Option<impl Layer<S> + use<S>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    (verbosity > 0).then(|| {
        let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        tracing_subscriber::fmt::layer()
            .with_ansi(is_coloured && io::stderr().is_terminal())
            .log_internal_errors(false)
            .with_writer(io::stderr)
            .with_filter(filter(
                asked,
                match verbosity {
                    0 | 1 => INFO_FILTER,
                    2 => DEBUG_FILTER,
                    _ => "info,librqbit_utp=error,peer_node=trace,protocol=trace",
                },
            ))
    })
}

fn subscriber(
    log_dir: &Path,
    verbosity: u8,
    asked: Option<&str>,
) -> io::Result<impl SubscriberInitExt + use<>> {
    let path = log_dir.join("node.log");
    let file = Arc::new(RotatingFile::open(path.clone()).map_err(at_path(&path))?);
    let file_layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(file)
        .with_filter(filter(asked, DEBUG_FILTER));
    Ok(tracing_subscriber::registry().with(file_layer).with(stderr_layer(verbosity, asked)))
}

/// Where a person asks for a log of another kind: `debug`, or `warn,swarm=trace`.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// What happens once in the life of a thing. The library for uTP warns at every start that its receive buffer is smaller than it likes.
const INFO_FILTER: &str = "info,librqbit_utp=error";

/// What this program decides, without the libraries under it.
const DEBUG_FILTER: &str = "info,librqbit_utp=error,peer_node=debug,protocol=debug";

/// Returns what was asked for, or the given directives if that is nothing that can be understood.
fn filter(asked: Option<&str>, otherwise: &str) -> Targets {
    let asked = asked.filter(|asked| !asked.trim().is_empty());
    asked.and_then(|asked| asked.parse().ok()).unwrap_or_else(|| otherwise.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn logged(verbosity: u8, asked: Option<&str>) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let subscriber = subscriber(folder.path(), verbosity, asked).unwrap();
        tracing::dispatcher::with_default(&subscriber.into(), || {
            tracing::info!(name = "a\u{1b}[31mb", "an info line");
            tracing::debug!("a debug line");
            tracing::info!(target: "elsewhere", "an info line of a library");
            tracing::debug!(target: "elsewhere", "a debug line of a library");
        });
        let text = fs::read_to_string(folder.path().join("node.log")).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let lines =
            ["an info line name=", "a debug line\n", "info line of a library", "debug line of a library"];
        lines.into_iter().filter(|line| text.contains(line)).collect()
    }

    #[test]
    fn file_has_own_debug_and_info_of_libraries() {
        let lines = ["an info line name=", "a debug line\n", "info line of a library"];
        assert_eq!(logged(0, None), lines);
        assert_eq!(logged(2, None), lines);
        assert_eq!(logged(0, Some(" ")), logged(0, Some("=[[")));
    }

    #[test]
    fn environment_filter_takes_precedence() {
        assert_eq!(logged(0, Some("debug")).len(), 4);
        assert!(logged(2, Some("off")).is_empty());
    }

    #[test]
    fn a_log_that_cannot_be_made_is_an_error() {
        let error = subscriber(Path::new("/nowhere/at/all"), 0, None).err().unwrap();
        assert!(error.to_string().starts_with("/nowhere/at/all/node.log: "), "{error}");
    }
}
