use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::infohash::Infohash;

use super::{Opentracker, Place, Scrape};
use crate::eventually::{SOON, until, within};
use crate::index::Index;
use crate::seeder_tracker::SeederTracker;
use crate::tls_front::TlsFront;

/// A tracker, whoever made it.
#[derive(Debug)]
pub struct SwarmTracker {
    program: Program,
    url: String,
}

#[derive(Debug)]
enum Program {
    Opentracker(Opentracker),
    Index(Index),
    Within(SeederTracker),
    Secure(Index, TlsFront),
}

impl SwarmTracker {
    /// Starts opentracker, if it is installed, to be asked over HTTP.
    pub fn opentracker() -> Option<Self> {
        let program = Opentracker::find()?;
        let url = format!("http://{}/announce", program.address());
        Some(Self { program: Program::Opentracker(program), url })
    }

    /// Starts opentracker, if it is installed, to be asked over UDP.
    pub fn opentracker_by_udp() -> Option<Self> {
        let program = Opentracker::find()?;
        let url = format!("udp://{}/announce", program.address());
        Some(Self { program: Program::Opentracker(program), url })
    }

    /// Starts an index that is a tracker too.
    pub fn index() -> Self {
        let index = Index::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let url = format!("http://{}/announce", index.tracker());
        Self { program: Program::Index(index), url }
    }

    /// Starts an index that is a tracker too, to be asked over HTTPS.
    pub fn index_over_https() -> Self {
        let index = Index::start_with("127.0.0.1:0", &["--tracker", "127.0.0.1:0"]);
        let front = TlsFront::start(index.tracker());
        let url = format!("https://{}/announce", front.address());
        Self { program: Program::Secure(index, front), url }
    }

    /// Starts one in this process that tells of the seeders it is told of.
    pub fn within() -> Self {
        Self::within_at(&Place::default())
    }

    /// Starts one in this process that is reached at a place, and tells of the seeders there.
    pub fn within_at(place: &Place) -> Self {
        let tracker = place.inside(|| SeederTracker::start_at(place.address())).expect("a free port");
        let url = tracker.announce_url();
        Self { program: Program::Within(tracker), url }
    }

    /// Gives the URL that goes into a `.torrent`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets it serve a torrent, where it has to be told.
    pub fn allow(&self, infohash: Infohash) {
        if let Program::Opentracker(program) = &self.program {
            program.allow(infohash);
        }
    }

    /// Gives the file with the certificate of one that is asked over HTTPS.
    pub fn certificate(&self) -> PathBuf {
        let Program::Secure(_, front) = &self.program else { panic!("{self:?} has no certificate") };
        front.certificate().to_owned()
    }

    fn within_this_process(&self) -> &SeederTracker {
        let Program::Within(tracker) = &self.program else { panic!("{self:?} is another program") };
        tracker
    }

    /// Tells one in this process of a seeder.
    pub fn note(&self, seeder: SocketAddr) {
        self.within_this_process().note(seeder.port());
    }

    /// Waits until one in this process knows so many seeders.
    pub fn wait_for_seeders(&self, count: usize) {
        until("seeders to announce themselves", SOON, || self.within_this_process().seeders() >= count);
    }

    fn scrape(&self, infohash: Infohash) -> Option<Scrape> {
        match &self.program {
            Program::Opentracker(program) => Scrape::ask(program.address(), infohash),
            Program::Index(index) | Program::Secure(index, _) => Scrape::ask(index.tracker(), infohash),
            Program::Within(_) => None,
        }
    }

    /// Waits until it knows such peers of a torrent.
    pub fn wait_for(&self, infohash: Infohash, is_it: impl Fn(Scrape) -> bool) {
        let mut last = None;
        let come = within(SOON, || {
            last = self.scrape(infohash);
            last.is_some_and(&is_it).then_some(())
        });
        assert!(come.is_some(), "the tracker knows {last:?} of {infohash}");
    }
}
