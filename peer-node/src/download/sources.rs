use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::node_id::NodeId;

use super::choke_status::ChokeStatus;
use super::manifest_fetch::ContentOffer;
use super::rivals::RivalSource;
use crate::finder::source_search::TriedSources;
use crate::native::FetchChannel;
use crate::view::{DownloadState, QueuedAt, SourceView};
use swarm::{SourceId, SourceIds};

/// How often a source may be lost, with no piece verified in between, before it is not tried again.
const MAX_LOSSES: u32 = 3;

/// How long a source is banned that broke the rules: what made it do so, a damaged disk or a bug, may be mended while a
/// download waits.
const BAN_DURATION: Duration = Duration::from_mins(30);

/// The sources of one download: those that are connected, and what became of the others.
#[derive(Debug, Default)]
pub(super) struct DownloadSources {
    ids: SourceIds,
    connected: BTreeMap<SourceId, ConnectedSource>,
    absent: HashMap<NodeId, AbsentSource>,
    losses: HashMap<NodeId, u32>,
    received: BTreeMap<SocketAddr, u64>,
    /// How many were named when it was last asked.
    located: usize,
    ever_named: EverNamed,
}

/// Whether a source of the content was ever named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum EverNamed {
    /// Nobody could be asked yet.
    #[default]
    Unknown,
    Never,
    Named,
}

/// A source that is connected.
#[derive(Debug)]
pub(super) struct ConnectedSource {
    pub(super) node: NodeId,
    pub(super) address: SocketAddr,
    pub(super) channel: FetchChannel,
    /// What it said of the content, and which pieces it has: none named means all.
    pub(super) offer: Option<(ContentOffer, Option<Vec<u8>>)>,
    pub(super) early_manifest: EarlyManifest,
    /// Whether it serves us.
    pub(super) choke_status: ChokeStatus,
}

/// The first states of a source's manifest, if they were asked for along with the content.
#[derive(Debug, Default)]
pub(super) enum EarlyManifest {
    /// They were not, or have been used.
    #[default]
    NotAsked,
    /// They come behind its offer.
    Pending,
    /// They are here.
    Received(Vec<[u8; 32]>),
}

/// A source that is not.
#[derive(Debug)]
struct AbsentSource {
    address: SocketAddr,
    reason: String,
    /// When it may be tried again, if ever.
    retry_at: Option<Instant>,
    /// Until when it is banned for what it did, and not for how often it was lost.
    banned_until: Option<Instant>,
}

impl EarlyManifest {
    /// Returns true if the states were asked for and have not been used.
    pub(super) const fn is_asked(&self) -> bool {
        !matches!(self, Self::NotAsked)
    }

    /// Takes the states that are here.
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
    /// Returns what numbers the sources.
    pub(super) const fn ids(&self) -> &SourceIds {
        &self.ids
    }

    /// Takes in a source that was asked for the content under its number.
    pub(super) fn add(&mut self, id: SourceId, channel: FetchChannel, early_manifest: EarlyManifest) {
        let (node, address) = (channel.link().node(), channel.link().address());
        self.mark_named();
        self.absent.remove(&node);
        let standing = ChokeStatus::default();
        self.connected.insert(
            id,
            ConnectedSource { node, address, channel, offer: None, early_manifest, choke_status: standing },
        );
    }

    /// Takes in how many sources the index and the nodes that are heard have named.
    pub(super) fn set_located(&mut self, count: usize) {
        self.located = count;
        if count > 0 {
            self.mark_named();
        } else if self.ever_named == EverNamed::Unknown {
            self.ever_named = EverNamed::Never;
        }
    }

    /// Notes that somebody has, or had, the content.
    pub(super) const fn mark_named(&mut self) {
        self.ever_named = EverNamed::Named;
    }

    /// Returns the state of a download that no source serves.
    pub(super) fn awaiting_state(&self) -> DownloadState {
        DownloadState::AwaitingSources { was_seen: self.ever_named != EverNamed::Never }
    }

    /// Parts with a source, for some time or for good: one that is lost again and again is not tried for ever.
    pub(super) fn disconnect(&mut self, id: SourceId, why: &str, again_in: Option<Duration>, now: Instant) {
        if let Some(peer) = self.connected.remove(&id) {
            let losses = self.losses.entry(peer.node).or_default();
            *losses += 1;
            let banned = again_in.is_none().then(|| now + BAN_DURATION);
            let again = again_in.filter(|_| *losses < MAX_LOSSES).map(|pause| now + pause);
            self.absent.insert(
                peer.node,
                AbsentSource {
                    address: peer.address,
                    reason: why.to_owned(),
                    retry_at: again,
                    banned_until: banned,
                },
            );
        }
    }

    /// Forgets how often sources were lost, since the download has got further.
    pub(super) fn reset_failures(&mut self) {
        self.losses.clear();
    }

    /// Lets all who are absent be tried again, except for those that are banned.
    pub(super) fn allow_retries(&mut self, now: Instant) {
        self.losses.clear();
        for absent in self.absent.values_mut() {
            if absent.banned_until.is_none_or(|until| until <= now) {
                (absent.retry_at, absent.banned_until) = (Some(now), None);
            }
        }
    }

    /// Notes that a source could not be had.
    pub(super) fn mark_unreachable(
        &mut self,
        node: NodeId,
        address: SocketAddr,
        why: String,
        again: Option<Instant>,
    ) {
        self.absent.insert(node, AbsentSource { address, reason: why, retry_at: again, banned_until: None });
    }

