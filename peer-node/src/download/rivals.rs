//! Manifests that sources offer beside the one that is believed, and how they are put to the test.
//!
//! A manifest is anchored at its end (see [`protocol::manifest`]): where two differ, the last piece on which they differ decides.
//! That piece is requested from a source of the rival, while those who offer the believed manifest are asked for theirs before
//! anything else. Whichever comes first and is right refutes the other manifest, and everybody who offered it is banned for this
//! content. Only a piece that is right does so: one that is wrong bans its sender alone, or whoever lies in the name of an honest
//! manifest could have it refuted.
//!
//! This is a pure machine like the engine: the session tells it what came, and carries out its [`Step`]s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::geometry::{Block, Geometry, PieceIndex};
use protocol::limits::MAX_BLOCK;
use protocol::manifest::{Manifest, state_count};
use protocol::peer::BlockRef;

use super::assembly::Assembly;
use super::manifest_choice::{ManifestFetch, NoManifest, Offer, patience};
use crate::swarm::SourceId;
use crate::transport::Buffer;
pub(super) use candidate::{Believed, Candidate};

mod candidate;
#[cfg(test)]
mod tests;

/// So many rivals are always tested side by side, and more as long as their pieces fit in this share of the content and in so many bytes.
const PLACES: u64 = 8;
const SHARE: (u64, u64) = (2, 5);
const MOST_BYTES: u64 = 24 << 20;

/// The least rate in bytes per second at which a piece may come: a source that trickles is not waited for.
const LEAST_RATE: u32 = 64 << 10;

/// How many states of all rivals are held together: 16 MiB.
const MOST_STATES: u64 = 1 << 19;

/// How many refuted offers are remembered.
const REMEMBERED: usize = 1024;

/// What the session is to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask a source for its manifest, from this state on.
    WantManifest { source: SourceId, first: u32, count: u32 },
    /// Have this piece of the believed manifest fetched before all others.
    Hurry { piece: PieceIndex },
    /// Ask a source for all of a piece.
    Request { source: SourceId, blocks: Vec<Block> },
    /// Part with a source that did not deliver, for a while.
    Leave { source: SourceId, why: &'static str },
    /// Ban a source that offers a refuted manifest.
    Ban { source: SourceId },
    /// Believe this manifest instead: it was proved, and the one that was believed is refuted.
    Believe { manifest: Arc<Manifest> },
}

/// A piece that decides, and is to be verified.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) offer: Offer,
    pub(super) source: SourceId,
    pub(super) manifest: Arc<Manifest>,
    pub(super) piece: PieceIndex,
    pub(super) data: Vec<Buffer>,
}

/// All manifests that are not believed.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    rivals: BTreeMap<Offer, Rival>,
    refuted: VecDeque<Offer>,
}

#[derive(Debug, Default)]
struct Rival {
    manifest: Option<Arc<Manifest>>,
    work: Work,
    /// Which pieces decide between it and what is believed, once its manifest is here.
    decides: Option<Deciding>,
}

/// The pieces that decide, by each manifest: they have one number, unless the contents have different sizes.
#[derive(Debug, Clone, Copy)]
struct Deciding {
    own: PieceIndex,
    believed: PieceIndex,
}

/// What is being done for a rival.
#[derive(Debug, Default)]
enum Work {
    #[default]
    Nothing,
    /// Its manifest is on its way.
    Fetching(ManifestFetch),
    /// Its piece is.
    Proving(Proof),
    /// Its piece is being verified.
    Verifying,
    /// Its piece was right.
    Proved,
}

#[derive(Debug)]
struct Proof {
    source: SourceId,
    piece: PieceIndex,
    missing: BTreeSet<Block>,
    assembly: Assembly,
    begun: Instant,
}

impl Rivals {
    /// Returns true if an offer was refuted.
    pub(super) fn is_refuted(&self, offer: Offer) -> bool {
        self.refuted.contains(&offer)
    }

    /// Notes that the manifest of an offer is forged.
    pub(super) fn refute(&mut self, offer: Offer) {
        self.rivals.remove(&offer);
        if !self.is_refuted(offer) {
            self.refuted.truncate(REMEMBERED - 1);
            self.refuted.push_front(offer);
        }
    }

    /// Notes that another manifest is believed from now on: what was to be proved against the one before is of no use.
    pub(super) fn begin_anew(&mut self) {
        for rival in self.rivals.values_mut() {
            rival.decides = None;
            if !matches!(rival.work, Work::Fetching(_)) {
                rival.work = Work::Nothing;
            }
        }
    }

