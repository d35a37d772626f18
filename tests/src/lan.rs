//! Programs of the LAN dialect, on the loopback broadcast address or in network namespaces.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::content::TestContent;
use crate::eventually::{DEFAULT_TIMEOUT, wait_until};
use crate::free_port::free_port;
use crate::output_lines::OutputLines;
use crate::process::Process;
use crate::programs::programs;

/// Broadcast address of the loopback network.
pub const BROADCAST_ADDRESS: &str = "127.255.255.255";

/// The ports of one story, so that stories do not receive each other's announcements.
#[derive(Debug, Clone, Copy)]
pub struct LanPorts {
    /// The UDP port of announcements.
    pub announce_port: u16,
    /// The TCP port of chunks.
    pub chunk_port: u16,
}

impl Default for LanPorts {
    fn default() -> Self {
        Self::new()
    }
}

impl LanPorts {
    /// Finds unused ports.
    pub fn new() -> Self {
        Self { announce_port: free_port(), chunk_port: free_port() }
    }

    /// Adds the options that every program of a story needs.
    fn add_options(self, command: &mut Command, folder: &Path) {
        command.arg("--dir").arg(folder).args(["--period", "0.5"]);
        command.args(["--announce-port", &self.announce_port.to_string()]);
        command.args(["--chunk-port", &self.chunk_port.to_string()]);
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
    }

    /// Returns the command of a peer on the loopback with its own address.
    pub fn command(self, host: &str, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().peer_node);
        command.arg("lan").args(arguments).args(["--listen-host", host, "--broadcast", BROADCAST_ADDRESS]);
        self.add_options(&mut command, folder);
        command
    }

    /// Returns the command of a peer in a network namespace, with the addresses of that namespace.
    pub fn command_in_namespace(self, namespace: &str, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(&programs().peer_node).arg("lan").args(arguments);
        self.add_options(&mut command, folder);
        command
    }
}

/// A running program of the LAN dialect and its folder.
#[derive(Debug)]
pub struct LanPeer {
    process: Process,
    input: Option<ChildStdin>,
    output: OutputLines,
    folder: TempDir,
}

impl LanPeer {
    /// Starts a program in its own folder.
    pub fn start(root: TempDir, mut command: Command) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdin(Stdio::piped()).stderr(writer.try_clone().expect("a pipe")).stdout(writer);
        let mut process = Process::spawn("peer-node lan", command);
        let input = Some(process.take_stdin());
        Self { process, input, output: OutputLines::collect(reader), folder: root }
    }

    /// Starts all parts in one process on the loopback, with a file to announce.
    pub fn start_all(ports: LanPorts, host: &str, file: Option<(&str, &TestContent)>) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let arguments = write_file(&root, file);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let command = ports.command(host, &root.path().join("lan"), &arguments);
        Self::start(root, command)
    }

    /// Starts all parts in one process in a namespace, with a file to announce.
    pub fn start_all_in_namespace(
        ports: LanPorts,
        namespace: &str,
        file: Option<(&str, &TestContent)>,
    ) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let arguments = write_file(&root, file);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let command = ports.command_in_namespace(namespace, &root.path().join("lan"), &arguments);
        Self::start(root, command)
    }

    /// Returns a path in the chunk folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("lan").join(name)
    }

    /// Reads a file of the folder; returns an empty string if it does not exist.
    pub fn read_text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Returns the output so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until the program prints a line that contains `text`.
    pub fn wait_for(&self, text: &str) {
        let found = self.output.find(0, DEFAULT_TIMEOUT, |line| line.contains(text));
        assert!(found.is_some(), "{text:?} was not printed: {}", self.output());
    }

    /// Waits until the dictionary lists `chunks` chunks of a file.
    pub fn wait_for_chunks(&self, file: &str, chunks: usize) {
        wait_until(&format!("{chunks} chunks of {file}"), DEFAULT_TIMEOUT, || {
            let dictionary = self.read_text("content_dictionary.txt");
            dictionary.lines().filter(|line| line.starts_with(&format!("{file}_"))).count() == chunks
        });
    }

    /// Types the name of a file to download.
    pub fn type_name(&mut self, name: &str) {
        let input = self.input.as_mut().expect("an open standard input");
        writeln!(input, "{name}").and_then(|()| input.flush()).expect("an open pipe");
    }

    /// Returns true if a file of the folder has the given content.
    pub fn has_file(&self, name: &str, content: &TestContent) -> bool {
        fs::read(self.path(name)).is_ok_and(|bytes| bytes == content.bytes)
    }

    /// Sends Ctrl-C and returns the status.
    pub fn interrupt(&mut self) -> Option<i32> {
        self.process.signal(Signal::INT);
        self.process.wait(DEFAULT_TIMEOUT).code()
    }

    /// Waits for the program to exit and returns its status.
    pub fn wait(&mut self) -> Option<i32> {
        let status = self.process.wait(DEFAULT_TIMEOUT).code();
        assert!(
            self.output.wait_for_end(DEFAULT_TIMEOUT),
            "the output is still open after the process has exited"
        );
        status
    }

    /// Returns true if the program is running.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}

/// Writes a file beside the chunk folder. Returns the options that announce it.
fn write_file(root: &TempDir, file: Option<(&str, &TestContent)>) -> Vec<String> {
    let Some((name, content)) = file else { return Vec::new() };
    let path = root.path().join(name);
    fs::write(&path, &content.bytes).expect("a file");
    vec!["--file".to_owned(), path.to_string_lossy().into_owned()]
}
