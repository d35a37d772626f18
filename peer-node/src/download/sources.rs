use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::node_id::NodeId;

use super::choke_status::ChokeStatus;
use super::manifest_fetch::ContentOffer;
use super::rivals::RivalSource;
use crate::discovery::finder::source_search::TriedSources;
use crate::native::FetchChannel;
use crate::view::{DownloadState, QueuedAt, SourceView};
use swarm::{SourceId, SourceIds};

/// Number of disconnections without a verified piece in between after which a source is not retried.
const MAX_LOSSES: u32 = 3;

/// How long a source that broke the protocol is banned. The cause, such as a damaged disk or a bug, may be repaired while
/// a download waits.
const BAN_DURATION: Duration = Duration::from_mins(30);

/// The sources of one download: the connected ones, and why the others are not.
#[derive(Debug, Default)]
pub(super) struct DownloadSources {
    ids: SourceIds,
    connected: BTreeMap<SourceId, ConnectedSource>,
    absent: HashMap<NodeId, AbsentSource>,
    losses: HashMap<NodeId, u32>,
    received: BTreeMap<SocketAddr, u64>,
    /// Number of sources located by the latest search.
    located: usize,
    ever_named: SourceHistory,
}

/// Whether a search has ever found a source of the content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SourceHistory {
    /// No search has completed yet.
    #[default]
    Unknown,
    Never,
    Named,
}

/// A connected source.
#[derive(Debug)]
pub(super) struct ConnectedSource {
    pub(super) node: NodeId,
    pub(super) address: SocketAddr,
    pub(super) channel: FetchChannel,
    /// Its offer and its pieces; `None` means all pieces.
    pub(super) offer: Option<(ContentOffer, Option<Vec<u8>>)>,
    pub(super) early_manifest: EarlyManifest,
    /// Whether the source serves us.
    pub(super) choke_status: ChokeStatus,
}

/// The first manifest states of a source, if they were requested together with the content.
#[derive(Debug, Default)]
pub(super) enum EarlyManifest {
    /// Not requested, or already used.
    #[default]
    NotRequested,
    /// Requested; they follow the source's offer.
    Pending,
    /// Received and not used yet.
    Received(Vec<[u8; 32]>),
}

/// A source that is not connected.
#[derive(Debug)]
struct AbsentSource {
    address: SocketAddr,
    reason: String,
    /// When it may be retried; `None` means never.
    retry_at: Option<Instant>,
    /// End of its ban; `None` if it was only disconnected too often.
    banned_until: Option<Instant>,
}

impl EarlyManifest {
    /// Returns true if the states were requested and have not been used.
    pub(super) const fn is_requested(&self) -> bool {
        !matches!(self, Self::NotRequested)
    }

