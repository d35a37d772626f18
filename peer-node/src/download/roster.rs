use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::node_id::NodeId;

use super::manifest_choice::Offer;
use super::rivals::Candidate;
use super::seeking::Tried;
use super::standing::Standing;
use crate::native::FetchChannel;
use crate::swarm::{SourceId, SourceIds};
use crate::transfers::{DownloadState, Giver, QueuedAt};

/// How often a source may be lost, with no piece verified in between, before it is not tried again.
const MAX_LOSSES: u32 = 3;

/// How long a source is banned that broke the rules: what made it do so, a damaged disk or a bug, may be mended while a
/// download waits.
const BAN: Duration = Duration::from_mins(30);

/// The sources of one download: those that are connected, and what became of the others.
#[derive(Debug, Default)]
pub(super) struct Roster {
    ids: SourceIds,
    live: BTreeMap<SourceId, Peer>,
    absent: HashMap<NodeId, Absent>,
    losses: HashMap<NodeId, u32>,
    given: BTreeMap<SocketAddr, u64>,
    /// How many were named when it was last asked.
    located: usize,
    naming: Naming,
}

/// Whether a source of the content was ever named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Naming {
    /// Nobody could be asked yet.
    #[default]
    Unknown,
    Never,
    Named,
}

/// A source that is connected.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) address: SocketAddr,
    pub(super) channel: FetchChannel,
    /// What it said of the content, and which pieces it has: none named means all.
    pub(super) offer: Option<(Offer, Option<Vec<u8>>)>,
    pub(super) early_manifest: EarlyManifest,
    /// Whether it serves us.
    pub(super) standing: Standing,
}

/// The first states of a source's manifest, if they were asked for along with the content.
#[derive(Debug, Default)]
pub(super) enum EarlyManifest {
    /// They were not, or have been used.
    #[default]
    NotAsked,
    /// They come behind its offer.
    UnderWay,
    /// They are here.
    Here(Vec<[u8; 32]>),
}

/// A source that is not.
#[derive(Debug)]
struct Absent {
    address: SocketAddr,
    why: String,
    /// When it may be tried again, if ever.
    again: Option<Instant>,
    /// Until when it is banned for what it did, and not for how often it was lost.
    banned: Option<Instant>,
}

impl EarlyManifest {
    /// Returns true if the states were asked for and have not been used.
    pub(super) const fn is_asked(&self) -> bool {
        !matches!(self, Self::NotAsked)
    }

