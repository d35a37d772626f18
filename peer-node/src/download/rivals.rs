//! Manifests that sources offer beside the one that is believed, and how they are put to the test.
//!
//! A manifest is anchored at its end (see [`protocol::manifest`]): where two differ, the last piece on which they differ decides.
//! That piece is requested from a source of the rival, while those who offer the believed manifest are asked for theirs before
//! anything else. Whichever comes first and is right refutes the other manifest, and everybody who offered it is banned for this
//! content. Only a piece that is right does so: one that is wrong bans its sender alone, or whoever lies in the name of an honest
//! manifest could have it refuted.
//!
//! This is a pure machine like the engine: the session tells it what came, and carries out its [`RivalAction`]s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::geometry::{Block, Geometry, PieceIndex};
use protocol::limits::MAX_BLOCK;
use protocol::manifest::{Manifest, state_count};
use protocol::peer::BlockRef;

use super::manifest_fetch::{ContentOffer, ManifestFetch, ManifestFetchError, source_timeout};
use crate::transfer::assembly::BlockAssembly;
use crate::transport::Buffer;
pub(super) use rival_source::{CurrentManifest, RivalSource};
use swarm::SourceId;

mod rival_source;
#[cfg(test)]
mod tests;

/// So many rivals are always tested side by side, and more as long as their pieces fit in this share of the content and in so many bytes.
const MIN_PARALLEL: u64 = 8;
const PARALLEL_SHARE: (u64, u64) = (2, 5);
const MAX_PARALLEL_BYTES: u64 = 24 << 20;

/// The least rate in bytes per second at which a piece may come: a source that trickles is not waited for.
const MIN_RATE: u32 = 64 << 10;

/// How many states of all rivals are held together: 16 MiB.
const MAX_STATES: u64 = 1 << 19;

/// How many refuted offers are remembered.
const MAX_REFUTED: usize = 1024;

/// What the session is to do.
#[derive(Debug)]
pub(super) enum RivalAction {
    /// Ask a source for its manifest, from this state on.
    RequestManifest { source: SourceId, first: u32, count: u32 },
    /// Have this piece of the believed manifest fetched before all others.
    Prioritise { piece: PieceIndex },
    /// Ask a source for all of a piece.
    RequestPiece { source: SourceId, blocks: Vec<Block> },
    /// Part with a source that did not deliver, for a while.
    Disconnect { source: SourceId, reason: &'static str },
    /// Ban a source that offers a refuted manifest.
    Ban { source: SourceId },
    /// Believe this manifest instead: it was proved, and the one that was believed is refuted.
    Adopt { manifest: Arc<Manifest> },
}

/// A piece that decides, and is to be verified.
#[derive(Debug)]
pub(super) struct DecidingPiece {
    pub(super) offer: ContentOffer,
    pub(super) source: SourceId,
    pub(super) manifest: Arc<Manifest>,
    pub(super) piece: PieceIndex,
    pub(super) data: Vec<Buffer>,
}

/// All manifests that are not believed.
#[derive(Debug, Default)]
pub(super) struct RivalManifests {
    rivals: BTreeMap<ContentOffer, RivalManifest>,
    refuted: VecDeque<ContentOffer>,
}

#[derive(Debug, Default)]
struct RivalManifest {
    manifest: Option<Arc<Manifest>>,
    state: RivalState,
    /// Which pieces decide between it and what is believed, once its manifest is here.
    deciding: Option<DecidingPieces>,
}

/// The pieces that decide, by each manifest: they have one number, unless the contents have different sizes.
#[derive(Debug, Clone, Copy)]
struct DecidingPieces {
    own: PieceIndex,
    current: PieceIndex,
}

/// What is being done for a rival.
#[derive(Debug, Default)]
enum RivalState {
    #[default]
    Idle,
    /// Its manifest is on its way.
    FetchingManifest(ManifestFetch),
    /// Its piece is.
    FetchingProof(ProofFetch),
    /// Its piece is being verified.
    Verifying,
    /// Its piece was right.
    Proved,
}

#[derive(Debug)]
struct ProofFetch {
    source: SourceId,
    piece: PieceIndex,
    missing: BTreeSet<Block>,
    assembly: BlockAssembly,
    started: Instant,
}

impl RivalManifests {
    /// Returns true if an offer was refuted.
    pub(super) fn is_refuted(&self, offer: ContentOffer) -> bool {
        self.refuted.contains(&offer)
    }

