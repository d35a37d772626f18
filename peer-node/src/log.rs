//! The node's log: a file that rotates by size and, on request, stderr.

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

/// Sends log events to `node.log` in `log_dir`, and to stderr if `verbosity` is not 0.
///
/// `verbosity` is the number of `-v` options: 1 shows info on stderr, 2 debug, 3 trace. The file always includes this program's
/// debug events, which record every verified piece. `RUST_LOG` takes precedence over both. Failing to write the log never stops
/// or disturbs the program.
pub(crate) fn init(log_dir: &Path, verbosity: u8) -> io::Result<()> {
    let directives = std::env::var(FILTER_VARIABLE).ok();
    subscriber(log_dir, verbosity, directives.as_deref())?.try_init().map_err(io::Error::other)?;
    log_panics();
    Ok(())
}

/// Logs every panic from now on, in one line, instead of writing it across the prompt.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        tracing::error!(panic = %protocol::escape::display_safe(&info.to_string()), "internal error");
    }));
}

/// Sends log events to stderr if `verbosity` is not 0, for commands without a state folder.
pub(crate) fn init_stderr(verbosity: u8) {
    let directives = std::env::var(FILTER_VARIABLE).ok();
    // A process has one global subscriber; the first one stays.
    let _ = tracing_subscriber::registry().with(stderr_layer(verbosity, directives.as_deref())).try_init();
}

fn stderr_layer<S>(verbosity: u8, directives: Option<&str>) -> Option<impl Layer<S> + use<S>>
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
                directives,
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
    directives: Option<&str>,
) -> io::Result<impl SubscriberInitExt + use<>> {
    let path = log_dir.join("node.log");
    let file = Arc::new(RotatingFile::open(path.clone()).map_err(at_path(&path))?);
    let file_layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(file)
        .with_filter(filter(directives, DEBUG_FILTER));
    Ok(tracing_subscriber::registry().with(file_layer).with(stderr_layer(verbosity, directives)))
}

/// The environment variable that overrides the filter: `debug`, or `warn,swarm=trace`.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Events that happen once in the life of a thing. The uTP library warns at every start that its receive buffer is smaller than
/// it wants, hence `error` for it.
const INFO_FILTER: &str = "info,librqbit_utp=error";

/// Decisions of this program, without those of its libraries.
const DEBUG_FILTER: &str = "info,librqbit_utp=error,peer_node=debug,protocol=debug";

/// Parses the directives; falls back to `default` if they are missing, empty or invalid.
fn filter(directives: Option<&str>, default: &str) -> Targets {
    let directives = directives.filter(|directives| !directives.trim().is_empty());
    directives
        .and_then(|directives| directives.parse().ok())
        .unwrap_or_else(|| default.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn logged(verbosity: u8, directives: Option<&str>) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let subscriber = subscriber(folder.path(), verbosity, directives).unwrap();
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
    fn uncreatable_log_is_an_error() {
        let error = subscriber(Path::new("/nowhere/at/all"), 0, None).err().unwrap();
        assert!(error.to_string().starts_with("/nowhere/at/all/node.log: "), "{error}");
    }
}