    /// Returns the connected sources with the round-trip times of their paths, where those are known, and the numbers of their
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

    /// Notes that a source has one more piece than it offered, whether it takes part by now or not.
    pub(super) fn piece_gained(&mut self, id: SourceId, piece: u32) {
        if let Some((_, Some(pieces))) = self.connected.get_mut(&id).and_then(|peer| peer.offer.as_mut()) {
            set_piece(pieces, piece);
        }
    }

    pub(super) fn is_connected(&self, node: NodeId) -> bool {
        self.connected.values().any(|peer| peer.node == node)
    }

    /// Returns true if we wait in the queue of a source that will serve us in a foreseeable time.
    pub(super) fn may_be_served(&self, now: Instant) -> bool {
        self.connected.values().any(|peer| peer.choke_status.may_be_served(now))
    }

    /// Returns true if we wait in the queue of a source that offers the content.
    pub(super) fn is_queued(&self) -> bool {
        self.connected.values().any(|peer| peer.offer.is_some() && peer.choke_status.is_queued())
    }

    /// Returns where we are foremost in a queue, if every source makes us wait.
    pub(super) fn queued_at(&self) -> Option<QueuedAt> {
        let offering = || self.connected.values().filter(|peer| peer.offer.is_some());
        if offering().any(|peer| !peer.choke_status.is_choked()) {
            return None;
        }
        let queued = offering().filter(|peer| peer.choke_status.is_queued());
        let queued = queued.map(|peer| {
            let position = peer.choke_status.position();
            let (place, length) =
                (position.map(|position| position.place), position.and_then(|position| position.length));
            QueuedAt { source: peer.address, place, length }
        });
        queued.min_by_key(|queued| queued.place.unwrap_or(u32::MAX))
    }

    pub(super) fn connected_count(&self) -> usize {
        self.connected.len()
    }

    /// Returns what each source that has spoken offers.
    pub(super) fn offers(&self) -> BTreeMap<SourceId, ContentOffer> {
        self.connected.iter().filter_map(|(id, peer)| Some((*id, peer.offer.as_ref()?.0))).collect()
    }

    /// Returns the sources that have spoken and offer something else.
    pub(super) fn rival_offers(
        &self,
        believed: ContentOffer,
    ) -> impl Iterator<Item = (SourceId, RivalSource<'_>)> {
        self.connected.iter().filter_map(move |(id, peer)| {
            let (offer, pieces) = peer.offer.as_ref().filter(|(offer, _)| *offer != believed)?;
            let (serves, rtt) = (!peer.choke_status.is_choked(), peer.channel.link().rtt());
            Some((*id, RivalSource { offer: *offer, is_serving: serves, pieces: pieces.as_deref(), rtt }))
        })
    }

    /// Returns the nodes that need not be dialled now.
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

    /// Says whether a source that is absent may come back.
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

    /// Returns who gave how much, with the rates that `rate` knows.
    pub(super) fn source_views(&self, rate: impl Fn(SourceId) -> f64) -> Vec<SourceView> {
        let live = |address| self.connected.iter().find(|(_, peer)| peer.address == address);
        let left = |address| self.absent.values().find(|absent| absent.address == address);
        let giver = |(address, bytes): (&SocketAddr, &u64)| SourceView {
            address: *address,
            bytes: *bytes,
            rate: live(*address).map_or(0.0, |(id, _)| rate(*id)),
            disconnect_reason: if live(*address).is_some() {
                None
            } else {
                left(*address).map(|absent| absent.reason.clone())
            },
        };
        self.received.iter().map(giver).collect()
    }

    /// Tells what became of the sources, a few of them.
    pub(super) fn failure_summary(&self) -> String {
        let absent = self.absent.values().map(|absent| (absent.address, absent.reason.as_str()));
        let live = self.connected.values().map(|peer| (peer.address, "it is connected and gives nothing"));
        let fates: Vec<String> =
            absent.chain(live).take(5).map(|(address, why)| format!("{address}: {why}")).collect();
        fates.join("; ")
    }

    /// Parts with everybody.
    pub(super) fn disconnect_all(&mut self) {
        self.connected.clear();
    }
}

/// Puts a piece into a bitfield as it came from a source; one that does not fit in shows when the source takes part.
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
        let (mut roster, now) = (DownloadSources::default(), Instant::now());
        let (node, address) = (NodeId::from_bytes([1; 32]), ([127, 0, 0, 1], 1).into());
        let banned = AbsentSource {
            address,
            reason: "it lied".into(),
            retry_at: None,
            banned_until: Some(now + BAN_DURATION),
        };
        roster.absent.insert(node, banned);
        roster.allow_retries(now + BAN_DURATION / 2);
        assert!(roster.not_to_dial(now + BAN_DURATION / 2).contains(&node) && !roster.has_retryable());
        roster.allow_retries(now + BAN_DURATION);
        assert!(!roster.not_to_dial(now + BAN_DURATION).contains(&node) && roster.has_retryable());
    }

    #[test]
    fn never_named_sources_differ_from_absent_ones() {
        let mut roster = DownloadSources::default();
        let awaiting = |roster: &DownloadSources| {
            roster.awaiting_state() == DownloadState::AwaitingSources { was_seen: true }
        };
        assert!(awaiting(&roster), "nobody could be asked yet");
        roster.set_located(0);
        assert!(!awaiting(&roster));
        roster.set_located(1);
        roster.set_located(0);
        assert!(awaiting(&roster));
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
