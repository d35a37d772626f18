//! Chooses the manifest to trust and the source to fetch it from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::limits::MAX_STATES;

use super::source_events::REFUSAL_RETRY_DELAY;
use super::{DownloadSession, DownloadStage};
use crate::download::manifest_fetch::{
    ContentOffer, ManifestFetch, ManifestFetchError, ONLY_SOURCE_TIMEOUT, most_common, source_timeout,
};
use crate::download::sources::{ConnectedSource, EarlyManifest};
use swarm::SourceId;

/// How long the sources of the current manifest may send nothing useful while other sources offer another manifest.
const UNPRODUCTIVE_TIMEOUT: Duration = Duration::from_secs(25);

impl DownloadSession {
    /// Makes sure that a manifest is being fetched, one that a connected source offers.
    pub(super) fn choose_manifest(&mut self) {
        let now = Instant::now();
        let offers = self.sources.offers();
        match &self.stage {
            DownloadStage::Preparing | DownloadStage::Copying(_) => return,
            DownloadStage::Fetching(fetching) => {
                let current = fetching.offer;
                let has_others = offers.values().any(|offer| *offer != current);
                if !has_others || self.has_jobs() || fetching.pieces.swarm().is_complete() {
                    return;
                }
                // Once the last piece is valid, only a proof can replace the manifest.
                let last = fetching.manifest.geometry().last_piece();
                if last.is_some_and(|last| fetching.have.has(last)) {
                    return;
                }
                let supporters: Vec<SourceId> =
                    offers.iter().filter(|(_, offer)| **offer == current).map(|(id, _)| *id).collect();
                let is_unproductive =
                    now.saturating_duration_since(self.search.last_useful_at) >= UNPRODUCTIVE_TIMEOUT;
                if !is_unproductive || (!supporters.is_empty() && self.sources.may_be_served(now)) {
                    return;
                }
                // The next manifest verifies the recorded pieces again.
                self.write_record();
                if self.has_jobs() {
                    return;
                }
                tracing::warn!("manifest dropped: its sources send nothing");
                self.stage = DownloadStage::ChoosingManifest(None);
                self.rivals.reset();
                for id in supporters {
                    self.disconnect(id, "it sent nothing", Some(REFUSAL_RETRY_DELAY));
                }
                return;
            }
            DownloadStage::ChoosingManifest(Some(fetch)) => {
                let source = fetch.source;
                let rtt = self.sources.get(source).and_then(|peer| peer.channel.link().rtt());
                let timeout = if offers.len() > 1 { source_timeout(rtt) } else { ONLY_SOURCE_TIMEOUT };
                let overdue = now.saturating_duration_since(fetch.progressed_at) >= timeout;
                if self.sources.get(source).is_some() && !overdue {
                    self.hedge_manifest(rtt, now);
                    return;
                }
                self.stage = DownloadStage::ChoosingManifest(None);
                if overdue {
                    self.disconnect(source, "its manifest did not arrive", Some(REFUSAL_RETRY_DELAY));
                    return;
                }
            }
            DownloadStage::ChoosingManifest(None) => {}
        }
        self.start_best_manifest(offers, now);
    }

    /// Starts to fetch the manifest that most sources offer and that is not refuted.
    fn start_best_manifest(&mut self, offers: BTreeMap<SourceId, ContentOffer>, now: Instant) {
        let offers = offers.into_iter().filter(|(_, offer)| !self.rivals.is_refuted(*offer)).collect();
        let Some(offer) = most_common(&offers) else { return };
        let supporters = || offers.iter().filter(|(_, other)| **other == offer).map(|(id, _)| *id);
        let asked =
            |id: &SourceId| self.sources.get(*id).is_some_and(|peer| peer.early_manifest.is_requested());
        let Some(id) = supporters().find(asked).or_else(|| supporters().next()) else { return };
        // Each manifest gets the full time, however long earlier sources were silent.
        self.search.last_useful_at = now;
        match self.start_manifest_fetch(id, offer, now) {
            Ok(fetch) => self.continue_manifest(fetch),
            Err(error) => self.disconnect(id, &error.to_string(), None),
        }
    }