    /// Takes the states that are here.
    pub(super) fn take_states(&mut self) -> Option<Vec<[u8; 32]>> {
        match std::mem::take(self) {
            Self::Here(states) => Some(states),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Roster {
    /// Returns what numbers the sources.
    pub(super) const fn ids(&self) -> &SourceIds {
        &self.ids
    }

    /// Takes in a source that was asked for the content under its number.
    pub(super) fn join(&mut self, id: SourceId, channel: FetchChannel, early_manifest: EarlyManifest) {
        let (node, address) = (channel.link().node(), channel.link().address());
        self.was_named();
        self.absent.remove(&node);
        let standing = Standing::default();
        self.live.insert(id, Peer { node, address, channel, offer: None, early_manifest, standing });
    }

    /// Takes in how many sources the index and the nodes that are heard have named.
    pub(super) fn located(&mut self, count: usize) {
        self.located = count;
        if count > 0 {
            self.was_named();
        } else if self.naming == Naming::Unknown {
            self.naming = Naming::Never;
        }
    }

    /// Notes that somebody has, or had, the content.
    pub(super) const fn was_named(&mut self) {
        self.naming = Naming::Named;
    }

    /// Returns the state of a download that no source serves.
    pub(super) fn awaiting(&self) -> DownloadState {
        DownloadState::AwaitingSources { was_seen: self.naming != Naming::Never }
    }

    /// Parts with a source, for some time or for good: one that is lost again and again is not tried for ever.
    pub(super) fn leave(&mut self, id: SourceId, why: &str, again_in: Option<Duration>, now: Instant) {
        if let Some(peer) = self.live.remove(&id) {
            let losses = self.losses.entry(peer.node).or_default();
            *losses += 1;
            let banned = again_in.is_none().then(|| now + BAN);
            let again = again_in.filter(|_| *losses < MAX_LOSSES).map(|pause| now + pause);
            self.absent
                .insert(peer.node, Absent { address: peer.address, why: why.to_owned(), again, banned });
        }
    }

    /// Forgets how often sources were lost, since the download has got further.
    pub(super) fn forgive(&mut self) {
        self.losses.clear();
    }

    /// Lets all who are absent be tried again, except for those that are banned.
    pub(super) fn pardon(&mut self, now: Instant) {
        self.losses.clear();
        for absent in self.absent.values_mut() {
            if absent.banned.is_none_or(|until| until <= now) {
                (absent.again, absent.banned) = (Some(now), None);
            }
        }
    }

    /// Notes that a source could not be had.
    pub(super) fn absent(&mut self, node: NodeId, address: SocketAddr, why: String, again: Option<Instant>) {
        self.absent.insert(node, Absent { address, why, again, banned: None });
    }

    /// Returns the connected sources with the round-trip times of their paths, where those are known, and the numbers of their
    /// connections.
    pub(super) fn paths(&self) -> impl Iterator<Item = (SourceId, Duration, usize)> {
        self.live.iter().filter_map(|(id, peer)| {
            let link = peer.channel.link();
            Some((*id, link.rtt()?, link.connections()))
        })
    }

    pub(super) fn get(&self, id: SourceId) -> Option<&Peer> {
        self.live.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SourceId) -> Option<&mut Peer> {
        self.live.get_mut(&id)
    }

    /// Notes that a source has one more piece than it offered, whether it takes part by now or not.
    pub(super) fn gained(&mut self, id: SourceId, piece: u32) {
        if let Some((_, Some(pieces))) = self.live.get_mut(&id).and_then(|peer| peer.offer.as_mut()) {
            note_piece(pieces, piece);
        }
    }

    pub(super) fn is_live(&self, node: NodeId) -> bool {
        self.live.values().any(|peer| peer.node == node)
    }

    /// Returns true if we wait in the queue of a source that will serve us in a foreseeable time.
    pub(super) fn has_prospect(&self, now: Instant) -> bool {
        self.live.values().any(|peer| peer.standing.has_prospect(now))
    }

    /// Returns true if we wait in the queue of a source that offers the content.
    pub(super) fn is_queued(&self) -> bool {
        self.live.values().any(|peer| peer.offer.is_some() && peer.standing.is_queued())
    }

    /// Returns where we are foremost in a queue, if every source makes us wait.
    pub(super) fn queued_at(&self) -> Option<QueuedAt> {
        let offering = || self.live.values().filter(|peer| peer.offer.is_some());
        if offering().any(|peer| !peer.standing.is_choked()) {
            return None;
        }
        let queued = offering().filter(|peer| peer.standing.is_queued());
        let queued = queued.map(|peer| {
            let position = peer.standing.position();
            let (place, length) =
                (position.map(|position| position.place), position.and_then(|position| position.length));
            QueuedAt { source: peer.address, place, length }
        });
        queued.min_by_key(|queued| queued.place.unwrap_or(u32::MAX))
    }

    pub(super) fn live_count(&self) -> usize {
        self.live.len()
    }

    /// Returns what each source that has spoken offers.
    pub(super) fn offers(&self) -> BTreeMap<SourceId, Offer> {
        self.live.iter().filter_map(|(id, peer)| Some((*id, peer.offer.as_ref()?.0))).collect()
    }

    /// Returns the sources that have spoken and offer something else.
    pub(super) fn offers_besides(&self, believed: Offer) -> impl Iterator<Item = (SourceId, Candidate<'_>)> {
        self.live.iter().filter_map(move |(id, peer)| {
            let (offer, pieces) = peer.offer.as_ref().filter(|(offer, _)| *offer != believed)?;
            let (serves, rtt) = (!peer.standing.is_choked(), peer.channel.link().rtt());
            Some((*id, Candidate { offer: *offer, serves, pieces: pieces.as_deref(), rtt }))
        })
    }

    /// Returns the nodes that need not be dialled now.
    pub(super) fn not_now(&self, now: Instant) -> HashSet<NodeId> {
        let waiting = self.absent.iter().filter(|(_, absent)| absent.again.is_none_or(|again| again > now));
        self.live.values().map(|peer| peer.node).chain(waiting.map(|(node, _)| *node)).collect()
    }

    /// Returns the sources that were tried and are not connected.
    pub(super) fn tried(&self) -> Tried {
        let mut tried = Tried::default();
        self.absent.iter().for_each(|(node, absent)| tried.add(*node, absent.address));
        tried
    }

    /// Says whether a source that is absent may come back.
    pub(super) fn has_hope(&self) -> bool {
        self.absent.values().any(|absent| absent.again.is_some())
    }

    pub(super) fn gave(&mut self, id: SourceId, bytes: u64, now: Instant) {
        if let Some(peer) = self.live.get_mut(&id) {
            peer.standing.gave(now);
            *self.given.entry(peer.address).or_default() += bytes;
        }
    }

    pub(super) fn known(&self) -> usize {
        self.located.max(self.live.len() + self.absent.len())
    }

    /// Returns who gave how much, with the rates that `rate` knows.
    pub(super) fn givers(&self, rate: impl Fn(SourceId) -> f64) -> Vec<Giver> {
        let live = |address| self.live.iter().find(|(_, peer)| peer.address == address);
        let left = |address| self.absent.values().find(|absent| absent.address == address);
        let giver = |(address, bytes): (&SocketAddr, &u64)| Giver {
            address: *address,
            bytes: *bytes,
            rate: live(*address).map_or(0.0, |(id, _)| rate(*id)),
            left: if live(*address).is_some() {
                None
            } else {
                left(*address).map(|absent| absent.why.clone())
            },
        };
        self.given.iter().map(giver).collect()
    }

    /// Tells what became of the sources, a few of them.
    pub(super) fn fates(&self) -> String {
        let absent = self.absent.values().map(|absent| (absent.address, absent.why.as_str()));
        let live = self.live.values().map(|peer| (peer.address, "it is connected and gives nothing"));
        let fates: Vec<String> =
            absent.chain(live).take(5).map(|(address, why)| format!("{address}: {why}")).collect();
        fates.join("; ")
    }

    /// Parts with everybody.
    pub(super) fn disband(&mut self) {
        self.live.clear();
    }
}

/// Puts a piece into a bitfield as it came from a source; one that does not fit in shows when the source takes part.
fn note_piece(pieces: &mut [u8], piece: u32) {
    if let Some(byte) = usize::try_from(piece / 8).ok().and_then(|at| pieces.get_mut(at)) {
        *byte |= 0x80 >> (piece % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_holds_through_pardons_until_it_ends() {
        let (mut roster, now) = (Roster::default(), Instant::now());
        let (node, address) = (NodeId::from_bytes([1; 32]), ([127, 0, 0, 1], 1).into());
        let banned = Absent { address, why: "it lied".into(), again: None, banned: Some(now + BAN) };
        roster.absent.insert(node, banned);
        roster.pardon(now + BAN / 2);
        assert!(roster.not_now(now + BAN / 2).contains(&node) && !roster.has_hope());
        roster.pardon(now + BAN);
        assert!(!roster.not_now(now + BAN).contains(&node) && roster.has_hope());
    }

    #[test]
    fn who_was_never_named_is_told_from_who_is_away() {
        let mut roster = Roster::default();
        let awaiting =
            |roster: &Roster| roster.awaiting() == DownloadState::AwaitingSources { was_seen: true };
        assert!(awaiting(&roster), "nobody could be asked yet");
        roster.located(0);
        assert!(!awaiting(&roster));
        roster.located(1);
        roster.located(0);
        assert!(awaiting(&roster));
    }

    #[test]
    fn a_piece_that_a_source_has_gained_is_in_what_it_offered() {
        let mut pieces = vec![0b1000_0000, 0];
        for piece in [0, 2, 8, 15, 16, u32::MAX] {
            note_piece(&mut pieces, piece);
        }
        assert_eq!(pieces, [0b1010_0000, 0b1000_0001]);
    }
}
