//! A configured group of peers in a temporary folder: its files, programs and logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::content::TestContent;
use crate::free_port::free_port;
use crate::programs::programs;
use crate::test_folder::TestFolder;
use crate::third_party::{ClientProcess, CompletionLine};

/// Name of the shared file.
pub const FILE_NAME: &str = "TheFile.dat";

/// Id of the first peer; the others follow in order.
pub const FIRST_PEER_ID: u32 = 1001;

/// A group with its folder.
#[derive(Debug)]
pub struct ConfiguredGroup {
    folder: TestFolder,
    content: TestContent,
    ports: Vec<u16>,
}

impl ConfiguredGroup {
    /// Creates a group that shares `content` in pieces of `piece` bytes; `has_file` marks the peers that have the file.
    /// Files and folders are created, programs are not started.
    pub fn new(content: TestContent, piece: u32, has_file: &[bool]) -> Self {
        let (folder, ports) = (TestFolder::new(), has_file.iter().map(|_| free_port()).collect::<Vec<_>>());
        let common = format!(
            "NumberOfPreferredNeighbors 2\nUnchokingInterval 1 \nOptimisticUnchokingInterval 2\n\
             FileName {FILE_NAME}\nFileSize {}\nPieceSize {piece}",
            content.size()
        );
        let line =
            |(id, (port, has)): (u32, (&u16, &bool))| format!("{id} localhost {port} {} \n", u8::from(*has));
        let list: String = (FIRST_PEER_ID..).zip(ports.iter().zip(has_file)).map(line).collect();
        fs::write(folder.path().join("Common.cfg"), common).expect("a file");
        fs::write(folder.path().join("PeerInfo.cfg"), list.trim_end()).expect("a file");
        for (id, _) in (FIRST_PEER_ID..).zip(has_file).filter(|(_, has)| **has) {
            folder.put(&format!("peer_{id}/{FILE_NAME}"), &content);
        }
        Self { folder, content, ports }
    }

    /// Returns the group's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the content.
    pub const fn content(&self) -> &TestContent {
        &self.content
    }

    /// Returns the listed port of a peer.
    pub fn port(&self, id: u32) -> u16 {
        self.ports[(id - FIRST_PEER_ID) as usize]
    }

    /// Returns the command that runs one peer, or all of them.
    pub fn command(&self, target: &str, options: &[&str]) -> Command {
        let mut command = Command::new(&programs().peer_node);
        command.args(["swarm", target, "--dir"]).arg(self.path()).args(options);
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command
    }

    /// Starts a peer.
    pub fn start(&self, id: u32, options: &[&str]) -> ClientProcess {
        let options = [&["-v"], options].concat();
        let command = self.command(&id.to_string(), &options);
        let is_done: fn(&str) -> bool = |line| line.starts_with("done");
        let own = TempDir::new().expect("a temporary folder");
        ClientProcess::start(&format!("peer {id}"), command, own, Box::new(CompletionLine(is_done)))
    }

    /// Returns the path of a peer's file once it is complete.
    pub fn complete_file(&self, id: u32) -> PathBuf {
        self.path().join(format!("peer_{id}/{FILE_NAME}"))
    }

    /// Panics unless a peer has the file and no other visible name in its folder.
    pub fn assert_only_file(&self, id: u32) {
        self.assert_has_file(id);
        assert_eq!(self.visible_names(id), [FILE_NAME], "another file beside it");
    }

    /// Panics unless a peer has the complete file.
    pub fn assert_has_file(&self, id: u32) {
        let bytes = fs::read(self.complete_file(id)).expect("the file of a peer");
        assert!(bytes == self.content.bytes, "the file of peer {id} differs");
    }

    /// Returns the visible names in a peer's folder.
    pub fn visible_names(&self, id: u32) -> Vec<String> {
        let folder = self.complete_file(id).parent().expect("a folder").to_owned();
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    /// Returns the lines of a peer's log without their times, after checking the form of the times.
    pub fn log(&self, id: u32) -> Vec<String> {
        let path = self.path().join(format!("log_peer_{id}.log"));
        let text = fs::read_to_string(path).expect("the log of a peer");
        text.lines().map(|line| without_time(line).to_owned()).collect()
    }
}

/// Removes the time from a line, which must have the form `[2026-11-21 22:19:24]: …`.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once("]: ").unwrap_or_else(|| panic!("no time: {line}"));
    let digits = time.strip_prefix('[').expect("a bracket").replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(digits, "0000-00-00 00:00:00", "{line}");
    rest
}
