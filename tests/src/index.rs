//! The index server as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bench::cpu_time;
use crate::eventually::{DEFAULT_TIMEOUT, poll_within, wait_until};
use crate::index_session::IndexSession;
use crate::metrics::MetricsClient;
use crate::output_lines::OutputLines;
use crate::process::{Process, command_after};
use crate::programs::{Programs, programs};

/// Time limit for a program's orderly shutdown.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

const LISTENING_PREFIX: &str = "index-server listening on ";
const TRACKER_PREFIX: &str = "index-server tracker listening on ";
const METRICS_PREFIX: &str = "index-server metrics listening on ";

/// A running index with its own data folder, which is kept when the index is restarted.
#[derive(Debug)]
pub struct IndexProcess {
    process: Process,
    address: SocketAddr,
    output: OutputLines,
    errors: OutputLines,
    data_dir: PathBuf,
    /// The data folder, if it belongs to this index.
    _temp_dir: Option<TempDir>,
    options: Vec<String>,
}

impl IndexProcess {
    /// Starts an index on a free port.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts an index at an address with an empty data folder.
    pub fn start_at(listen: &str) -> Self {
        Self::start_with(listen, &[])
    }

    /// Starts an index at an address with an empty data folder and extra options.
    pub fn start_with(listen: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::launch(folder.path().to_owned(), Some(folder), listen, options)
    }

    /// Starts an index at an address on the caller's data folder.
    pub fn start_with_data_dir(data: &Path, listen: &str, options: &[&str]) -> Self {
        Self::launch(data.to_owned(), None, listen, options)
    }

    /// Starts an index of another release on a free port. It cannot be restarted.
    pub fn start_release(release: &Programs) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().to_owned();
        let LaunchedIndex { process, address, output, errors } = launch_with(|| {
            // Every release has these options.
            let mut command = Command::new(&release.index_server);
            command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
            pipe_output(&mut command);
            command
        });
        Self {
            process,
            address,
            output,
            errors,
            data_dir: data,
            _temp_dir: Some(folder),
            options: Vec::new(),
        }
    }

    /// Starts an index with an empty data folder and a limit on its descriptors.
    pub fn start_with_descriptor_limit(descriptors: u32, options: &[&str]) -> Self {
        Self::start_after(&format!("ulimit -n {descriptors}"), options)
    }

    /// Starts an index on the caller's data folder under the given umask.
    pub fn start_with_umask(umask: &str, data: &Path) -> Self {
        Self::start_with_setup(&format!("umask {umask}"), data.to_owned(), None, &[])
    }

    /// Starts an index with an empty data folder, in a shell that first runs `setup`.
    pub fn start_after(setup: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().to_owned();
        Self::start_with_setup(setup, data, Some(folder), options)
    }

    /// Starts an index in a shell that first runs `setup`.
    fn start_with_setup(setup: &str, data: PathBuf, folder: Option<TempDir>, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().copied().map(String::from).collect();
        let LaunchedIndex { process, address, output, errors } = launch_with(|| {
            let mut command = command_after(setup, &index_server("127.0.0.1:0", &data), &[]);
            command.args(&options);
            pipe_output(&mut command);
            command
        });
        Self { process, address, output, errors, data_dir: data, _temp_dir: folder, options }
    }

    fn launch(data: PathBuf, folder: Option<TempDir>, listen: &str, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().copied().map(String::from).collect();
        let LaunchedIndex { process, address, output, errors } = launch(listen, &data, &options);
        Self { process, address, output, errors, data_dir: data, _temp_dir: folder, options }
    }

    /// Returns the address of the index.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the tracker; panics if the index runs none.
    pub fn tracker_address(&self) -> SocketAddr {
        self.printed_address(TRACKER_PREFIX)
    }

    /// Returns a client for the metrics; panics if the index serves none.
    pub fn metrics(&self) -> MetricsClient {
        MetricsClient::at(self.printed_address(METRICS_PREFIX))
    }

    fn printed_address(&self, words: &str) -> SocketAddr {
        let line = self
            .output
            .find(0, DEFAULT_TIMEOUT, |line| line.starts_with(words))
            .expect("the index prints its metrics address");
        let text = self.output.lines_from(line).swap_remove(0);
        text.trim_start_matches(words).parse().expect("an address")
    }

    /// Returns the CPU time that the index has used.
    pub fn processor_time(&mut self) -> Duration {
        cpu_time::of_trees(&[self.pid()]).expect("a process")
    }

    /// Returns the resident memory of the index, in bytes.
    pub fn memory(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Returns the process id of the index.
    pub fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// Returns the data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns the log (standard error) read so far. It is complete once the index has been waited for.
    pub fn log(&self) -> String {
        self.errors.text()
    }

    /// Logs in to the index as a new node.
    pub fn session(&self) -> IndexSession {
        IndexSession::open(self.address).expect("the index accepts a session")
    }

    /// Returns true if the index is running.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Stops the index with SIGTERM and returns its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait(STOP_TIMEOUT)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops the process with SIGSTOP; from then on the index acknowledges nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid());
        let is_frozen = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        wait_until("the index to stop", DEFAULT_TIMEOUT, is_frozen);
    }

    /// Waits for the index to exit and returns its status.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let status = self.process.wait(limit).code();
        assert!(
            self.errors.wait_for_end(DEFAULT_TIMEOUT),
            "the log is still open after the index has exited"
        );
        status
    }

    /// Kills the index as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Restarts the index on the same port and data.
    pub fn restart(&mut self) {
        self.process.kill();
        let launched = launch(&self.address.to_string(), &self.data_dir, &self.options);
        assert_eq!(launched.address, self.address);
        (self.process, self.output, self.errors) = (launched.process, launched.output, launched.errors);
    }
}

/// Returns the command of an index.
pub fn index_server(listen: &str, data: &Path) -> Command {
    let mut command = Command::new(&programs().index_server);
    command.args(["--listen", listen, "--data-dir"]).arg(data);
    pipe_output(&mut command);
    command
}

fn pipe_output(command: &mut Command) {
    command.env("NO_COLOR", "1").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

struct LaunchedIndex {
    process: Process,
    address: SocketAddr,
    output: OutputLines,
    errors: OutputLines,
}

fn launch(listen: &str, data: &Path, options: &[String]) -> LaunchedIndex {
    launch_with(|| {
        let mut command = index_server(listen, data);
        command.arg("--verbose").args(options);
        command
    })
}

fn launch_with(command: impl Fn() -> Command) -> LaunchedIndex {
    // A port that was in use a moment ago may need another attempt.
    let launched = poll_within(DEFAULT_TIMEOUT, || {
        let command = command();
        let mut process = Process::spawn("index-server", command);
        let output = OutputLines::collect(process.child().stdout.take().expect("a pipe"));
        let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
        let Some(line) = output.find(0, DEFAULT_TIMEOUT, |line| line.starts_with(LISTENING_PREFIX)) else {
            eprintln!("index-server did not start: {}", errors.text());
            return None;
        };
        let text = output.lines_from(line).swap_remove(0);
        let address = text.trim_start_matches(LISTENING_PREFIX).parse().expect("an address");
        Some(LaunchedIndex { process, address, output, errors })
    });
    launched.expect("the index starts")
}