    /// Asks some other sources with the same offer for the manifest, whenever nothing has arrived for a while. The fetch
    /// continues with the first source that answers.
    fn hedge_manifest(&mut self, rtt: Option<Duration>, now: Instant) {
        let DownloadStage::ChoosingManifest(Some(fetch)) = &mut self.stage else { return };
        let Some((mut remaining, count)) = fetch.hedge(rtt, now) else { return };
        let (source, offer) = (fetch.source, fetch.offer);
        let others = self.sources.offers().into_iter().filter(|(id, other)| *id != source && *other == offer);
        for (id, _) in others {
            if remaining > 0
                && let Some(peer) = self.sources.get_mut(id)
                && !peer.early_manifest.is_requested()
            {
                peer.channel.want_manifest(0, count);
                peer.early_manifest = EarlyManifest::Pending;
                remaining -= 1;
            }
        }
    }

    /// Switches to another source if it sent the start of the manifest before the source that was asked first. Returns true
    /// if it switched.
    fn switch_source(
        &mut self,
        id: SourceId,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<bool, ManifestFetchError> {
        let DownloadStage::ChoosingManifest(Some(fetch)) = &self.stage else { return Ok(false) };
        let (slow, offer) = (fetch.source, fetch.offer);
        let offers_same =
            |peer: &ConnectedSource| peer.offer.as_ref().is_some_and(|(other, _)| *other == offer);
        if fetch.has_begun() || !self.sources.get(id).is_some_and(offers_same) {
            return Ok(false);
        }
        let mut next = ManifestFetch::begin(self.wanted.digest, id, offer, now)?;
        next.add_part(0, states, now)?;
        if let Some(peer) = self.sources.get_mut(slow) {
            // Its late answer was still requested.
            peer.early_manifest = EarlyManifest::Pending;
        }
        self.continue_manifest(next);
        Ok(true)
    }

    /// Starts fetching a manifest, with the part that has already arrived.
    fn start_manifest_fetch(
        &mut self,
        id: SourceId,
        offer: ContentOffer,
        now: Instant,
    ) -> Result<ManifestFetch, ManifestFetchError> {
        let mut fetch = ManifestFetch::begin(self.wanted.digest, id, offer, now)?;
        if let Some(peer) = self.sources.get_mut(id)
            && let Some(states) = peer.early_manifest.take_states()
        {
            fetch.add_part(0, &states, now)?;
        }
        Ok(fetch)
    }

    pub(super) fn manifest_part_received(
        &mut self,
        id: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        if self.rivals.wanted_states(id).is_some() {
            return self.rival_manifest_part_received(id, first, states, now);
        }
        let early = self.sources.get_mut(id).map(|peer| std::mem::take(&mut peer.early_manifest));
        let stage = std::mem::replace(&mut self.stage, DownloadStage::ChoosingManifest(None));
        match stage {
            DownloadStage::ChoosingManifest(Some(mut fetch)) if fetch.source == id => {
                fetch.add_part(first, states, now)?;
                self.continue_manifest(fetch);
                return Ok(());
            }
            other => self.stage = other,
        }
        match early {
            Some(EarlyManifest::Pending) if first == 0 && states.len() <= MAX_STATES as usize => {
                if self.switch_source(id, states, now)? {
                    return Ok(());
                }
                // Another manifest may be current by now. If not, this one is chosen next or tested as a rival.
                let current = self.current_offer();
                if let Some(peer) = self.sources.get_mut(id)
                    && peer.offer.as_ref().is_some_and(|(offer, _)| Some(*offer) != current)
                {
                    peer.early_manifest = EarlyManifest::Received(states.to_vec());
                }
                Ok(())
            }
            _ => Err(ManifestFetchError::Unrequested),
        }
    }

    /// Requests the next states, or opens the part file if all have arrived.
    fn continue_manifest(&mut self, fetch: ManifestFetch) {
        let id = fetch.source;
        if let Some((first, count)) = fetch.next() {
            if let Some(peer) = self.sources.get(id)
                && !matches!(peer.early_manifest, EarlyManifest::Pending)
            {
                peer.channel.want_manifest(first, count);
            }
            self.stage = DownloadStage::ChoosingManifest(Some(fetch));
            return;
        }
        match fetch.finish() {
            Ok(manifest) => {
                self.open_part_file(Arc::new(manifest));
            }
            Err(error) => {
                self.stage = DownloadStage::ChoosingManifest(None);
                self.disconnect(id, &error.to_string(), None);
            }
        }
    }
}
