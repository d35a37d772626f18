//! A peer as a process in script mode: commands go in line by line, and their output is read back.

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

/// How long one command may take.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(100);

/// A command whose output is known ends the output of the one before it.
pub(crate) const END_MARKER: &str = "help quit";

/// A running peer.
#[derive(Debug)]
pub struct PeerProcess {
    process: Process,
    input: Option<ChildStdin>,
    output: OutputLines,
    address: SocketAddr,
}

impl PeerProcess {
    /// Starts a peer on a free port.
    pub fn start(index: SocketAddr, share_dir: &Path) -> Self {
        Self::start_on(0, index, share_dir)
    }

    /// Starts a peer on a port and waits until it says where it listens.
    pub fn start_on(port: u16, index: SocketAddr, share_dir: &Path) -> Self {
        Self::launch(peer_node(port, index, share_dir))
    }

    /// Starts a peer from its command.
    pub fn launch(mut command: Command) -> Self {
        // One pipe for both, so that errors stay in their places among the output.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let mut process = Process::spawn("peer-node", command);
        let input = Some(process.take_stdin());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut peer = Self { process, input, output: OutputLines::collect(reader), address };
        peer.address = eventually("the peer to listen", DEFAULT_TIMEOUT, || peer.run("status").address());
        peer
    }

    /// Gives where the peer listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the peer's process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Gives a command and returns what it printed, once it has ended.
    pub fn run(&mut self, command: &str) -> CommandOutput {
        self.run_within(command, COMMAND_TIMEOUT)
    }

    /// Gives a command and returns what it printed; panics if it takes longer than `limit`.
    pub fn run_within(&mut self, command: &str, limit: Duration) -> CommandOutput {
        let from = self.output.line_count();
        self.start_command(command);
        self.read_output(command, from, limit)
    }

    /// Gives a command and does not wait for it; [`PeerProcess::command_output`] does.
    pub fn start_command(&mut self, command: &str) -> usize {
        let from = self.output.line_count();
        let input = self.input.as_mut().expect("an open standard input");
        let written = writeln!(input, "{command}\n{END_MARKER}").and_then(|()| input.flush());
        written.unwrap_or_else(|error| panic!("cannot say {command:?}: {error}; {}", self.output.text()));
        from
    }

    /// Waits for the end of the command that [`PeerProcess::start_command`] gave and returns what it printed.
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

    /// Returns everything that the peer has printed.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until the peer's own list has so many files.
    pub fn wait_for_shared_files(&mut self, files: usize) {
        let mut last = CommandOutput(Vec::new());
        let seen = poll_within(DEFAULT_TIMEOUT, || {
            last = self.run("files");
            (last.files().len() == files).then_some(())
        });
        seen.unwrap_or_else(|| panic!("the peer does not come to share {files} files: {last:#?}"));
    }

    /// Stops the peer by SIGTERM and returns its status, which must come soon.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.signal(Signal::TERM);
        self.process.wait(STOP_TIMEOUT).code()
    }

    /// Closes the peer's standard input, as Ctrl-D does, and returns its status.
    pub fn close_input(&mut self) -> Option<i32> {
        self.input = None;
        self.process.wait(DEFAULT_TIMEOUT).code()
    }

    /// Ends the peer as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes the peer: its sockets stay, but it does nothing.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets a frozen peer go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }
}

/// Makes the command of a peer.
pub fn peer_node(port: u16, index: SocketAddr, share_dir: &Path) -> Command {
    peer_node_of(programs(), port, index, share_dir)
}

/// Makes the command of a peer on a free port of an address of this machine.
pub fn peer_node_at(address: IpAddr, index: SocketAddr, share_dir: &Path) -> Command {
    command(programs(), 0, address, index, share_dir)
}

/// Makes the command of a peer of a release.
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

/// Runs a peer with a script for its standard input until it ends by itself.
pub fn run_script(index: SocketAddr, share_dir: &Path, commands: &[&str]) -> Output {
    run_with_input(peer_node(0, index, share_dir), &(commands.join("\n") + "\n"))
}

/// Runs a command with a text for its standard input until it ends by itself.
pub fn run_with_input(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn("a script", command);
    let output = OutputLines::collect(process.child().stdout.take().expect("a pipe"));
    let errors = OutputLines::collect(process.child().stderr.take().expect("a pipe"));
    // A program that ends before it has read everything is judged by its status.
    let _ = process.take_stdin().write_all(input.as_bytes());
    let status = process.wait(COMMAND_TIMEOUT);
    assert!(
        output.wait_for_end(DEFAULT_TIMEOUT) && errors.wait_for_end(DEFAULT_TIMEOUT),
        "the pipes end with the process"
    );
    Output { status, stdout: (output.text() + "\n").into(), stderr: (errors.text() + "\n").into() }
}
