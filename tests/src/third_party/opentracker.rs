use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use protocol::infohash::Infohash;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{find_program, scrape};
use crate::eventually::{DEFAULT_TIMEOUT, eventually};
use crate::free_port::free_port;
use crate::process::Process;

/// opentracker, which serves HTTP and UDP on the same port.
#[derive(Debug)]
pub struct OpentrackerProcess {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

const PROGRAM: &str = "opentracker";
const ALLOWED_LIST: &str = "allowed";
const MAX_STARTS: usize = 3;

impl OpentrackerProcess {
    /// Starts opentracker if it is installed.
    pub fn start_if_installed() -> Option<Self> {
        find_program(PROGRAM).map(|_| Self::start())
    }

    /// Starts opentracker, with another port if a different program has taken the first one meanwhile.
    fn start() -> Self {
        let started = (0..MAX_STARTS).find_map(|_| {
            let mut tracker = Self::spawn();
            tracker.wait_until_ready().then_some(tracker)
        });
        started.unwrap_or_else(|| panic!("{PROGRAM} did not start in {MAX_STARTS} attempts"))
    }

    /// Waits until opentracker answers. Returns false if it ends instead.
    fn wait_until_ready(&mut self) -> bool {
        eventually("opentracker to answer", DEFAULT_TIMEOUT, || {
            if scrape::is_answering(self.address) {
                Some(true)
            } else {
                (!self.process.is_running()).then_some(false)
            }
        })
    }

    fn spawn() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Started by root, opentracker changes to the user nobody, who must be able to read its list.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("a folder that this process owns");
        fs::write(folder.path().join(ALLOWED_LIST), "").expect("a file");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let port = address.port().to_string();
        let mut command = Command::new(PROGRAM);
        command
            .args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-w", ALLOWED_LIST, "-d"])
            .arg(folder.path());
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: Process::spawn(PROGRAM, command), address, folder }
    }

    /// Returns the address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a torrent to the list of those that the tracker serves.
    pub fn allow(&self, infohash: Infohash) {
        let list = self.folder.path().join(ALLOWED_LIST);
        fs::write(&list, format!("{infohash}\n")).expect("a file");
        self.process.signal(Signal::HUP);
    }
}
