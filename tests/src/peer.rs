//! A node as a process in script mode: commands are written line by line, and their output is read back.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::eventually::{DEFAULT_TIMEOUT, eventually, poll_within};
use crate::index::STOP_TIMEOUT;
use crate::output_lines::OutputLines;
use crate::process::Process;
use crate::programs::{Programs, programs};

mod command_output;

pub(crate) use command_output::END_MARKER_LINES;
pub use command_output::{CommandOutput, CompletedDownload};

/// Time limit of one command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(100);

/// A command with known output that marks the end of the previous command's output.
pub(crate) const END_MARKER: &str = "help quit";

/// A running node.
#[derive(Debug)]
pub struct PeerProcess {
    process: Process,
    input: Option<ChildStdin>,
    output: OutputLines,
    address: SocketAddr,
}

impl PeerProcess {
    /// Starts a node on a free port.
    pub fn start(index: SocketAddr, share_dir: &Path) -> Self {
        Self::start_on(0, index, share_dir)
    }

    /// Starts a node on a port and waits until it reports its address.
    pub fn start_on(port: u16, index: SocketAddr, share_dir: &Path) -> Self {
        Self::launch(peer_node(port, index, share_dir))
    }

    /// Starts a node from its command.
    pub fn launch(mut command: Command) -> Self {
        // One pipe for both, so that errors keep their positions in the output.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let mut process = Process::spawn("peer-node", command);
        let input = Some(process.take_stdin());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut peer = Self { process, input, output: OutputLines::collect(reader), address };
        peer.address = eventually("the peer to listen", DEFAULT_TIMEOUT, || peer.run("status").address());
        peer
    }

    /// Returns the node's address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the node's process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Runs a command and returns its output.
    pub fn run(&mut self, command: &str) -> CommandOutput {
        self.run_within(command, COMMAND_TIMEOUT)
    }

    /// Runs a command and returns its output; panics if the command takes longer than `limit`.
    pub fn run_within(&mut self, command: &str, limit: Duration) -> CommandOutput {
        let from = self.output.line_count();
        self.start_command(command);
        self.read_output(command, from, limit)
    }

    /// Starts a command without waiting for it. Pass the result to [`PeerProcess::wait_for_output`].
    pub fn start_command(&mut self, command: &str) -> usize {
        let from = self.output.line_count();
        let input = self.input.as_mut().expect("an open standard input");
        let written = writeln!(input, "{command}\n{END_MARKER}").and_then(|()| input.flush());
        written.unwrap_or_else(|error| panic!("cannot send {command:?}: {error}; {}", self.output.text()));
        from
    }

    /// Waits for a command started by [`PeerProcess::start_command`] and returns its output.
    pub fn wait_for_output(&self, from: usize) -> CommandOutput {
        self.read_output("a command", from, COMMAND_TIMEOUT)
    }

    fn read_output(&self, command: &str, from: usize, limit: Duration) -> CommandOutput {
        let [.., last] = END_MARKER_LINES;
        let end = self.output.find(from, limit, |line| line == last).unwrap_or_else(|| {
            panic!("{command:?} has not ended after {limit:?}: {:#?}", self.output.lines_from(from))
        });
        let mut lines = self.output.lines_from(from);
        lines.truncate((end + 1 - from).saturating_sub(END_MARKER_LINES.len()));
        CommandOutput(lines)
    }

    /// Returns the output so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until the node's own list has `files` files.
    pub fn wait_for_shared_files(&mut self, files: usize) {
        let mut last = CommandOutput(Vec::new());
        let seen = poll_within(DEFAULT_TIMEOUT, || {
            last = self.run("files");
            (last.files().len() == files).then_some(())
        });
        seen.unwrap_or_else(|| panic!("the peer does not share {files} files: {last:#?}"));
    }

    /// Stops the node with SIGTERM and returns its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.signal(Signal::TERM);
        self.process.wait(STOP_TIMEOUT).code()
    }

    /// Closes the node's standard input, as Ctrl-D does, and returns its exit status.
    pub fn close_input(&mut self) -> Option<i32> {
        self.input = None;
        self.process.wait(DEFAULT_TIMEOUT).code()
    }

    /// Kills the node as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes the node: its sockets stay open, but it does nothing.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Resumes a frozen node.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }
}

/// Returns the command of a node.
pub fn peer_node(port: u16, index: SocketAddr, share_dir: &Path) -> Command {
    peer_node_of(programs(), port, index, share_dir)
}

/// Returns the command of a node on a free port of an address of this machine.
pub fn peer_node_at(address: IpAddr, index: SocketAddr, share_dir: &Path) -> Command {
    command(programs(), 0, address, index, share_dir)
}

/// Returns the command of a node of another release.
pub fn peer_node_of(release: &Programs, port: u16, index: SocketAddr, share_dir: &Path) -> Command {
    command(release, port, Ipv4Addr::LOCALHOST.into(), index, share_dir)
}

fn command(release: &Programs, port: u16, address: IpAddr, index: SocketAddr, share_dir: &Path) -> Command {
    let mut command = Command::new(&release.peer_node);
    command.arg(port.to_string()).args(["--index", &index.to_string()]);
    command.args(["--listen-host", &address.to_string()]);
    command.arg("--share-dir").arg(share_dir).env("NO_COLOR", "1");
    command
}

/// Runs a node with a script as its standard input until it exits.
pub fn run_script(index: SocketAddr, share_dir: &Path, commands: &[&str]) -> Output {
    run_with_input(peer_node(0, index, share_dir), &(commands.join("\n") + "\n"))
}

/// Runs a command with `input` as its standard input until it exits.
pub fn run_with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn("a script", command);
    let output = OutputLines::collect(process.child().stdout.take().expect("a pipe"));
    let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
    // A program that exits before it has read its whole input is judged by its status.
    let _ = process.take_stdin().write_all(input.as_bytes());
    let status = process.wait(COMMAND_TIMEOUT);
    assert!(
        output.wait_for_end(DEFAULT_TIMEOUT) && errors.wait_for_end(DEFAULT_TIMEOUT),
        "the pipes end with the process"
    );
    Output { status, stdout: (output.text() + "\n").into(), stderr: (errors.text() + "\n").into() }
}
