use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::infohash::Infohash;

use super::{NetworkLocation, OpentrackerProcess, ScrapeCounts};
use crate::eventually::{DEFAULT_TIMEOUT, poll_within, wait_until};
use crate::index::IndexProcess;
use crate::seeder_tracker::SeederTracker;
use crate::tls_proxy::TlsProxy;

/// A tracker of any implementation.
#[derive(Debug)]
pub struct SwarmTracker {
    program: TrackerProgram,
    url: String,
}

#[derive(Debug)]
enum TrackerProgram {
    Opentracker(OpentrackerProcess),
    Index(IndexProcess),
    InProcess(SeederTracker),
    IndexOverHttps(IndexProcess, TlsProxy),
}

impl SwarmTracker {
    /// Starts opentracker for HTTP, if it is installed.
    pub fn opentracker() -> Option<Self> {
        let program = OpentrackerProcess::start_if_installed()?;
        let url = format!("http://{}/announce", program.address());
        Some(Self { program: TrackerProgram::Opentracker(program), url })
    }

    /// Starts opentracker for UDP, if it is installed.
    pub fn opentracker_over_udp() -> Option<Self> {
        let program = OpentrackerProcess::start_if_installed()?;
        let url = format!("udp://{}/announce", program.address());
        Some(Self { program: TrackerProgram::Opentracker(program), url })
    }

    /// Starts an index that is also a tracker.
    pub fn index() -> Self {
        let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let url = format!("http://{}/announce", index.tracker_address());
        Self { program: TrackerProgram::Index(index), url }
    }

    /// Starts an index that is also a tracker, behind HTTPS.
    pub fn index_over_https() -> Self {
        let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let front = TlsProxy::start(index.tracker_address());
        let url = format!("https://{}/announce", front.address());
        Self { program: TrackerProgram::IndexOverHttps(index, front), url }
    }

    /// Starts a tracker in this process that returns the seeders added to it.
    pub fn in_process() -> Self {
        Self::in_process_at(&NetworkLocation::default())
    }

    /// Starts a tracker in this process at a location, with seeders at the same location.
    pub fn in_process_at(location: &NetworkLocation) -> Self {
        let tracker = location.inside(|| SeederTracker::start_at(location.address())).expect("a free port");
        let url = tracker.announce_url();
        Self { program: TrackerProgram::InProcess(tracker), url }
    }

    /// Returns the announce URL for a `.torrent`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Allows the tracker to serve a torrent, if it needs permission.
    pub fn allow(&self, infohash: Infohash) {
        if let TrackerProgram::Opentracker(program) = &self.program {
            program.allow(infohash);
        }
    }

    /// Returns the certificate file of a tracker behind HTTPS.
    pub fn certificate(&self) -> PathBuf {
        let TrackerProgram::IndexOverHttps(_, front) = &self.program else {
            panic!("{self:?} has no certificate")
        };
        front.certificate().to_owned()
    }

    fn seeder_tracker(&self) -> &SeederTracker {
        let TrackerProgram::InProcess(tracker) = &self.program else {
            panic!("{self:?} is not a tracker in this process")
        };
        tracker
    }

    /// Adds a seeder to a tracker in this process.
    pub fn add_seeder(&self, seeder: SocketAddr) {
        self.seeder_tracker().add_seeder(seeder.port());
    }

    /// Waits until a tracker in this process knows `count` seeders.
    pub fn wait_for_seeders(&self, count: usize) {
        wait_until("seeders to announce themselves", DEFAULT_TIMEOUT, || {
            self.seeder_tracker().seeder_count() >= count
        });
    }

    fn scrape(&self, infohash: Infohash) -> Option<ScrapeCounts> {
        match &self.program {
            TrackerProgram::Opentracker(program) => ScrapeCounts::fetch(program.address(), infohash),
            TrackerProgram::Index(index) | TrackerProgram::IndexOverHttps(index, _) => {
                ScrapeCounts::fetch(index.tracker_address(), infohash)
            }
            TrackerProgram::InProcess(_) => None,
        }
    }

    /// Waits until the tracker's counts of a torrent match.
    pub fn wait_for(&self, infohash: Infohash, is_match: impl Fn(ScrapeCounts) -> bool) {
        let mut last = None;
        let reached = poll_within(DEFAULT_TIMEOUT, || {
            last = self.scrape(infohash);
            last.is_some_and(&is_match).then_some(())
        });
        assert!(reached.is_some(), "the tracker knows {last:?} of {infohash}");
    }
}
