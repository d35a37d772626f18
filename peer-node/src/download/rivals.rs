//! Tests manifests that sources offer instead of the current one.
//!
//! A manifest is anchored at its end (see [`protocol::manifest`]), so of two manifests the last piece on which they differ
//! decides. That piece is requested from a source of the rival, and prioritised at the sources of the current manifest. The
//! first valid one refutes the other manifest, and all sources that offered it are banned for this content. Only a valid
//! piece decides: an invalid one bans only its sender, since otherwise a liar could refute an honest manifest by offering it.
//!
//! A pure state machine like the engine: the session passes in events and carries out its [`RivalAction`]s.

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
pub(super) use rival_action::RivalAction;
pub(super) use rival_source::{CurrentManifest, RivalSource};
use swarm::SourceId;

mod rival_action;
mod rival_source;
#[cfg(test)]
mod tests;

/// Minimum number of rivals tested in parallel. More are tested as long as their pieces fit into both limits below: a share
/// of the content, and a number of bytes.
const MIN_PARALLEL: u64 = 8;
const PARALLEL_SHARE: (u64, u64) = (2, 5);
const MAX_PARALLEL_BYTES: u64 = 24 << 20;

/// Minimum rate of a deciding piece in bytes per second. Slower sources are disconnected.
const MIN_RATE: u32 = 64 << 10;

/// Maximum number of states held for all rivals together: 16 MiB.
const MAX_STATES: u64 = 1 << 19;

/// Maximum number of refuted offers that are remembered.
const MAX_REFUTED: usize = 1024;

/// A complete deciding piece, to be verified.
#[derive(Debug)]
pub(super) struct DecidingPiece {
    pub(super) offer: ContentOffer,
    pub(super) source: SourceId,
    pub(super) manifest: Arc<Manifest>,
    pub(super) piece: PieceIndex,
    pub(super) data: Vec<Buffer>,
}

/// The rival manifests and the refuted offers.
#[derive(Debug, Default)]
pub(super) struct RivalManifests {
    rivals: BTreeMap<ContentOffer, RivalManifest>,
    refuted: VecDeque<ContentOffer>,
}

#[derive(Debug, Default)]
struct RivalManifest {
    manifest: Option<Arc<Manifest>>,
    state: RivalState,
    /// The pieces that decide between this and the current manifest, once this one is complete.
    deciding: Option<DecidingPieces>,
}

/// The deciding pieces in each manifest. Their indices are equal unless the contents differ in size.
#[derive(Debug, Clone, Copy)]
struct DecidingPieces {
    own: PieceIndex,
    current: PieceIndex,
}

/// Progress of testing a rival.
#[derive(Debug, Default)]
enum RivalState {
    #[default]
    Idle,
    /// Fetching its manifest.
    FetchingManifest(ManifestFetch),
    /// Fetching its deciding piece.
    FetchingProof(ProofFetch),
    /// Verifying its deciding piece.
    Verifying,
    /// Its deciding piece is valid.
    Proven,
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
    /// Returns true if the offer was refuted.
    pub(super) fn is_refuted(&self, offer: ContentOffer) -> bool {
        self.refuted.contains(&offer)
    }

    /// Records that the manifest of an offer is forged.
    pub(super) fn refute(&mut self, offer: ContentOffer) {
        self.rivals.remove(&offer);
        if !self.is_refuted(offer) {
            // The oldest is forgotten: its sources are long banned.
            self.refuted.truncate(MAX_REFUTED - 1);
            self.refuted.push_front(offer);
        }
    }

    /// Resets the tests because the current manifest changes: proofs against the old one no longer count.
    pub(super) fn reset(&mut self) {
        for rival in self.rivals.values_mut() {
            rival.deciding = None;
            // A manifest that is on its way is needed whatever it is compared with.
            if !matches!(rival.state, RivalState::FetchingManifest(_)) {
                rival.state = RivalState::Idle;
            }
        }
    }