    /// Returns the next thing to do for the sources that offer something else than what is believed.
    pub(super) fn poll(
        &mut self,
        candidates: &BTreeMap<SourceId, Candidate<'_>>,
        believed: Believed<'_>,
        now: Instant,
    ) -> Option<Step> {
        let lies = |candidate: &Candidate<'_>| self.is_refuted(candidate.offer);
        if let Some((source, _)) = candidates.iter().find(|(_, candidate)| lies(candidate)) {
            return Some(Step::Ban { source: *source });
        }
        self.rivals.retain(|offer, _| candidates.values().any(|candidate| candidate.offer == *offer));
        for candidate in candidates.values() {
            self.rivals.entry(candidate.offer).or_default();
        }
        // One for which nothing can be done at the moment keeps no other from its test.
        let is_full =
            self.rivals.values().filter(|rival| rival.is_busy()).count() >= places(believed.manifest);
        let states: u64 = self.rivals.iter().map(|(offer, rival)| rival.states(*offer)).sum();
        let mut refuted = None;
        for (offer, rival) in &mut self.rivals {
            if let Some(step) = rival.decide(believed) {
                return Some(step);
            }
            if rival.is_refuted_by(believed) {
                refuted = Some(*offer);
                break;
            }
            let is_large = rival.manifest.is_none() && states + states_of(*offer) > MOST_STATES;
            if matches!(rival.work, Work::Nothing) && (is_full || is_large) {
                continue;
            }
            if let Some(step) = rival.advance(*offer, candidates, believed, now) {
                return Some(step);
            }
        }
        self.refute(refuted?);
        self.poll(candidates, believed, now)
    }

    /// Receives states of the manifest that this source was asked for; ignores those of any other source.
    pub(super) fn manifest_part(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), NoManifest> {
        let of_source =
            |rival: &&mut Rival| matches!(&rival.work, Work::Fetching(fetch) if fetch.source == source);
        let Some(rival) = self.rivals.values_mut().find(of_source) else { return Ok(()) };
        let Work::Fetching(mut fetch) = std::mem::take(&mut rival.work) else { return Ok(()) };
        fetch.part(first, states, now)?;
        if fetch.next().is_none() {
            rival.manifest = Some(Arc::new(fetch.finish()?));
        } else {
            rival.work = Work::Fetching(fetch);
        }
        Ok(())
    }

    /// Returns which states a source is still to be asked for, if its manifest is on its way.
    pub(super) fn wanted_states(&self, source: SourceId) -> Option<(u32, u32)> {
        self.rivals.values().find_map(|rival| match &rival.work {
            Work::Fetching(fetch) if fetch.source == source => fetch.next(),
            _ => None,
        })
    }

    /// Takes in a block, if it belongs to a piece that this source was asked for here: then returns the piece once it is whole.
    pub(super) fn block(&mut self, source: SourceId, reference: BlockRef, data: Buffer) -> Option<Evidence> {
        let (offer, rival) = self.proving(source)?;
        let (Work::Proving(proof), Some(manifest)) = (&mut rival.work, &rival.manifest) else { return None };
        let BlockRef { piece, begin, length, .. } = reference;
        let block = manifest.geometry().block(piece, begin, length).ok()?;
        if !proof.missing.remove(&block) {
            return None;
        }
        proof.assembly.put(block, data);
        if !proof.missing.is_empty() {
            return None;
        }
        let (piece, data) = (proof.piece, proof.assembly.take(proof.piece));
        let evidence = Evidence { offer, source, manifest: Arc::clone(manifest), piece, data };
        rival.work = Work::Verifying;
        Some(evidence)
    }

    /// Takes in that a source will not send a block of a piece. Returns whether that was one that was to prove something.
    pub(super) fn rejected(&mut self, source: SourceId, piece: u32) -> bool {
        let proving = self.proving(source).map(|(_, rival)| rival);
        let rival = proving.filter(|rival| rival.decides.is_some_and(|pieces| pieces.own.get() == piece));
        rival.map(|rival| rival.work = Work::Nothing).is_some()
    }

    /// Returns the rival that a source is to prove.
    fn proving(&mut self, source: SourceId) -> Option<(Offer, &mut Rival)> {
        let is_asked = |rival: &Rival| matches!(&rival.work, Work::Proving(proof) if proof.source == source);
        self.rivals.iter_mut().find(|(_, rival)| is_asked(rival)).map(|(offer, rival)| (*offer, rival))
    }

    /// Refutes all that is refuted together with the manifest that was believed, by the piece that has proved another one.
    pub(super) fn refute_beside(&mut self, proved: &Manifest, piece: PieceIndex) {
        let differs = |manifest: &Arc<Manifest>| proved.deciding_piece(manifest) == Some(piece);
        let is_refuted = |rival: &Rival| rival.manifest.as_ref().is_some_and(differs);
        let refuted = self.rivals.iter().filter(|(_, rival)| is_refuted(rival)).map(|(offer, _)| *offer);
        for offer in refuted.collect::<Vec<_>>() {
            self.refute(offer);
        }
    }

    /// Takes in the verdict on a piece that decides.
    pub(super) fn verified(&mut self, offer: Offer, is_right: bool) {
        if let Some(rival) = self.rivals.get_mut(&offer)
            && matches!(rival.work, Work::Verifying)
        {
            rival.work = if is_right { Work::Proved } else { Work::Nothing };
        }
    }
}