    /// Takes the received states, if any.
    pub(super) fn take_states(&mut self) -> Option<Vec<[u8; 32]>> {
        match std::mem::take(self) {
            Self::Received(states) => Some(states),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl DownloadSources {
    /// Returns the allocator of source ids.
    pub(super) const fn ids(&self) -> &SourceIds {
        &self.ids
    }

    /// Adds a source that has been asked for the content under this id.
    pub(super) fn add(&mut self, id: SourceId, channel: FetchChannel, early_manifest: EarlyManifest) {
        let (node, address) = (channel.link().node(), channel.link().address());
        self.mark_named();
        self.absent.remove(&node);
        let choke_status = ChokeStatus::default();
        self.connected.insert(
            id,
            ConnectedSource { node, address, channel, offer: None, early_manifest, choke_status },
        );
    }

    /// Records how many sources the index and the LAN have named.
    pub(super) fn set_located(&mut self, count: usize) {
        self.located = count;
        if count > 0 {
            self.mark_named();
        } else if self.ever_named == SourceHistory::Unknown {
            self.ever_named = SourceHistory::Never;
        }
    }

    /// Records that some node has, or had, the content.
    pub(super) const fn mark_named(&mut self) {
        self.ever_named = SourceHistory::Named;
    }

    /// Returns the state of a download without a serving source.
    pub(super) fn awaiting_state(&self) -> DownloadState {
        DownloadState::AwaitingSources { was_seen: self.ever_named != SourceHistory::Never }
    }

    /// Disconnects a source. It may be retried after `again_in`, unless it has been lost too often; `None` bans it.
    pub(super) fn disconnect(
        &mut self,
        id: SourceId,
        reason: &str,
        again_in: Option<Duration>,
        now: Instant,
    ) {
        if let Some(peer) = self.connected.remove(&id) {
            let losses = self.losses.entry(peer.node).or_default();
            *losses += 1;
            let banned = again_in.is_none().then(|| now + BAN_DURATION);
            let again = again_in.filter(|_| *losses < MAX_LOSSES).map(|pause| now + pause);
            self.absent.insert(
                peer.node,
                AbsentSource {
                    address: peer.address,
                    reason: reason.to_owned(),
                    retry_at: again,
                    banned_until: banned,
                },
            );
        }
    }

    /// Resets the failure counts of all sources because the download has made progress.
    pub(super) fn reset_failures(&mut self) {
        self.losses.clear();
    }

    /// Allows retrying all absent sources except the banned ones.
    pub(super) fn allow_retries(&mut self, now: Instant) {
        self.losses.clear();
        for absent in self.absent.values_mut() {
            if absent.banned_until.is_none_or(|until| until <= now) {
                (absent.retry_at, absent.banned_until) = (Some(now), None);
            }
        }
    }

    /// Records that a source could not be reached.
    pub(super) fn mark_unreachable(
        &mut self,
        node: NodeId,
        address: SocketAddr,
        reason: String,
        again: Option<Instant>,
    ) {
        self.absent.insert(node, AbsentSource { address, reason, retry_at: again, banned_until: None });
    }

    /// Returns the connected sources with the round-trip times of their links, where known, and the number of their
    /// connections.
    pub(super) fn paths(&self) -> impl Iterator<Item = (SourceId, Duration, usize)> {
        self.connected.iter().filter_map(|(id, peer)| {
            let link = peer.channel.link();
            Some((*id, link.rtt()?, link.connections()))
        })
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&ConnectedSource> {
        self.connected.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SourceId) -> Option<&mut ConnectedSource> {
        self.connected.get_mut(&id)
    }

    /// Records that a source has gained a piece since its offer, whether or not it takes part yet.
    pub(super) fn piece_gained(&mut self, id: SourceId, piece: u32) {
        if let Some((_, Some(pieces))) = self.connected.get_mut(&id).and_then(|peer| peer.offer.as_mut()) {
            set_piece(pieces, piece);
        }
    }

    pub(super) fn is_connected(&self, node: NodeId) -> bool {
        self.connected.values().any(|peer| peer.node == node)
    }

    /// Returns true if this download waits in the queue of a source that can be expected to serve it.
    pub(super) fn may_be_served(&self, now: Instant) -> bool {
        self.connected.values().any(|peer| peer.choke_status.may_be_served(now))
    }

    /// Returns true if this download waits in the queue of a source that offers the content.
    pub(super) fn is_queued(&self) -> bool {
        self.connected.values().any(|peer| peer.offer.is_some() && peer.choke_status.is_queued())
    }

    /// Returns our best queue position, if every source keeps us waiting.
    pub(super) fn queued_at(&self) -> Option<QueuedAt> {
        let offering = || self.connected.values().filter(|peer| peer.offer.is_some());
        if offering().any(|peer| !peer.choke_status.is_choked()) {
            return None;
        }
        let queued = offering().filter(|peer| peer.choke_status.is_queued());
        let queued = queued.map(|peer| {
            let position = peer.choke_status.position();
            let (place, length) =
                (position.map(|position| position.position), position.and_then(|position| position.length));
            QueuedAt { source: peer.address, position: place, length }
        });
        queued.min_by_key(|queued| queued.position.unwrap_or(u32::MAX))
    }

    pub(super) fn connected_count(&self) -> usize {
        self.connected.len()
    }

    /// Returns the offers received from connected sources.
    pub(super) fn offers(&self) -> BTreeMap<SourceId, ContentOffer> {
        self.connected.iter().filter_map(|(id, peer)| Some((*id, peer.offer.as_ref()?.0))).collect()
    }

    /// Returns the connected sources whose offer differs from the current one.
    pub(super) fn rival_offers(
        &self,
        current: ContentOffer,
    ) -> impl Iterator<Item = (SourceId, RivalSource<'_>)> {
        self.connected.iter().filter_map(move |(id, peer)| {
            let (offer, pieces) = peer.offer.as_ref().filter(|(offer, _)| *offer != current)?;
            let (serves, rtt) = (!peer.choke_status.is_choked(), peer.channel.link().rtt());
            Some((*id, RivalSource { offer: *offer, is_serving: serves, pieces: pieces.as_deref(), rtt }))
        })
    }

    /// Returns the nodes that must not be dialled now.
    pub(super) fn not_to_dial(&self, now: Instant) -> HashSet<NodeId> {
        let waiting =
            self.absent.iter().filter(|(_, absent)| absent.retry_at.is_none_or(|again| again > now));
        self.connected.values().map(|peer| peer.node).chain(waiting.map(|(node, _)| *node)).collect()
    }

    /// Returns the sources that were tried and are not connected.
    pub(super) fn tried(&self) -> TriedSources {
        let mut tried = TriedSources::default();
        self.absent.iter().for_each(|(node, absent)| tried.add(*node, absent.address));
        tried
    }

    /// Returns true if an absent source may be retried.
    pub(super) fn has_retryable(&self) -> bool {
        self.absent.values().any(|absent| absent.retry_at.is_some())
    }

    pub(super) fn data_received(&mut self, id: SourceId, bytes: u64, now: Instant) {
        if let Some(peer) = self.connected.get_mut(&id) {
            peer.choke_status.data_received(now);
            *self.received.entry(peer.address).or_default() += bytes;
        }
    }

    pub(super) fn known_count(&self) -> usize {
        self.located.max(self.connected.len() + self.absent.len())
    }

    /// Returns how much each source has sent, with the current rates from `rate`.
    pub(super) fn source_views(&self, rate: impl Fn(SourceId) -> f64) -> Vec<SourceView> {
        let live = |address| self.connected.iter().find(|(_, peer)| peer.address == address);
        let absent_at = |address| self.absent.values().find(|absent| absent.address == address);
        let view = |(address, bytes): (&SocketAddr, &u64)| SourceView {
            address: *address,
            bytes: *bytes,
            rate: live(*address).map_or(0.0, |(id, _)| rate(*id)),
            disconnect_reason: if live(*address).is_some() {
                None
            } else {
                absent_at(*address).map(|absent| absent.reason.clone())
            },
        };
        self.received.iter().map(view).collect()
    }

    /// Describes why up to five sources do not serve this download.
    pub(super) fn failure_summary(&self) -> String {
        let absent = self.absent.values().map(|absent| (absent.address, absent.reason.as_str()));
        let live = self.connected.values().map(|peer| (peer.address, "connected but sends nothing"));
        let reasons: Vec<String> =
            absent.chain(live).take(5).map(|(address, why)| format!("{address}: {why}")).collect();
        reasons.join("; ")
    }

    /// Disconnects all sources.
    pub(super) fn disconnect_all(&mut self) {
        self.connected.clear();
    }
}

/// Sets a piece in a source's raw bitfield. A piece out of range is detected when the source takes part.
fn set_piece(pieces: &mut [u8], piece: u32) {
    if let Some(byte) = usize::try_from(piece / 8).ok().and_then(|at| pieces.get_mut(at)) {
        *byte |= 0x80 >> (piece % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ban_lasts_until_it_expires_despite_retries() {
        let (mut sources, now) = (DownloadSources::default(), Instant::now());
        let (node, address) = (NodeId::from_bytes([1; 32]), ([127, 0, 0, 1], 1).into());
        let banned = AbsentSource {
            address,
            reason: "it lied".into(),
            retry_at: None,
            banned_until: Some(now + BAN_DURATION),
        };
        sources.absent.insert(node, banned);
        sources.allow_retries(now + BAN_DURATION / 2);
        assert!(sources.not_to_dial(now + BAN_DURATION / 2).contains(&node) && !sources.has_retryable());
        sources.allow_retries(now + BAN_DURATION);
        assert!(!sources.not_to_dial(now + BAN_DURATION).contains(&node) && sources.has_retryable());
    }

    #[test]
    fn never_named_sources_differ_from_absent_ones() {
        let mut sources = DownloadSources::default();
        let awaiting = |sources: &DownloadSources| {
            sources.awaiting_state() == DownloadState::AwaitingSources { was_seen: true }
        };
        assert!(awaiting(&sources), "no search has completed yet");
        sources.set_located(0);
        assert!(!awaiting(&sources));
        sources.set_located(1);
        sources.set_located(0);
        assert!(awaiting(&sources));
    }

    #[test]
    fn gained_piece_is_added_to_the_offer() {
        let mut pieces = vec![0b1000_0000, 0];
        for piece in [0, 2, 8, 15, 16, u32::MAX] {
            set_piece(&mut pieces, piece);
        }
        assert_eq!(pieces, [0b1010_0000, 0b1000_0001]);
    }
}
