//! What the torrent shows of itself: to people, and to its trackers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Session;
use super::party::{Party, Phase};
use crate::torrent::announcer::AnnounceStats;
use crate::transfers::{ContentId, DownloadState, Giver};

/// The most peers whose gifts are remembered.
const MAX_GIVERS: usize = 200;

/// How long nobody may be connected before the torrent shows that it waits for sources.
const ALONE: Duration = Duration::from_secs(3);

/// Who gave how much.
#[derive(Debug, Default)]
pub(super) struct Givers {
    peers: BTreeMap<SocketAddr, Gift>,
}

#[derive(Debug, Default)]
struct Gift {
    bytes: u64,
    is_here: bool,
    /// Why the peer was left, if it was.
    left: Option<String>,
}

impl Givers {
    pub(super) fn joined(&mut self, address: SocketAddr) {
        if self.peers.len() < MAX_GIVERS || self.peers.contains_key(&address) {
            let gift = self.peers.entry(address).or_default();
            (gift.is_here, gift.left) = (true, None);
        }
    }

    pub(super) fn gave(&mut self, address: SocketAddr, bytes: u64) {
        if let Some(gift) = self.peers.get_mut(&address) {
            gift.bytes += bytes;
        }
    }

    /// Notes that a peer is gone, and why if that matters to anybody.
    pub(super) fn left(&mut self, address: SocketAddr, why: Option<&str>) {
        if let Some(gift) = self.peers.get_mut(&address) {
            (gift.is_here, gift.left) = (false, why.map(str::to_owned));
        }
        // Who gave nothing makes room for others.
        self.peers.retain(|_, gift| gift.bytes > 0 || gift.is_here);
    }

    fn views(&self, rate: impl Fn(SocketAddr) -> f64) -> Vec<Giver> {
        let view = |(address, gift): (&SocketAddr, &Gift)| {
            let (address, bytes, left) = (*address, gift.bytes, gift.left.clone());
            Giver { address, bytes, rate: if gift.is_here { rate(address) } else { 0.0 }, left }
        };
        self.peers.iter().filter(|(_, gift)| gift.bytes > 0).map(view).collect()
    }
}

impl Session {
    /// Shows how far the torrent has got.
    pub(super) fn show(&self, party: &Party) {
        let (now, metainfo) = (Instant::now(), &self.wish.metainfo);
        let geometry = metainfo.geometry();
        let Some(store) = &self.store else { return };
        let (here, all) = store.wanted_bytes(geometry);
        let content = ContentId::Torrent(metainfo.infohash());
        let rate_of = |address| {
            let ids = party.sources().filter(|id| party.address(*id) == Some(address));
            ids.filter_map(|id| party.swarm.source_flow(id, now)).map(|(_, rate)| rate).sum()
        };
        let rate_up = self.config.transport.uploads().rate_of(content);
        let done =
            geometry.pieces().filter(|piece| store.wanted.has(*piece) && store.here.has(*piece)).count();
        let givers = self.givers.views(rate_of);
        self.board.show(|view| {
            (view.size, view.bytes_done) = (Some(all), here);
            (view.pieces, view.pieces_done) = (store.wanted.count(), u32::try_from(done).unwrap_or(u32::MAX));
            (view.sources_active, view.sources_known) =
                (party.connected(), self.book.known().max(party.connected()));
            (view.rate_up, view.bytes_given) = (rate_up, self.given(party));
            view.givers = givers;
        });
        self.report(party);
    }

    /// Shows whether the torrent fetches, or waits for sources because nobody is connected.
    pub(super) fn show_activity(&self, party: &mut Party, now: Instant) {
        if party.phase != Phase::Fetching {
            return;
        }
        if party.connected() > 0 {
            party.last_company = now;
        }
        let is_alone = now.saturating_duration_since(party.last_company) >= ALONE;
        self.board.set_state(if is_alone {
            DownloadState::AwaitingSources { was_seen: true }
        } else {
            DownloadState::Fetching
        });
    }

    /// Tells the trackers how far the torrent has got.
    pub(super) fn report(&self, party: &Party) {
        party.announcer.report(self.stats(self.given(party)));
    }

    /// Returns how far the torrent has got: all of it counts, also what is not wanted here (BEP 3, "left").
    pub(super) fn stats(&self, uploaded: u64) -> AnnounceStats {
        let geometry = self.wish.metainfo.geometry();
        let here = self.store.as_ref().map_or(0, |store| store.bytes_here(geometry));
        AnnounceStats { uploaded, downloaded: self.downloaded, left: geometry.size() - here }
    }

    /// Counts the bytes that were given.
    pub(super) fn given(&self, party: &Party) -> u64 {
        self.uploaded + party.offering.sent()
    }
}
