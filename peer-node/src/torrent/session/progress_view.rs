//! Publishes the torrent's progress to views and trackers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::TorrentSession;
use super::active_swarm::{ActiveSwarm, TorrentPhase};
use crate::discovery::trackers::AnnounceStats;
use crate::view::{ContentId, DownloadState, SourceView};

/// Maximum number of peers whose contributions are remembered.
const MAX_CONTRIBUTIONS: usize = 200;

/// How long no peer may be connected before the torrent shows that it awaits sources.
const AWAITING_SOURCES_AFTER: Duration = Duration::from_secs(3);

/// Bytes received per peer.
#[derive(Debug, Default)]
pub(super) struct Contributions {
    peers: BTreeMap<SocketAddr, Contribution>,
}

#[derive(Debug, Default)]
struct Contribution {
    bytes: u64,
    is_connected: bool,
    /// Why the peer was disconnected, if it was.
    disconnect_reason: Option<String>,
}

impl Contributions {
    pub(super) fn connected(&mut self, address: SocketAddr) {
        if self.peers.len() < MAX_CONTRIBUTIONS || self.peers.contains_key(&address) {
            let contribution = self.peers.entry(address).or_default();
            (contribution.is_connected, contribution.disconnect_reason) = (true, None);
        }
    }

    pub(super) fn add_bytes(&mut self, address: SocketAddr, bytes: u64) {
        if let Some(contribution) = self.peers.get_mut(&address) {
            contribution.bytes += bytes;
        }
    }

    /// Records that a peer has disconnected, and the reason if it is worth showing.
    pub(super) fn disconnected(&mut self, address: SocketAddr, reason: Option<&str>) {
        if let Some(contribution) = self.peers.get_mut(&address) {
            (contribution.is_connected, contribution.disconnect_reason) = (false, reason.map(str::to_owned));
        }
        // Peers that contributed nothing make room for others.
        self.peers.retain(|_, contribution| contribution.bytes > 0 || contribution.is_connected);
    }

    fn views(&self, rate: impl Fn(SocketAddr) -> f64) -> Vec<SourceView> {
        let view = |(address, contribution): (&SocketAddr, &Contribution)| {
            let (address, bytes, disconnect_reason) =
                (*address, contribution.bytes, contribution.disconnect_reason.clone());
            SourceView {
                address,
                bytes,
                rate: if contribution.is_connected { rate(address) } else { 0.0 },
                disconnect_reason,
            }
        };
        self.peers.iter().filter(|(_, contribution)| contribution.bytes > 0).map(view).collect()
    }
}

impl TorrentSession {
    /// Publishes the progress of the torrent.
    pub(super) fn update_view(&self, active: &mut ActiveSwarm) {
        let (now, metainfo) = (Instant::now(), &self.spec.metainfo);
        let geometry = metainfo.geometry();
        let Some(store) = &self.storage else { return };
        let (have, all) = store.wanted_bytes(geometry);
        let content = ContentId::Torrent(metainfo.infohash());
        let rate_of = |address| {
            let ids = active.source_ids().filter(|id| active.address(*id) == Some(address));
            ids.filter_map(|id| active.pieces.swarm().source_traffic(id, now)).map(|(_, rate)| rate).sum()
        };
        let rate_up = self.config.transport.uploads().rate_of(content);
        let done =
            geometry.pieces().filter(|piece| store.wanted.has(*piece) && store.have.has(*piece)).count();
        let sources = self.contributions.views(rate_of);
        active.is_uploading = rate_up > 0.0;
        if let Some(files) = &store.files {
            // Peers that fetch the torrent read recent blocks again.
            files.keep_cached(rate_up > 0.0);
        }
        let trackers = active.announcer.views();
        self.view_publisher.update(|view| {
            (view.size, view.bytes_done) = (Some(all), have);
            (view.pieces, view.pieces_done) = (store.wanted.count(), u32::try_from(done).unwrap_or(u32::MAX));
            (view.sources_active, view.sources_known) =
                (active.source_count(), self.peer_table.len().max(active.source_count()));
            (view.rate_up, view.bytes_uploaded) = (rate_up, self.total_uploaded(active));
            (view.sources, view.trackers) = (sources, trackers);
        });
        self.report_to_trackers(active);
    }

    /// Publishes whether the torrent is fetching, or awaits sources because no peer is connected.
    pub(super) fn update_activity(&self, active: &mut ActiveSwarm, now: Instant) {
        if active.phase != TorrentPhase::Fetching {
            return;
        }
        if active.source_count() > 0 {
            active.last_connected = now;
        }
        let is_alone = now.saturating_duration_since(active.last_connected) >= AWAITING_SOURCES_AFTER;
        self.view_publisher.set_state(if is_alone {
            DownloadState::AwaitingSources { was_seen: true }
        } else {
            DownloadState::Fetching
        });
    }

    /// Reports the progress to the trackers.
    pub(super) fn report_to_trackers(&self, active: &ActiveSwarm) {
        active.announcer.report(self.stats(self.total_uploaded(active)));
    }

    /// Returns the progress for trackers. All missing bytes count as left, including those of unselected files (BEP 3,
    /// "left").
    pub(super) fn stats(&self, uploaded: u64) -> AnnounceStats {
        let geometry = self.spec.metainfo.geometry();
        let have = self.storage.as_ref().map_or(0, |store| store.verified_bytes(geometry));
        AnnounceStats { uploaded, downloaded: self.downloaded, left: geometry.size() - have }
    }

    /// Returns the number of uploaded bytes.
    pub(super) fn total_uploaded(&self, active: &ActiveSwarm) -> u64 {
        self.uploaded + active.offering.sent()
    }
}
