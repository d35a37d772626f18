use std::net::SocketAddr;

use protocol::infohash::Infohash;

use super::{Opentracker, Scrape};
use crate::eventually::{SOON, within};

/// A tracker, whoever made it.
#[derive(Debug)]
pub struct SwarmTracker {
    program: Opentracker,
    url: String,
}

impl SwarmTracker {
    /// Starts opentracker, if it is installed, to be asked over HTTP.
    pub fn opentracker() -> Option<Self> {
        let program = Opentracker::find()?;
        let url = format!("http://{}/announce", program.address());
        Some(Self { program, url })
    }

    /// Starts opentracker, if it is installed, to be asked over UDP.
    pub fn opentracker_by_udp() -> Option<Self> {
        let program = Opentracker::find()?;
        let url = format!("udp://{}/announce", program.address());
        Some(Self { program, url })
    }

    /// Gives the URL that goes into a `.torrent`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives where it speaks HTTP.
    pub const fn address(&self) -> SocketAddr {
        self.program.address()
    }

    /// Lets it serve a torrent.
    pub fn allow(&self, infohash: Infohash) {
        self.program.allow(infohash);
    }

    /// Waits until it knows such peers of a torrent.
    pub fn wait_for(&self, infohash: Infohash, is_it: impl Fn(Scrape) -> bool) {
        let mut last = None;
        let come = within(SOON, || {
            last = Scrape::ask(self.address(), infohash);
            last.is_some_and(&is_it).then_some(())
        });
        assert!(come.is_some(), "the tracker knows {last:?} of {infohash}");
    }
}