impl Rival {
    /// Returns true while its manifest or its piece is being fetched or verified.
    const fn is_busy(&self) -> bool {
        matches!(self.work, Work::Fetching(_) | Work::Proving(_) | Work::Verifying)
    }

    /// Counts the states that are held for it, or are on their way.
    fn states(&self, offer: Offer) -> u64 {
        let holds = self.manifest.is_some() || matches!(self.work, Work::Fetching(_));
        if holds { states_of(offer) } else { 0 }
    }

    /// Finds out once which pieces decide, and has that of the believed manifest hurried.
    fn decide(&mut self, believed: Believed<'_>) -> Option<Step> {
        let manifest = self.manifest.as_ref().filter(|_| self.decides.is_none())?;
        let (own, piece) =
            (manifest.deciding_piece(believed.manifest)?, believed.manifest.deciding_piece(manifest)?);
        self.decides = Some(Deciding { own, believed: piece });
        Some(Step::Hurry { piece })
    }

    /// Returns true if the deciding piece of the believed manifest is here and verified.
    fn is_refuted_by(&self, believed: Believed<'_>) -> bool {
        self.decides.is_some_and(|pieces| believed.here.has(pieces.believed))
    }

    fn advance(
        &mut self,
        offer: Offer,
        candidates: &BTreeMap<SourceId, Candidate<'_>>,
        believed: Believed<'_>,
        now: Instant,
    ) -> Option<Step> {
        let of_offer = || candidates.iter().filter(|(_, candidate)| candidate.offer == offer);
        let waited_in_vain = |source: SourceId, since: Instant, extra: Duration| {
            let is_over = |candidate: &Candidate<'_>| {
                now.saturating_duration_since(since) >= patience(candidate.rtt) + extra
            };
            candidates.get(&source).map(is_over)
        };
        match (&self.work, &self.manifest) {
            (Work::Nothing, None) => {
                let (source, _) = of_offer().next()?;
                self.begin_manifest(offer, *source, believed.manifest.digest(), now)
            }
            (Work::Nothing, Some(manifest)) => {
                let piece = self.decides?.own;
                let (source, _) =
                    of_offer().find(|(_, candidate)| candidate.serves && candidate.has(piece))?;
                let blocks: Vec<Block> = manifest.geometry().blocks(piece, MAX_BLOCK).collect();
                let (source, missing) = (*source, blocks.iter().copied().collect());
                let assembly = Assembly::default();
                self.work = Work::Proving(Proof { source, piece, missing, assembly, begun: now });
                Some(Step::Request { source, blocks })
            }
            (Work::Fetching(ManifestFetch { source, since, .. }), _) => {
                match waited_in_vain(*source, *since, Duration::ZERO) {
                    Some(false) => None,
                    is_here => self.give_up(is_here.map(|_| *source), "its manifest did not come"),
                }
            }
            (Work::Proving(Proof { source, begun, piece, .. }), Some(manifest)) => {
                let bytes = manifest.geometry().length_of(*piece);
                let extra = Duration::from_secs((bytes / LEAST_RATE).into());
                match waited_in_vain(*source, *begun, extra) {
                    Some(false) => None,
                    is_here => {
                        self.give_up(is_here.map(|_| *source), "it did not prove its manifest in time")
                    }
                }
            }
            (Work::Proved, Some(manifest)) => Some(Step::Believe { manifest: Arc::clone(manifest) }),
            (Work::Proving(_) | Work::Verifying | Work::Proved, _) => None,
        }
    }

    /// Begins to fetch the manifest from a source; one without states is complete at once.
    fn begin_manifest(
        &mut self,
        offer: Offer,
        source: SourceId,
        digest: Digest,
        now: Instant,
    ) -> Option<Step> {
        let begun = ManifestFetch::begin(digest, source, offer, now).and_then(|fetch| match fetch.next() {
            Some(states) => Ok((Some((fetch, states)), None)),
            None => Ok((None, Some(Arc::new(fetch.finish()?)))),
        });
        let Ok((under_way, manifest)) = begun else {
            return Some(Step::Leave { source, why: "it offered an impossible content" });
        };
        self.manifest = manifest;
        let (fetch, (first, count)) = under_way?;
        self.work = Work::Fetching(fetch);
        Some(Step::WantManifest { source, first, count })
    }

    /// Abandons the work under way; returns the step that disconnects the source, if it is still connected.
    fn give_up(&mut self, source: Option<SourceId>, why: &'static str) -> Option<Step> {
        self.work = Work::Nothing;
        source.map(|source| Step::Leave { source, why })
    }
}

/// Counts the states of an offer's manifest.
fn states_of(offer: Offer) -> u64 {
    Geometry::native(offer.size).map_or(0, |geometry| state_count(&geometry).into())
}

/// Returns how many rivals are tested side by side.
fn places(manifest: &Manifest) -> usize {
    let geometry = manifest.geometry();
    let most = (geometry.size() / SHARE.1 * SHARE.0).min(MOST_BYTES);
    usize::try_from((most / u64::from(geometry.piece_length().max(1))).max(PLACES)).unwrap_or(usize::MAX)
}