    /// Notes that the manifest of an offer is forged.
    pub(super) fn refute(&mut self, offer: ContentOffer) {
        self.rivals.remove(&offer);
        if !self.is_refuted(offer) {
            self.refuted.truncate(MAX_REFUTED - 1);
            self.refuted.push_front(offer);
        }
    }

    /// Notes that another manifest is believed from now on: what was to be proved against the one before is of no use.
    pub(super) fn reset(&mut self) {
        for rival in self.rivals.values_mut() {
            rival.deciding = None;
            if !matches!(rival.state, RivalState::FetchingManifest(_)) {
                rival.state = RivalState::Idle;
            }
        }
    }

    /// Returns the next thing to do for the sources that offer something else than what is believed.
    pub(super) fn poll(
        &mut self,
        candidates: &BTreeMap<SourceId, RivalSource<'_>>,
        believed: CurrentManifest<'_>,
        now: Instant,
    ) -> Option<RivalAction> {
        let lies = |candidate: &RivalSource<'_>| self.is_refuted(candidate.offer);
        if let Some((source, _)) = candidates.iter().find(|(_, candidate)| lies(candidate)) {
            return Some(RivalAction::Ban { source: *source });
        }
        self.rivals.retain(|offer, _| candidates.values().any(|candidate| candidate.offer == *offer));
        for candidate in candidates.values() {
            self.rivals.entry(candidate.offer).or_default();
        }
        // One for which nothing can be done at the moment keeps no other from its test.
        let is_full =
            self.rivals.values().filter(|rival| rival.is_busy()).count() >= max_parallel(believed.manifest);
        let states: u64 = self.rivals.iter().map(|(offer, rival)| rival.state_count(*offer)).sum();
        let mut refuted = None;
        for (offer, rival) in &mut self.rivals {
            if let Some(step) = rival.find_deciding_pieces(believed) {
                return Some(step);
            }
            if rival.is_refuted_by(believed) {
                refuted = Some(*offer);
                break;
            }
            let is_large = rival.manifest.is_none() && states + state_count_of(*offer) > MAX_STATES;
            if matches!(rival.state, RivalState::Idle) && (is_full || is_large) {
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
    pub(super) fn add_manifest_part(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        let of_source = |rival: &&mut RivalManifest| matches!(&rival.state, RivalState::FetchingManifest(fetch) if fetch.source == source);
        let Some(rival) = self.rivals.values_mut().find(of_source) else { return Ok(()) };
        let RivalState::FetchingManifest(mut fetch) = std::mem::take(&mut rival.state) else { return Ok(()) };
        fetch.add_part(first, states, now)?;
        if fetch.next().is_none() {
            rival.manifest = Some(Arc::new(fetch.finish()?));
        } else {
            rival.state = RivalState::FetchingManifest(fetch);
        }
        Ok(())
    }

    /// Returns which states a source is still to be asked for, if its manifest is on its way.
    pub(super) fn wanted_states(&self, source: SourceId) -> Option<(u32, u32)> {
        self.rivals.values().find_map(|rival| match &rival.state {
            RivalState::FetchingManifest(fetch) if fetch.source == source => fetch.next(),
            _ => None,
        })
    }

    /// Takes in a block, if it belongs to a piece that this source was asked for here: then returns the piece once it is whole.
    pub(super) fn add_block(
        &mut self,
        source: SourceId,
        reference: BlockRef,
        data: Buffer,
    ) -> Option<DecidingPiece> {
        let (offer, rival) = self.proving(source)?;
        let (RivalState::FetchingProof(proof), Some(manifest)) = (&mut rival.state, &rival.manifest) else {
            return None;
        };
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
        let evidence = DecidingPiece { offer, source, manifest: Arc::clone(manifest), piece, data };
        rival.state = RivalState::Verifying;
        Some(evidence)
    }

    /// Takes in that a source will not send a block of a piece. Returns whether that was one that was to prove something.
    pub(super) fn block_rejected(&mut self, source: SourceId, piece: u32) -> bool {
        let proving = self.proving(source).map(|(_, rival)| rival);
        let rival = proving.filter(|rival| rival.deciding.is_some_and(|pieces| pieces.own.get() == piece));
        rival.map(|rival| rival.state = RivalState::Idle).is_some()
    }

    /// Returns the rival that a source is to prove.
    fn proving(&mut self, source: SourceId) -> Option<(ContentOffer, &mut RivalManifest)> {
        let is_asked = |rival: &RivalManifest| matches!(&rival.state, RivalState::FetchingProof(proof) if proof.source == source);
        self.rivals.iter_mut().find(|(_, rival)| is_asked(rival)).map(|(offer, rival)| (*offer, rival))
    }

    /// Refutes all that is refuted together with the manifest that was believed, by the piece that has proved another one.
    pub(super) fn refute_by(&mut self, proved: &Manifest, piece: PieceIndex) {
        let differs = |manifest: &Arc<Manifest>| proved.last_disputed_piece(manifest) == Some(piece);
        let is_refuted = |rival: &RivalManifest| rival.manifest.as_ref().is_some_and(differs);
        let refuted = self.rivals.iter().filter(|(_, rival)| is_refuted(rival)).map(|(offer, _)| *offer);
        for offer in refuted.collect::<Vec<_>>() {
            self.refute(offer);
        }
    }

    /// Takes in the verdict on a piece that decides.
    pub(super) fn piece_verified(&mut self, offer: ContentOffer, is_right: bool) {
        if let Some(rival) = self.rivals.get_mut(&offer)
            && matches!(rival.state, RivalState::Verifying)
        {
            rival.state = if is_right { RivalState::Proved } else { RivalState::Idle };
        }
    }
}

impl RivalManifest {
    /// Returns true while its manifest or its piece is being fetched or verified.
    const fn is_busy(&self) -> bool {
        matches!(
            self.state,
            RivalState::FetchingManifest(_) | RivalState::FetchingProof(_) | RivalState::Verifying
        )
    }

    /// Counts the states that are held for it, or are on their way.
    fn state_count(&self, offer: ContentOffer) -> u64 {
        let holds = self.manifest.is_some() || matches!(self.state, RivalState::FetchingManifest(_));
        if holds { state_count_of(offer) } else { 0 }
    }

    /// Finds out once which pieces decide, and has that of the believed manifest hurried.
    fn find_deciding_pieces(&mut self, believed: CurrentManifest<'_>) -> Option<RivalAction> {
        let manifest = self.manifest.as_ref().filter(|_| self.deciding.is_none())?;
        let (own, piece) = (
            manifest.last_disputed_piece(believed.manifest)?,
            believed.manifest.last_disputed_piece(manifest)?,
        );
        self.deciding = Some(DecidingPieces { own, current: piece });
        Some(RivalAction::Prioritise { piece })
    }

    /// Returns true if the deciding piece of the believed manifest is here and verified.
    fn is_refuted_by(&self, believed: CurrentManifest<'_>) -> bool {
        self.deciding.is_some_and(|pieces| believed.have.has(pieces.current))
    }

    fn advance(
        &mut self,
        offer: ContentOffer,
        candidates: &BTreeMap<SourceId, RivalSource<'_>>,
        believed: CurrentManifest<'_>,
        now: Instant,
    ) -> Option<RivalAction> {
        let of_offer = || candidates.iter().filter(|(_, candidate)| candidate.offer == offer);
        let waited_in_vain = |source: SourceId, since: Instant, extra: Duration| {
            let is_over = |candidate: &RivalSource<'_>| {
                now.saturating_duration_since(since) >= source_timeout(candidate.rtt) + extra
            };
            candidates.get(&source).map(is_over)
        };
        match (&self.state, &self.manifest) {
            (RivalState::Idle, None) => {
                let (source, _) = of_offer().next()?;
                self.start_manifest_fetch(offer, *source, believed.manifest.digest(), now)
            }
            (RivalState::Idle, Some(manifest)) => {
                let piece = self.deciding?.own;
                let (source, _) =
                    of_offer().find(|(_, candidate)| candidate.is_serving && candidate.has(piece))?;
                let blocks: Vec<Block> = manifest.geometry().blocks(piece, MAX_BLOCK).collect();
                let (source, missing) = (*source, blocks.iter().copied().collect());
                let assembly = BlockAssembly::default();
                self.state =
                    RivalState::FetchingProof(ProofFetch { source, piece, missing, assembly, started: now });
                Some(RivalAction::RequestPiece { source, blocks })
            }
            (RivalState::FetchingManifest(ManifestFetch { source, progressed_at: since, .. }), _) => {
                match waited_in_vain(*source, *since, Duration::ZERO) {
                    Some(false) => None,
                    is_here => self.abandon(is_here.map(|_| *source), "its manifest did not come"),
                }
            }
            (RivalState::FetchingProof(ProofFetch { source, started: begun, piece, .. }), Some(manifest)) => {
                let bytes = manifest.geometry().length_of(*piece);
                let extra = Duration::from_secs((bytes / MIN_RATE).into());
                match waited_in_vain(*source, *begun, extra) {
                    Some(false) => None,
                    is_here => {
                        self.abandon(is_here.map(|_| *source), "it did not prove its manifest in time")
                    }
                }
            }
            (RivalState::Proved, Some(manifest)) => {
                Some(RivalAction::Adopt { manifest: Arc::clone(manifest) })
            }
            (RivalState::FetchingProof(_) | RivalState::Verifying | RivalState::Proved, _) => None,
        }
    }

    /// Begins to fetch the manifest from a source; one without states is complete at once.
    fn start_manifest_fetch(
        &mut self,
        offer: ContentOffer,
        source: SourceId,
        digest: Digest,
        now: Instant,
    ) -> Option<RivalAction> {
        let begun = ManifestFetch::begin(digest, source, offer, now).and_then(|fetch| match fetch.next() {
            Some(states) => Ok((Some((fetch, states)), None)),
            None => Ok((None, Some(Arc::new(fetch.finish()?)))),
        });
        let Ok((under_way, manifest)) = begun else {
            return Some(RivalAction::Disconnect { source, reason: "it offered an impossible content" });
        };
        self.manifest = manifest;
        let (fetch, (first, count)) = under_way?;
        self.state = RivalState::FetchingManifest(fetch);
        Some(RivalAction::RequestManifest { source, first, count })
    }

    /// Abandons the work under way; returns the step that disconnects the source, if it is still connected.
    fn abandon(&mut self, source: Option<SourceId>, why: &'static str) -> Option<RivalAction> {
        self.state = RivalState::Idle;
        source.map(|source| RivalAction::Disconnect { source, reason: why })
    }
}

/// Counts the states of an offer's manifest.
fn state_count_of(offer: ContentOffer) -> u64 {
    Geometry::for_native(offer.size).map_or(0, |geometry| state_count(&geometry).into())
}

/// Returns how many rivals are tested side by side.
fn max_parallel(manifest: &Manifest) -> usize {
    let geometry = manifest.geometry();
    let most = (geometry.size() / PARALLEL_SHARE.1 * PARALLEL_SHARE.0).min(MAX_PARALLEL_BYTES);
    usize::try_from((most / u64::from(geometry.piece_length().max(1))).max(MIN_PARALLEL))
        .unwrap_or(usize::MAX)
}
