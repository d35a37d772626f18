//! Which manifest is believed, and from whom it is fetched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::limits::MAX_STATES;

use super::hearing::AFTER_REFUSAL;
use super::{Session, Stage};
use crate::download::manifest_choice::{ManifestFetch, NoManifest, Offer, PATIENCE_ALONE, best, patience};
use crate::download::roster::{EarlyManifest, Peer};
use crate::swarm::SourceId;

/// How long those who offered the manifest that is believed may give nothing while others offer another one.
const BARREN: Duration = Duration::from_secs(25);

impl Session {
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
                    self.hedge_manifest(rtt, now);
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

    /// Asks some of the others that offer the same manifest for it, each time nothing of it has come for a while. Whoever answers first
    /// is the one that it is fetched from.
    fn hedge_manifest(&mut self, rtt: Option<Duration>, now: Instant) {
        let Stage::Choosing(Some(fetch)) = &mut self.stage else { return };
        let Some((mut left, count)) = fetch.hedge(rtt, now) else { return };
        let (source, offer) = (fetch.source, fetch.offer);
        let others = self.roster.offers().into_iter().filter(|(id, other)| *id != source && *other == offer);
        for (id, _) in others {
            if left > 0
                && let Some(peer) = self.roster.get_mut(id)
                && !peer.early_manifest.is_asked()
            {
                peer.channel.want_manifest(0, count);
                peer.early_manifest = EarlyManifest::UnderWay;
                left -= 1;
            }
        }
    }

    /// Goes on with another source, if it has sent the beginning of the manifest before the one that was asked first. Returns true if so.
    fn overtake(&mut self, id: SourceId, states: &[[u8; 32]], now: Instant) -> Result<bool, NoManifest> {
        let Stage::Choosing(Some(fetch)) = &self.stage else { return Ok(false) };
        let (slow, offer) = (fetch.source, fetch.offer);
        let offers_same = |peer: &Peer| peer.offer.as_ref().is_some_and(|(other, _)| *other == offer);
        if fetch.has_begun() || !self.roster.get(id).is_some_and(offers_same) {
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

    pub(super) fn manifest_part(
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
