//! What sources say, and which manifest is believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::limits::MAX_STATES;
use protocol::peer::BlockRef;

use super::{BACKLOG, Inbox, Session, Stage};
use crate::download::manifest_choice::{ManifestFetch, NoManifest, Offer, PATIENCE_ALONE, best, patience};
use crate::download::roster::{EarlyManifest, Peer};
use crate::native::{QueuePosition, SourceEvent};
use crate::swarm::{Have, SourceId};
use crate::transport::Buffer;

/// After how long a source that is gone is tried again, by how it went.
pub(super) const AFTER_LOSS: Duration = Duration::from_secs(3);
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// After how long a silence other sources are asked for the manifest too, and how many of them each time.
const HEDGE_AFTER: Duration = Duration::from_millis(500);
const HEDGE: u128 = 8;

/// How long those who offered the manifest that is believed may give nothing while others offer another one.
const BARREN: Duration = Duration::from_secs(25);

impl Session {
    /// Sees to an event and to those that came with it; not to all that may come meanwhile, which could go on for ever.
    pub(super) fn hear_all(&mut self, source: SourceId, event: SourceEvent, inbox: &mut Inbox) {
        self.hear(source, event);
        self.hear_waiting(inbox);
    }

    /// Sees to the events that wait now.
    pub(super) fn hear_waiting(&mut self, inbox: &mut Inbox) {
        for _ in 0..BACKLOG {
            let Ok((source, event)) = inbox.events.try_recv() else { break };
            self.hear(source, event);
        }
    }

    fn hear(&mut self, id: SourceId, event: SourceEvent) {
        let now = Instant::now();
        // That a source has one more piece is not counted: it can say so for ever.
        if matches!(
            event,
            SourceEvent::Offered { .. }
                | SourceEvent::ManifestPart { .. }
                | SourceEvent::Bytes { .. }
                | SourceEvent::Block { .. }
        ) {
            self.seek.heard = now;
        }
        match event {
            SourceEvent::Opened { channel, with_manifest } => {
                // Of one that is connected already the channel is closed again.
                if !self.roster.is_live(channel.link().node()) {
                    let early = if with_manifest { EarlyManifest::UnderWay } else { EarlyManifest::NotAsked };
                    self.roster.join(id, channel, early);
                }
            }
            SourceEvent::Choked { position } => self.choked(id, Some(position), now),
            SourceEvent::Unchoked => self.choked(id, None, now),
            SourceEvent::Offered { size, manifest, pieces, choked } => {
                if let Some(peer) = self.roster.get_mut(id) {
                    peer.standing.offered(choked, now);
                }
                self.offered(id, Offer { size, manifest }, pieces);
            }
            SourceEvent::NotShared => {
                self.part_with(id, "it does not share the file any more", Some(AFTER_REFUSAL));
            }
            SourceEvent::Lost { reason } => {
                self.part_with(id, &reason, Some(AFTER_LOSS));
                self.seek.next = self.seek.next.min(now + AFTER_LOSS);
            }
            SourceEvent::ManifestPart { first, states } => {
                if let Err(error) = self.manifest_part(id, first, &states, now) {
                    self.part_with(id, &error.to_string(), None);
                }
            }
            SourceEvent::Details { files } => self.details.add(files),
            SourceEvent::Has { piece } => self.has(id, piece),
            SourceEvent::Bytes { count } => self.bytes(id, count, now),
            SourceEvent::Block { reference, data, count } => {
                self.bytes(id, count, now);
                self.block(id, reference, data, now);
            }
            SourceEvent::Rejected { reference } => self.rejected(id, reference, now),
        }
    }