    /// Returns the next action for the sources with rival offers.
    pub(super) fn poll(
        &mut self,
        candidates: &BTreeMap<SourceId, RivalSource<'_>>,
        current: CurrentManifest<'_>,
        now: Instant,
    ) -> Option<RivalAction> {
        // Liars go first, so that nothing more is requested from them.
        let lies = |candidate: &RivalSource<'_>| self.is_refuted(candidate.offer);
        if let Some((source, _)) = candidates.iter().find(|(_, candidate)| lies(candidate)) {
            return Some(RivalAction::Ban { source: *source });
        }
        // Without a source an offer cannot be tested, and its manifest only takes memory.
        self.rivals.retain(|offer, _| candidates.values().any(|candidate| candidate.offer == *offer));
        for candidate in candidates.values() {
            self.rivals.entry(candidate.offer).or_default();
        }
        // A rival that is blocked for now does not hold up the others.
        let is_full =
            self.rivals.values().filter(|rival| rival.is_busy()).count() >= max_parallel(current.manifest);
        // Manifests of large contents are large, and many offers may be invented.
        let states: u64 = self.rivals.iter().map(|(offer, rival)| rival.state_count(*offer)).sum();
        let mut refuted = None;
        for (offer, rival) in &mut self.rivals {
            // As soon as the manifest is complete, the piece that decides is fetched before all others.
            if let Some(action) = rival.find_deciding_pieces(current) {
                return Some(action);
            }
            // The current manifest has proved its side of the dispute; the rival is wrong.
            if rival.is_refuted_by(current) {
                refuted = Some(*offer);
                break;
            }
            // Waits until other rivals have released their states.
            let is_large = rival.manifest.is_none() && states + state_count_of(*offer) > MAX_STATES;
            if matches!(rival.state, RivalState::Idle) && (is_full || is_large) {
                continue;
            }
            if let Some(action) = rival.advance(*offer, candidates, current, now) {
                return Some(action);
            }
        }
        // A refuted rival leaves the map, and its sources are banned by the next poll.
        self.refute(refuted?);
        self.poll(candidates, current, now)
    }

    /// Adds states of the manifest that this source was asked for. States from other sources are ignored.
    pub(super) fn add_manifest_part(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        let of_source = |rival: &&mut RivalManifest| matches!(&rival.state, RivalState::FetchingManifest(fetch) if fetch.source == source);
        // The test may have been abandoned while the states were on their way.
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

    /// Returns the states still to be requested from a source whose manifest is being fetched.
    pub(super) fn wanted_states(&self, source: SourceId) -> Option<(u32, u32)> {
        self.rivals.values().find_map(|rival| match &rival.state {
            RivalState::FetchingManifest(fetch) if fetch.source == source => fetch.next(),
            _ => None,
        })
    }

    /// Adds a block of a deciding piece requested from this source. Returns the piece once it is complete.
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
        // The rival's geometry counts: it may claim another size.
        let block = manifest.geometry().block(piece, begin, length).ok()?;
        // Repeated or unrequested blocks do not count towards the piece.
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

    /// Handles a rejected block. Returns true if it belonged to a deciding piece.
    pub(super) fn block_rejected(&mut self, source: SourceId, piece: u32) -> bool {
        let proving = self.proving(source).map(|(_, rival)| rival);
        let rival = proving.filter(|rival| rival.deciding.is_some_and(|pieces| pieces.own.get() == piece));
        rival.map(|rival| rival.state = RivalState::Idle).is_some()
    }

    /// Returns the rival whose deciding piece was requested from a source.
    fn proving(&mut self, source: SourceId) -> Option<(ContentOffer, &mut RivalManifest)> {
        let is_asked = |rival: &RivalManifest| matches!(&rival.state, RivalState::FetchingProof(proof) if proof.source == source);
        self.rivals.iter_mut().find(|(_, rival)| is_asked(rival)).map(|(offer, rival)| (*offer, rival))
    }

    /// Refutes all offers that the valid piece of the proven manifest contradicts.
    pub(super) fn refute_by(&mut self, proved: &Manifest, piece: PieceIndex) {
        // Only rivals whose dispute this very piece decides are refuted by it.
        let differs = |manifest: &Arc<Manifest>| proved.last_disputed_piece(manifest) == Some(piece);
        let is_refuted = |rival: &RivalManifest| rival.manifest.as_ref().is_some_and(differs);
        let refuted = self.rivals.iter().filter(|(_, rival)| is_refuted(rival)).map(|(offer, _)| *offer);
        for offer in refuted.collect::<Vec<_>>() {
            self.refute(offer);
        }
    }

    /// Handles the verification result of a deciding piece.
    pub(super) fn piece_verified(&mut self, offer: ContentOffer, is_valid: bool) {
        if let Some(rival) = self.rivals.get_mut(&offer)
            && matches!(rival.state, RivalState::Verifying)
        {
            rival.state = if is_valid { RivalState::Proven } else { RivalState::Idle };
        }
    }
}

impl RivalManifest {
    /// Returns true while the manifest or the deciding piece is being fetched or verified.
    const fn is_busy(&self) -> bool {
        matches!(
            self.state,
            RivalState::FetchingManifest(_) | RivalState::FetchingProof(_) | RivalState::Verifying
        )
    }

    /// Returns the number of states held or being fetched for this rival.
    fn state_count(&self, offer: ContentOffer) -> u64 {
        let holds = self.manifest.is_some() || matches!(self.state, RivalState::FetchingManifest(_));
        if holds { state_count_of(offer) } else { 0 }
    }

