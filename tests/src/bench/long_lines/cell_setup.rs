//! The hosts of a cell and their permanent processes: the index, and the sources with all their servers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::super::original::{FILE_NAME, OriginalData};
use super::super::process_group::ProcessGroup;
use super::super::senders::Senders;
use super::super::{interrupt, nginx};
use super::cell::{Cell, Dialect};
use crate::content::PIECE_LENGTH;
use crate::index_session::IndexSession;
use crate::long_line::{LongLines, MeterReading};
use crate::programs::Programs;
use crate::third_party::{ScrapeCounts, find_program, read_infohash, write_torrent};

const INDEX_HOST: usize = 0;
const FIRST_SOURCE_HOST: usize = 1;
const INDEX_PORT: u16 = 1313;
const TRACKER_PORT: u16 = 6969;
const HTTP_PORT: u16 = 80;
const NODE_PORT: &str = "12349";

/// Piece length of the torrent, in bytes.
const TORRENT_PIECE_LENGTH: u64 = 256 << 10;

/// Time limit for all sources to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// A running cell; its processes end when it is dropped.
#[derive(Debug)]
pub(super) struct CellSetup {
    // Dropped first: the programs must end before the lines do.
    senders: Senders,
    lines: LongLines,
    cell: Cell,
    programs: Programs,
    original: OriginalData,
    torrent: PathBuf,
    folder: TempDir,
}

impl CellSetup {
    /// Creates the hosts of a cell, starts the index and the sources, and waits until a search finds the file.
    pub(super) fn start(cell: Cell, programs: &Programs, dir: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("peerdex-long-lines-").tempdir_in(dir)?;
        let original_dir = folder.path().join("original");
        fs::create_dir(&original_dir)?;
        let mut setup = Self {
            senders: Senders::default(),
            lines: LongLines::new(cell.network(), &cell.line_configs(), cell.congestion)?,
            cell,
            programs: programs.clone(),
            original: OriginalData::create_file(&original_dir, cell.file_size())?,
            torrent: PathBuf::new(),
            folder,
        };
        let announce = format!("http://{}/announce", setup.tracker_address());
        setup.torrent = write_torrent(&original_dir.join(FILE_NAME), &announce, TORRENT_PIECE_LENGTH)?;
        setup.start_index()?;
        for source in 0..cell.source_count() {
            match cell.dialect {
                Dialect::Native => setup.start_source(source)?,
                Dialect::BitTorrent => setup.start_seeder(source)?,
            }
        }
        setup.wait_until_ready()?;
        Ok(setup)
    }

    fn start_index(&mut self) -> Result<()> {
        let mut command = self.lines.command(INDEX_HOST, &self.programs.index_server);
        command
            .args(["--listen", &self.index_address().to_string(), "--data-dir"])
            .arg(self.folder.path().join("index"));
        if self.cell.dialect == Dialect::BitTorrent {
            command.args(["--tracker", &self.tracker_address().to_string()]);
        }
        self.senders.start(command)?;
        let index = self.index_address();
        wait_for("the index", || {
            self.lines.inside(INDEX_HOST, || TcpStream::connect(index).ok()).ok().flatten().map(drop)
        })
    }

    fn start_source(&mut self, source: usize) -> Result<()> {
        let source_dir = self.source_folder("share", source)?;
        let mut command = self.lines.command(FIRST_SOURCE_HOST + source, &self.programs.peer_node);
        command.args([NODE_PORT, "--listen-host", "0.0.0.0", "--index", &self.index_address().to_string()]);
        command.arg("--share-dir").arg(&source_dir).env("XDG_STATE_HOME", self.folder.path());
        // A node without a terminal runs until its standard input ends.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let group = ProcessGroup::spawn(command)?;
        self.senders.add(group.id(), group);
        if find_program("nginx").is_none() {
            return Ok(());
        }
        let (own, address) = (self.folder.path().join(format!("nginx-{source}")), self.http_address(source));
        fs::create_dir_all(&own)?;
        let config_path = own.join("nginx.conf");
        fs::write(&config_path, nginx::configuration(&self.source_folder("http", source)?, &own, address))?;
        let mut command = self.lines.command(FIRST_SOURCE_HOST + source, Path::new("nginx"));
        command.arg("-p").arg(&own).arg("-c").arg(&config_path).arg("-e").arg(own.join("error.log"));
        self.senders.start(command)?;
        wait_for("nginx", || {
            let connect = || TcpStream::connect(address).ok();
            self.lines.inside(FIRST_SOURCE_HOST + source, connect).ok().flatten().map(drop)
        })
    }

