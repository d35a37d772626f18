//! What the torrent shows of itself: to people, and to its trackers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::TorrentSession;
use super::active_swarm::{ActiveSwarm, TorrentPhase};
use crate::torrent::announcer::AnnounceStats;
use crate::view::{ContentId, DownloadState, SourceView};

/// The most peers whose gifts are remembered.
const MAX_CONTRIBUTIONS: usize = 200;

/// How long nobody may be connected before the torrent shows that it waits for sources.
const AWAITING_SOURCES_AFTER: Duration = Duration::from_secs(3);

/// Who gave how much.
#[derive(Debug, Default)]
pub(super) struct Contributions {
    peers: BTreeMap<SocketAddr, Contribution>,
}

#[derive(Debug, Default)]
struct Contribution {
    bytes: u64,
    is_connected: bool,
    /// Why the peer was left, if it was.
    disconnect_reason: Option<String>,
}

impl Contributions {
    pub(super) fn connected(&mut self, address: SocketAddr) {
        if self.peers.len() < MAX_CONTRIBUTIONS || self.peers.contains_key(&address) {
            let gift = self.peers.entry(address).or_default();
            (gift.is_connected, gift.disconnect_reason) = (true, None);
        }
    }

    pub(super) fn add_bytes(&mut self, address: SocketAddr, bytes: u64) {
        if let Some(gift) = self.peers.get_mut(&address) {
            gift.bytes += bytes;
        }
    }

    /// Notes that a peer is gone, and why if that matters to anybody.
    pub(super) fn disconnected(&mut self, address: SocketAddr, why: Option<&str>) {
        if let Some(gift) = self.peers.get_mut(&address) {
            (gift.is_connected, gift.disconnect_reason) = (false, why.map(str::to_owned));
        }
        // Who gave nothing makes room for others.
        self.peers.retain(|_, gift| gift.bytes > 0 || gift.is_connected);
    }

    fn views(&self, rate: impl Fn(SocketAddr) -> f64) -> Vec<SourceView> {
        let view = |(address, gift): (&SocketAddr, &Contribution)| {
            let (address, bytes, left) = (*address, gift.bytes, gift.disconnect_reason.clone());
            SourceView {
                address,
                bytes,
                rate: if gift.is_connected { rate(address) } else { 0.0 },
                disconnect_reason: left,
            }
        };
        self.peers.iter().filter(|(_, gift)| gift.bytes > 0).map(view).collect()
    }
}

impl TorrentSession {
    /// Shows how far the torrent has got.
    pub(super) fn update_view(&self, party: &ActiveSwarm) {
        let (now, metainfo) = (Instant::now(), &self.spec.metainfo);
        let geometry = metainfo.geometry();
        let Some(store) = &self.storage else { return };
        let (here, all) = store.wanted_bytes(geometry);
        let content = ContentId::Torrent(metainfo.infohash());
        let rate_of = |address| {
            let ids = party.source_ids().filter(|id| party.address(*id) == Some(address));
            ids.filter_map(|id| party.swarm.source_traffic(id, now)).map(|(_, rate)| rate).sum()
        };
        let rate_up = self.config.transport.uploads().rate_of(content);
        let done =
            geometry.pieces().filter(|piece| store.wanted.has(*piece) && store.have.has(*piece)).count();
        let givers = self.contributions.views(rate_of);
        self.board.update(|view| {
            (view.size, view.bytes_done) = (Some(all), here);
            (view.pieces, view.pieces_done) = (store.wanted.count(), u32::try_from(done).unwrap_or(u32::MAX));
            (view.sources_active, view.sources_known) =
                (party.source_count(), self.peer_table.len().max(party.source_count()));
            (view.rate_up, view.bytes_uploaded) = (rate_up, self.total_uploaded(party));
            view.sources = givers;
        });
        self.report_to_trackers(party);
    }

    /// Shows whether the torrent fetches, or waits for sources because nobody is connected.
    pub(super) fn update_activity(&self, party: &mut ActiveSwarm, now: Instant) {
        if party.phase != TorrentPhase::Fetching {
            return;
        }
        if party.source_count() > 0 {
            party.last_connected = now;
        }
        let is_alone = now.saturating_duration_since(party.last_connected) >= AWAITING_SOURCES_AFTER;
        self.board.set_state(if is_alone {
            DownloadState::AwaitingSources { was_seen: true }
        } else {
            DownloadState::Fetching
        });
    }

    /// Tells the trackers how far the torrent has got.
    pub(super) fn report_to_trackers(&self, party: &ActiveSwarm) {
        party.announcer.report(self.stats(self.total_uploaded(party)));
    }

    /// Returns how far the torrent has got: all of it counts, also what is not wanted here (BEP 3, "left").
    pub(super) fn stats(&self, uploaded: u64) -> AnnounceStats {
        let geometry = self.spec.metainfo.geometry();
        let here = self.storage.as_ref().map_or(0, |store| store.verified_bytes(geometry));
        AnnounceStats { uploaded, downloaded: self.downloaded, left: geometry.size() - here }
    }

    /// Counts the bytes that were given.
    pub(super) fn total_uploaded(&self, party: &ActiveSwarm) -> u64 {
        self.uploaded + party.offering.sent()
    }
}