    /// Determines the deciding pieces, once, and prioritises that of the current manifest.
    fn find_deciding_pieces(&mut self, current: CurrentManifest<'_>) -> Option<RivalAction> {
        let manifest = self.manifest.as_ref().filter(|_| self.deciding.is_none())?;
        // The last difference decides, because everything behind it is anchored at the digest.
        let (own, piece) = (
            manifest.last_disputed_piece(current.manifest)?,
            current.manifest.last_disputed_piece(manifest)?,
        );
        self.deciding = Some(DecidingPieces { own, current: piece });
        Some(RivalAction::Prioritise { piece })
    }

    /// Returns true if the deciding piece of the current manifest is valid and on disk.
    fn is_refuted_by(&self, current: CurrentManifest<'_>) -> bool {
        self.deciding.is_some_and(|pieces| current.have.has(pieces.current))
    }

    fn advance(
        &mut self,
        offer: ContentOffer,
        candidates: &BTreeMap<SourceId, RivalSource<'_>>,
        current: CurrentManifest<'_>,
        now: Instant,
    ) -> Option<RivalAction> {
        let of_offer = || candidates.iter().filter(|(_, candidate)| candidate.offer == offer);
        // `None` if the source has disconnected, which ends the test just like a timeout.
        let is_overdue = |source: SourceId, since: Instant, extra: Duration| {
            let is_over = |candidate: &RivalSource<'_>| {
                now.saturating_duration_since(since) >= source_timeout(candidate.rtt) + extra
            };
            candidates.get(&source).map(is_over)
        };
        match (&self.state, &self.manifest) {
            (RivalState::Idle, None) => {
                let (source, _) = of_offer().next()?;
                self.start_manifest_fetch(offer, *source, current.manifest.digest(), now)
            }
            (RivalState::Idle, Some(manifest)) => {
                let piece = self.deciding?.own;
                let (source, _) =
                    // A source that chokes us or lacks the piece could not prove anything now.
                    of_offer().find(|(_, candidate)| candidate.is_serving && candidate.has(piece))?;
                let blocks: Vec<Block> = manifest.geometry().blocks(piece, MAX_BLOCK).collect();
                let (source, missing) = (*source, blocks.iter().copied().collect());
                let assembly = BlockAssembly::default();
                self.state =
                    RivalState::FetchingProof(ProofFetch { source, piece, missing, assembly, started: now });
                Some(RivalAction::RequestPiece { source, blocks })
            }
            (RivalState::FetchingManifest(ManifestFetch { source, progressed_at: since, .. }), _) => {
                match is_overdue(*source, *since, Duration::ZERO) {
                    Some(false) => None,
                    is_connected => {
                        self.abandon(is_connected.map(|_| *source), "its manifest did not arrive")
                    }
                }
            }
            (RivalState::FetchingProof(ProofFetch { source, started: begun, piece, .. }), Some(manifest)) => {
                let bytes = manifest.geometry().length_of(*piece);
                // A whole piece takes longer than one reply on a slow line.
                let extra = Duration::from_secs((bytes / MIN_RATE).into());
                match is_overdue(*source, *begun, extra) {
                    Some(false) => None,
                    is_connected => {
                        self.abandon(is_connected.map(|_| *source), "it did not prove its manifest in time")
                    }
                }
            }
            (RivalState::Proven, Some(manifest)) => {
                Some(RivalAction::Adopt { manifest: Arc::clone(manifest) })
            }
            (RivalState::FetchingProof(_) | RivalState::Verifying | RivalState::Proven, _) => None,
        }
    }

    /// Starts fetching the manifest from a source. A manifest without states is complete at once.
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
        let Ok((started, manifest)) = begun else {
            return Some(RivalAction::Disconnect { source, reason: "it offered invalid content" });
        };
        self.manifest = manifest;
        let (fetch, (first, count)) = started?;
        self.state = RivalState::FetchingManifest(fetch);
        Some(RivalAction::RequestManifest { source, first, count })
    }

    /// Abandons the current test. Returns an action that disconnects the source, if it is still connected.
    fn abandon(&mut self, source: Option<SourceId>, reason: &'static str) -> Option<RivalAction> {
        self.state = RivalState::Idle;
        source.map(|source| RivalAction::Disconnect { source, reason })
    }
}

/// Returns the number of states of an offer's manifest.
fn state_count_of(offer: ContentOffer) -> u64 {
    Geometry::for_native(offer.size).map_or(0, |geometry| state_count(&geometry).into())
}

/// Returns how many rivals may be tested in parallel.
fn max_parallel(manifest: &Manifest) -> usize {
    let geometry = manifest.geometry();
    let max_bytes = (geometry.size() / PARALLEL_SHARE.1 * PARALLEL_SHARE.0).min(MAX_PARALLEL_BYTES);
    usize::try_from((max_bytes / u64::from(geometry.piece_length().max(1))).max(MIN_PARALLEL))
        .unwrap_or(usize::MAX)
}