    fn start_seeder(&mut self, source: usize) -> Result<()> {
        let source_dir = self.source_folder("seed", source)?;
        let mut command = self.lines.command(FIRST_SOURCE_HOST + source, &self.programs.peer_node);
        command
            .args(["torrent", "seed", "--listen-host", "0.0.0.0", "--dir"])
            .arg(source_dir)
            .arg(&self.torrent);
        self.senders.start(command)
    }

    /// Creates a source's folder with the file in it.
    fn source_folder(&self, kind: &str, source: usize) -> Result<PathBuf> {
        let source_dir = self.folder.path().join(format!("{kind}-{source}"));
        self.original.link_into(&source_dir)?;
        Ok(source_dir)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let (index, tracker, digest) = (self.index_address(), self.tracker_address(), self.original.digest);
        let count = match self.cell.dialect {
            Dialect::Native => {
                let mut session = self.lines.inside(INDEX_HOST, || IndexSession::open(index))??;
                return wait_for("the index to list all sources", || {
                    (session.sources(digest).len() == self.cell.source_count()).then_some(())
                });
            }
            Dialect::BitTorrent => self.cell.source_count() as u64,
        };
        let infohash = read_infohash(&self.torrent);
        wait_for("the tracker to list all seeders", || {
            let scrape =
                self.lines.inside(INDEX_HOST, || ScrapeCounts::fetch(tracker, infohash)).ok().flatten()?;
            (scrape.complete == count).then_some(())
        })
    }

    /// Returns a command that runs a program on the receiving host.
    pub(super) fn receiver_command(&self, program: &Path) -> std::process::Command {
        self.lines.command(self.receiver_host(), program)
    }

    fn receiver_host(&self) -> usize {
        FIRST_SOURCE_HOST + self.cell.source_count()
    }

    /// Returns the address of the index.
    pub(super) fn index_address(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX_HOST), INDEX_PORT))
    }

    fn tracker_address(&self) -> SocketAddr {
        SocketAddr::from((self.lines.address(INDEX_HOST), TRACKER_PORT))
    }

    fn http_address(&self, source: usize) -> SocketAddr {
        let address: Ipv4Addr = self.lines.address(FIRST_SOURCE_HOST + source);
        SocketAddr::from((address, HTTP_PORT))
    }

    /// Returns the URLs of the file on all sources.
    pub(super) fn urls(&self) -> Vec<String> {
        (0..self.cell.source_count())
            .map(|source| format!("http://{}/{FILE_NAME}", self.http_address(source)))
            .collect()
    }

    /// Returns the path of the torrent.
    pub(super) fn torrent(&self) -> &Path {
        &self.torrent
    }

    /// Returns the paths of our programs.
    pub(super) const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns the number of the file's pieces.
    pub(super) fn piece_count(&self) -> usize {
        usize::try_from(self.original.size).unwrap_or(usize::MAX).div_ceil(PIECE_LENGTH)
    }

    /// Creates an empty folder for a run.
    pub(super) fn run_folder(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("run-").tempdir_in(self.folder.path())?)
    }

    /// Returns true if a file is the original.
    pub(super) fn is_original(&self, file: &Path) -> Result<bool> {
        self.original.matches(file).with_context(|| format!("no {}", file.display()))
    }

    /// Starts measuring the arrival of content after `before_content` other bytes.
    pub(super) fn begin_measuring(&self, before_content: usize) {
        let sources = FIRST_SOURCE_HOST..self.receiver_host();
        self.lines.meter().begin(self.receiver_host(), sources.collect(), before_content);
    }

    /// Returns the measurements since then.
    pub(super) fn read_measured(&self) -> MeterReading {
        self.lines.meter().read()
    }

    /// Returns the time since the last packet arrived on any line.
    pub(super) fn idle_time(&self) -> Duration {
        self.lines.meter().idle_time()
    }

    /// Returns an error if the lines no longer carry packets.
    pub(super) fn check(&self) -> Result<()> {
        if !self.lines.is_running() {
            bail!("the lines no longer carry packets");
        }
        Ok(())
    }
}

fn wait_for(what: &str, mut look: impl FnMut() -> Option<()>) -> Result<()> {
    let seen = interrupt::wait(READY_TIMEOUT, |slice| {
        thread::sleep(slice / 4);
        look()
    })?;
    if seen.is_none() {
        bail!("timed out waiting for {what}");
    }
    Ok(())
}
