use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::infohash::Infohash;

use super::{NetworkLocation, OpentrackerProcess, ScrapeCounts};
use crate::eventually::{DEFAULT_TIMEOUT, poll_within, wait_until};
use crate::index::IndexProcess;
use crate::seeder_tracker::SeederTracker;
use crate::tls_proxy::TlsProxy;

/// A tracker, whoever made it.
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
    /// Starts opentracker, if it is installed, to be asked over HTTP.
    pub fn opentracker() -> Option<Self> {
        let program = OpentrackerProcess::start_if_installed()?;
        let url = format!("http://{}/announce", program.address());
        Some(Self { program: TrackerProgram::Opentracker(program), url })
    }

    /// Starts opentracker, if it is installed, to be asked over UDP.
    pub fn opentracker_over_udp() -> Option<Self> {
        let program = OpentrackerProcess::start_if_installed()?;
        let url = format!("udp://{}/announce", program.address());
        Some(Self { program: TrackerProgram::Opentracker(program), url })
    }

    /// Starts an index that is a tracker too.
    pub fn index() -> Self {
        let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let url = format!("http://{}/announce", index.tracker_address());
        Self { program: TrackerProgram::Index(index), url }
    }

    /// Starts an index that is a tracker too, to be asked over HTTPS.
    pub fn index_over_https() -> Self {
        let index = IndexProcess::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let front = TlsProxy::start(index.tracker_address());
        let url = format!("https://{}/announce", front.address());
        Self { program: TrackerProgram::IndexOverHttps(index, front), url }
    }

    /// Starts one in this process that tells of the seeders it is told of.
    pub fn in_process() -> Self {
        Self::in_process_at(&NetworkLocation::default())
    }

    /// Starts one in this process that is reached at a place, and tells of the seeders there.
    pub fn in_process_at(place: &NetworkLocation) -> Self {
        let tracker = place.inside(|| SeederTracker::start_at(place.address())).expect("a free port");
        let url = tracker.announce_url();
        Self { program: TrackerProgram::InProcess(tracker), url }
    }

    /// Gives the URL that goes into a `.torrent`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets it serve a torrent, where it has to be told.
    pub fn allow(&self, infohash: Infohash) {
        if let TrackerProgram::Opentracker(program) = &self.program {
            program.allow(infohash);
        }
    }

    /// Gives the file with the certificate of one that is asked over HTTPS.
    pub fn certificate(&self) -> PathBuf {
        let TrackerProgram::IndexOverHttps(_, front) = &self.program else {
            panic!("{self:?} has no certificate")
        };
        front.certificate().to_owned()
    }

    fn seeder_tracker(&self) -> &SeederTracker {
        let TrackerProgram::InProcess(tracker) = &self.program else { panic!("{self:?} is another program") };
        tracker
    }

    /// Tells one in this process of a seeder.
    pub fn add_seeder(&self, seeder: SocketAddr) {
        self.seeder_tracker().add_seeder(seeder.port());
    }

    /// Waits until one in this process knows so many seeders.
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

    /// Waits until it knows such peers of a torrent.
    pub fn wait_for(&self, infohash: Infohash, is_it: impl Fn(ScrapeCounts) -> bool) {
        let mut last = None;
        let come = poll_within(DEFAULT_TIMEOUT, || {
            last = self.scrape(infohash);
            last.is_some_and(&is_it).then_some(())
        });
        assert!(come.is_some(), "the tracker knows {last:?} of {infohash}");
    }
}
