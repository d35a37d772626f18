use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::client_process::CompletionLine;
use super::{ClientProcess, Encryption, TorrentClient};

/// libtorrent (rasterbar), through its Python bindings.
#[derive(Debug)]
pub struct LibtorrentClient {
    python: &'static str,
    encryption: Encryption,
}

const CLIENT_SCRIPT: &str = include_str!("take_part.py");
const DESCRIBE_SCRIPT: &str = include_str!("describe.py");

/// The first may be a user-installed interpreter without the system's packages, which the second has.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

fn run(python: &str, program: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", program]).stdin(Stdio::null());
    command
}

impl LibtorrentClient {
    /// Finds an interpreter with libtorrent.
    pub fn find(encryption: Encryption) -> Option<Self> {
        let has_it = |python: &&str| {
            let mut command = run(python, "import libtorrent");
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        PYTHONS.into_iter().find(has_it).map(|python| Self { python, encryption })
    }

    /// Returns what libtorrent reads from every `.torrent` of a folder, by file name: the error text, or the infohash,
    /// sizes and files.
    pub fn describe(&self, folder: &Path) -> BTreeMap<String, Value> {
        let output = run(self.python, DESCRIBE_SCRIPT).arg(folder).output().expect("python3 runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("ASCII");
        let read = |line: &str| {
            let description: Value = serde_json::from_str(line).expect("JSON");
            (description["name"].as_str().expect("a name").to_owned(), description)
        };
        text.lines().map(read).collect()
    }
}

impl TorrentClient for LibtorrentClient {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn join(&self, torrent: &Path, folder: &Path) -> ClientProcess {
        let own = tempfile::tempdir().expect("a temporary folder");
        let mut command = run(self.python, CLIENT_SCRIPT);
        let encryption = match self.encryption {
            Encryption::Off => "off",
            Encryption::Default => "default",
            Encryption::Required => "required",
        };
        command.args(["join", encryption]).arg(torrent).arg(folder);
        ClientProcess::start(self.name(), command, own, Box::new(CompletionLine(|line| line == "complete")))
    }

    fn read_infohash(&self, torrent: &Path) -> String {
        let output = run(self.python, CLIENT_SCRIPT).arg("show").arg(torrent).output();
        let output = output.expect("python3 runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hash = text.lines().find_map(|line| line.strip_prefix("infohash "));
        let errors = String::from_utf8_lossy(&output.stderr);
        hash.unwrap_or_else(|| panic!("libtorrent cannot read {}: {errors}", torrent.display())).to_owned()
    }
}