    fn bytes(&mut self, id: SourceId, count: u64, now: Instant) {
        self.board.received(count, now);
        if count > 0 {
            self.roster.gave(id, count, now);
        }
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.swarm.bytes_arrived(id, count, now);
        }
    }

    fn block(&mut self, id: SourceId, reference: BlockRef, data: Buffer, now: Instant) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.swarm.knows(id) {
            self.prove(id, reference, data);
            return;
        }
        let BlockRef { piece, begin, length, .. } = reference;
        if let Ok(block) = fetching.manifest.geometry().block(piece, begin, length)
            && fetching.swarm.block_arrived(id, block, now)
        {
            fetching.assembly.put(block, data);
        }
    }

    fn rejected(&mut self, id: SourceId, reference: BlockRef, now: Instant) {
        let BlockRef { piece, begin, length, .. } = reference;
        if let Stage::Fetching(fetching) = &mut self.stage
            && let Ok(block) = fetching.manifest.geometry().block(piece, begin, length)
        {
            fetching.swarm.block_rejected(id, block, now);
        }
        // One that lets us wait now turns down what it had not sent yet, and may be asked again.
        let is_choked = self.roster.get(id).is_some_and(|peer| peer.standing.is_choked());
        if self.rivals.rejected(id, piece) && !is_choked {
            self.part_with(id, "it turned down the piece that proves its manifest", Some(AFTER_REFUSAL));
        }
    }

    /// Takes in our position in a source's queue, or that it serves us.
    fn choked(&mut self, id: SourceId, position: Option<QueuePosition>, now: Instant) {
        let Some(peer) = self.roster.get_mut(id) else { return };
        peer.standing.changed(position, now);
        if let Stage::Fetching(fetching) = &mut self.stage {
            match position {
                Some(_) => fetching.swarm.source_choked(id),
                None => fetching.swarm.source_unchoked(id),
            }
        }
    }

    fn has(&mut self, id: SourceId, piece: u32) {
        // It takes part later perhaps: a manifest may still be on its way, or the part file be checked.
        self.roster.gained(id, piece);
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.swarm.knows(id) {
            return;
        }
        match fetching.manifest.geometry().piece(piece) {
            Some(piece) => fetching.swarm.source_has(id, piece),
            None => self.part_with(id, "it claims a piece that does not exist", None),
        }
    }

    fn offered(&mut self, id: SourceId, offer: Offer, pieces: Option<Vec<u8>>) {
        if self.wanted.size.is_some_and(|size| size != offer.size) {
            self.part_with(id, "it says that the file has another size", None);
            return;
        }
        let Some(peer) = self.roster.get_mut(id) else { return };
        if peer.offer.replace((offer, pieces)).is_some() {
            self.part_with(id, "it offered the same file twice", None);
            return;
        }
        self.join_swarm(id);
    }

    /// Lets a source take part if it offers what the others offer.
    pub(super) fn join_swarm(&mut self, id: SourceId) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        let Some(peer) = self.roster.get(id) else { return };
        let Some((offer, pieces)) = peer.offer.clone() else { return };
        let is_choked = peer.standing.is_choked();
        if offer != fetching.offer {
            return;
        }
        let have = match pieces {
            None => Ok(Have::All),
            Some(bytes) => Bitfield::from_bytes(fetching.manifest.geometry(), bytes).map(Have::Some),
        };
        match have {
            Ok(have) => {
                fetching.swarm.source_joined(id, have, is_choked, Instant::now());
                self.measure();
            }
            Err(error) => self.part_with(id, &error.to_string(), None),
        }
    }

    /// Passes on what is known of the paths to the sources.
    pub(super) fn measure(&mut self) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        for (id, rtt, connections) in self.roster.paths() {
            fetching.swarm.source_measured(id, rtt, connections);
        }
    }

    /// Leaves a source, for some time or for good.
    pub(super) fn part_with(&mut self, id: SourceId, why: &str, again_in: Option<Duration>) {
        if let Some(peer) = self.roster.get(id) {
            tracing::info!(address = %peer.address, why, "source left");
        }
        self.roster.leave(id, why, again_in, Instant::now());
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.swarm.source_lost(id);
        }
    }

    /// Sees to it that a manifest is on its way, and is one that a source that is here believes in.
    pub(super) fn choose_manifest(&mut self) {
        let now = Instant::now();
        let offers = self.roster.offers();
        match &self.stage {
            Stage::Preparing | Stage::Copying(_) => return,
            Stage::Fetching(fetching) => {
                let believed = fetching.offer;
                let has_others = offers.values().any(|offer| *offer != believed);
                if !has_others || !self.jobs.is_empty() || fetching.swarm.is_complete() {
                    return;
                }
                // What is proved from its end on is displaced by a proof alone.
                let last = fetching.manifest.geometry().last_piece();
                if last.is_some_and(|last| fetching.here.has(last)) {
                    return;
                }
                let believers: Vec<SourceId> =
                    offers.iter().filter(|(_, offer)| **offer == believed).map(|(id, _)| *id).collect();
                let is_barren = now.saturating_duration_since(self.seek.heard) >= BARREN;
                if !is_barren || (!believers.is_empty() && self.roster.has_prospect(now)) {
                    return;
                }
                // What is verified so far is looked into again with the next one.
                self.note();
                if !self.jobs.is_empty() {
                    return;
                }
                tracing::warn!("manifest dropped: nobody who offered it gives anything");
                self.stage = Stage::Choosing(None);
                self.rivals.begin_anew();
                for id in believers {
                    self.part_with(id, "it gave nothing", Some(AFTER_REFUSAL));
                }
                return;
            }
            Stage::Choosing(Some(fetch)) => {
                let source = fetch.source;
                let rtt = self.roster.get(source).and_then(|peer| peer.channel.link().rtt());
                let patience = if offers.len() > 1 { patience(rtt) } else { PATIENCE_ALONE };
                let overdue = now.saturating_duration_since(fetch.since) >= patience;
                if self.roster.get(source).is_some() && !overdue {
                    self.hedge_manifest(now);
                    return;
                }
                self.stage = Stage::Choosing(None);
                if overdue {
                    self.part_with(source, "its manifest did not come", Some(AFTER_REFUSAL));
                    return;
                }
            }
            Stage::Choosing(None) => {}
        }
        let offers = offers.into_iter().filter(|(_, offer)| !self.rivals.is_refuted(*offer)).collect();
        let Some(offer) = best(&offers) else { return };
        let believers = || offers.iter().filter(|(_, other)| **other == offer).map(|(id, _)| *id);
        let asked = |id: &SourceId| self.roster.get(*id).is_some_and(|peer| peer.early_manifest.is_asked());
        let Some(id) = believers().find(asked).or_else(|| believers().next()) else { return };
        // Every source has its chance, however long those before it said nothing.
        self.seek.heard = now;
        match self.begin_manifest(id, offer, now) {
            Ok(fetch) => self.go_on_with(fetch),
            Err(error) => self.part_with(id, &error.to_string(), None),
        }
    }

    /// Asks more and more of the others that offer the same manifest for it, as long as nothing of it has come. Whoever answers first is
    /// the one that it is fetched from.
    fn hedge_manifest(&mut self, now: Instant) {
        let Stage::Choosing(Some(fetch)) = &self.stage else { return };
        let Some((0, count)) = fetch.next() else { return };
        let (source, offer) = (fetch.source, fetch.offer);
        let batches = now.saturating_duration_since(fetch.since).as_millis() / HEDGE_AFTER.as_millis();
        let most = usize::try_from(batches * HEDGE).unwrap_or(usize::MAX);
        let offers = self.roster.offers().into_iter();
        let others = offers.filter(|(id, other)| *id != source && *other == offer).take(most);
        for (id, _) in others {
            if let Some(peer) = self.roster.get_mut(id)
                && !peer.early_manifest.is_asked()
            {
                peer.channel.want_manifest(0, count);
                peer.early_manifest = EarlyManifest::UnderWay;
            }
        }
    }

    /// Goes on with another source, if it has sent the beginning of the manifest before the one that was asked first. Returns true if so.
    fn overtake(&mut self, id: SourceId, states: &[[u8; 32]], now: Instant) -> Result<bool, NoManifest> {
        let Stage::Choosing(Some(fetch)) = &self.stage else { return Ok(false) };
        let (slow, offer) = (fetch.source, fetch.offer);
        let offers_same = |peer: &Peer| peer.offer.as_ref().is_some_and(|(other, _)| *other == offer);
        if !matches!(fetch.next(), Some((0, _))) || !self.roster.get(id).is_some_and(offers_same) {
            return Ok(false);
        }
        let mut next = ManifestFetch::begin(self.wanted.digest, id, offer, now)?;
        next.part(0, states, now)?;
        if let Some(peer) = self.roster.get_mut(slow) {
            // What it may still send was asked for.
            peer.early_manifest = EarlyManifest::UnderWay;
        }
        self.go_on_with(next);
        Ok(true)
    }

    /// Begins to fetch a manifest, with what has come of it already.
    fn begin_manifest(
        &mut self,
        id: SourceId,
        offer: Offer,
        now: Instant,
    ) -> Result<ManifestFetch, NoManifest> {
        let mut fetch = ManifestFetch::begin(self.wanted.digest, id, offer, now)?;
        if let Some(peer) = self.roster.get_mut(id)
            && let Some(states) = peer.early_manifest.take_states()
        {
            fetch.part(0, &states, now)?;
        }
        Ok(fetch)
    }

    fn manifest_part(
        &mut self,
        id: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), NoManifest> {
        if self.rivals.wanted_states(id).is_some() {
            return self.rival_manifest_part(id, first, states, now);
        }
        let early = self.roster.get_mut(id).map(|peer| std::mem::take(&mut peer.early_manifest));
        let stage = std::mem::replace(&mut self.stage, Stage::Choosing(None));
        match stage {
            Stage::Choosing(Some(mut fetch)) if fetch.source == id => {
                fetch.part(first, states, now)?;
                self.go_on_with(fetch);
                return Ok(());
            }
            other => self.stage = other,
        }
        match early {
            Some(EarlyManifest::UnderWay) if first == 0 && states.len() <= MAX_STATES as usize => {
                if self.overtake(id, states, now)? {
                    return Ok(());
                }
                // Another one may be believed by now; otherwise it is chosen next, or put to the test.
                let believed = self.believed();
                if let Some(peer) = self.roster.get_mut(id)
                    && peer.offer.as_ref().is_some_and(|(offer, _)| Some(*offer) != believed)
                {
                    peer.early_manifest = EarlyManifest::Here(states.to_vec());
                }
                Ok(())
            }
            _ => Err(NoManifest::OutOfPlace),
        }
    }

    /// Asks for the next states, or opens the part file if all are here.
    fn go_on_with(&mut self, fetch: ManifestFetch) {
        let id = fetch.source;
        if let Some((first, count)) = fetch.next() {
            if let Some(peer) = self.roster.get(id)
                && !matches!(peer.early_manifest, EarlyManifest::UnderWay)
            {
                peer.channel.want_manifest(first, count);
            }
            self.stage = Stage::Choosing(Some(fetch));
            return;
        }
        match fetch.finish() {
            Ok(manifest) => {
                self.prepare(Arc::new(manifest));
            }
            Err(error) => {
                self.stage = Stage::Choosing(None);
                self.part_with(id, &error.to_string(), None);
            }
        }
    }
}
