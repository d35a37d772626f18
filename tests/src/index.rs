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
use crate::process::Process;
use crate::programs::{Programs, programs};

/// How long a program may take to stop in order.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

const LISTENING_PREFIX: &str = "index-server listening on ";
const TRACKER_PREFIX: &str = "index-server tracker listening on ";
const METRICS_PREFIX: &str = "index-server metrics listening on ";

/// A running index with a data folder of its own, which stays when it is stopped and started again.
#[derive(Debug)]
pub struct IndexProcess {
    process: Process,
    address: SocketAddr,
    output: OutputLines,
    errors: OutputLines,
    data_dir: PathBuf,
    /// Holds the data folder, if it is the index's own.
    _temp_dir: Option<TempDir>,
    options: Vec<String>,
}

impl IndexProcess {
    /// Starts an index on a free port.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts an index at an address, on an empty data folder.
    pub fn start_at(listen: &str) -> Self {
        Self::start_with(listen, &[])
    }

    /// Starts an index at an address, on an empty data folder, with options of its own.
    pub fn start_with(listen: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::launch(folder.path().to_owned(), Some(folder), listen, options)
    }

    /// Starts an index at an address, on a data folder that is somebody else's.
    pub fn start_with_data_dir(data: &Path, listen: &str, options: &[&str]) -> Self {
        Self::launch(data.to_owned(), None, listen, options)
    }

    /// Starts an index of a release on a free port. It is not to be started again.
    pub fn start_release(release: &Programs) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().to_owned();
        let LaunchedIndex { process, address, output, errors } = launch_with(|| {
            // Only options that every release has.
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

    /// Starts an index on an empty data folder that may have only so many descriptors.
    pub fn start_with_descriptor_limit(descriptors: u32, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().to_owned();
        Self::start_with_setup(&format!("ulimit -n {descriptors}"), data, Some(folder), options)
    }

    /// Starts an index on a data folder that is somebody else's, under a umask of its own.
    pub fn start_with_umask(umask: &str, data: &Path) -> Self {
        Self::start_with_setup(&format!("umask {umask}"), data.to_owned(), None, &[])
    }

    /// Starts an index in a shell that does something first.
    fn start_with_setup(setup: &str, data: PathBuf, folder: Option<TempDir>, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().copied().map(String::from).collect();
        let LaunchedIndex { process, address, output, errors } = launch_with(|| {
            let program = index_server("127.0.0.1:0", &data);
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{setup} && exec \"$0\" \"$@\"")]);
            command.arg(program.get_program()).args(program.get_args()).args(&options);
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

    /// Gives where the index listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives where the index is a tracker, if it was told to be one.
    pub fn tracker_address(&self) -> SocketAddr {
        self.printed_address(TRACKER_PREFIX)
    }

    /// Gives where the index tells its numbers, if it was told to.
    pub fn metrics(&self) -> MetricsClient {
        MetricsClient::at(self.printed_address(METRICS_PREFIX))
    }

    fn printed_address(&self, words: &str) -> SocketAddr {
        let line = self
            .output
            .find(0, DEFAULT_TIMEOUT, |line| line.starts_with(words))
            .expect("an index that says where");
        let said = self.output.lines_from(line).swap_remove(0);
        said.trim_start_matches(words).parse().expect("an address")
    }

    /// Returns how much processor time the index has used.
    pub fn processor_time(&mut self) -> Duration {
        cpu_time::of_trees(&[self.pid()]).expect("a process")
    }

    /// Returns how much memory the index has, in bytes.
    pub fn memory(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Gives the id of the index's process.
    pub fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// Gives the data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns what has been read of the index's standard error, which is its log: all of it once the index was
    /// waited for, and up to then possibly less than it has written.
    pub fn log(&self) -> String {
        self.errors.text()
    }

    /// Greets the index as a node of its own.
    pub fn session(&self) -> IndexSession {
        IndexSession::open(self.address).expect("an index that answers")
    }

    /// Says whether the index runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Stops the index by SIGTERM and returns its status, which must come soon.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait(STOP_TIMEOUT)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops the index where it is, as SIGSTOP does: from then on it acknowledges nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid());
        let is_frozen = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        wait_until("the index to stand still", DEFAULT_TIMEOUT, is_frozen);
    }

    /// Waits until the index has ended and returns its status.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let status = self.process.wait(limit).code();
        assert!(self.errors.wait_for_end(DEFAULT_TIMEOUT), "the log goes on after the index has ended");
        status
    }

    /// Ends the index as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the index again on the same port and the same data.
    pub fn restart(&mut self) {
        self.process.kill();
        let launched = launch(&self.address.to_string(), &self.data_dir, &self.options);
        assert_eq!(launched.address, self.address);
        (self.process, self.output, self.errors) = (launched.process, launched.output, launched.errors);
    }
}

/// Makes the command of an index.
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
    // A port that was in use a moment ago may need another try.
    let launched = poll_within(DEFAULT_TIMEOUT, || {
        let command = command();
        let mut process = Process::spawn("index-server", command);
        let output = OutputLines::collect(process.child().stdout.take().expect("a pipe"));
        let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
        let Some(line) = output.find(0, DEFAULT_TIMEOUT, |line| line.starts_with(LISTENING_PREFIX)) else {
            eprintln!("index-server did not start: {}", errors.text());
            return None;
        };
        let said = output.lines_from(line).swap_remove(0);
        let address = said.trim_start_matches(LISTENING_PREFIX).parse().expect("an address");
        Some(LaunchedIndex { process, address, output, errors })
    });
    launched.expect("an index that starts")
}
