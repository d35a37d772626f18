//! Chooses a manifest when sources may lie about it, and fetches its states.
//!
//! A forged manifest cannot be completed (see [`protocol::manifest`]), so a wrong choice only costs time. Sources are
//! grouped by the manifest they offer. The largest group is trusted first; the others are tested at the same time (see
//! [`super::rivals`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::geometry::{Geometry, GeometryError};
use protocol::limits::MAX_STATES;
use protocol::manifest::{Manifest, ManifestError, state_count};
use protocol::sha256::Sha256State;

use swarm::SourceId;

/// Timeout for the next part of a manifest if no other source offers the content.
pub(super) const ONLY_SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// Timeouts if other sources offer the content: on a short path, and on one with at least `DISTANT_RTT`.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(3);
const DISTANT_SOURCE_TIMEOUT: Duration = Duration::from_secs(10);
const DISTANT_RTT: Duration = Duration::from_millis(100);

/// A manifest is requested from further sources whenever nothing has arrived for this many round-trip times of its source,
/// and at least for this long.
const HEDGE_DELAY: (u32, Duration) = (3, Duration::from_millis(250));

/// Number of sources asked by the first hedge. It doubles each time, so that a hundred sources are asked within a second.
const FIRST_HEDGE_SIZE: usize = 16;
const MAX_DOUBLINGS: u32 = 4;

/// Returns how long a source may send nothing while other sources offer the content.
pub(super) fn source_timeout(rtt: Option<Duration>) -> Duration {
    if rtt.is_some_and(|rtt| rtt >= DISTANT_RTT) { DISTANT_SOURCE_TIMEOUT } else { SOURCE_TIMEOUT }
}

/// A source's offer of a content: the size and the id of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ContentOffer {
    pub(super) size: u64,
    pub(super) manifest: Digest,
}

/// Returns the offer made by most sources. Of equally common offers, the one of the first source wins.
pub(super) fn most_common(offers: &BTreeMap<SourceId, ContentOffer>) -> Option<ContentOffer> {
    let mut counts: Vec<(ContentOffer, usize)> = Vec::new();
    for offer in offers.values() {
        match counts.iter_mut().find(|(other, _)| other == offer) {
            Some((_, count)) => *count += 1,
            None => counts.push((*offer, 1)),
        }
    }
    // Found in the order of sources, so that the first of equals wins whatever its content.
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(offer, _)| offer)
}

/// A manifest being fetched from one source.
#[derive(Debug)]
pub(super) struct ManifestFetch {
    pub(super) source: SourceId,
    pub(super) offer: ContentOffer,
    digest: Digest,
    geometry: Geometry,
    states: Vec<Sha256State>,
    /// Time of the latest progress.
    pub(super) progressed_at: Instant,
    /// Number of times further sources have been asked.
    hedges: u32,
}

/// Why a source's manifest is rejected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestFetchError {
    #[error("it offered invalid content: {0}")]
    Geometry(#[from] GeometryError),
    #[error("its manifest is unusable: {0}")]
    Manifest(#[from] ManifestError),
    #[error("it sent unrequested parts of its manifest")]
    Unrequested,
    #[error("its manifest differs from its offer")]
    NotAsOffered,
}

impl ManifestFetch {
    pub(super) fn begin(
        digest: Digest,
        source: SourceId,
        offer: ContentOffer,
        now: Instant,
    ) -> Result<Self, ManifestFetchError> {
        let geometry = Geometry::for_native(offer.size)?;
        // An empty content has no piece that could prove a manifest, so size and digest must agree.
        if (offer.size == 0) != (digest == Digest::EMPTY) {
            return Err(ManifestFetchError::NotAsOffered);
        }
        Ok(Self { source, offer, digest, geometry, states: Vec::new(), progressed_at: now, hedges: 0 })
    }

    /// Returns the next states to request, as first index and count, or `None` if all have arrived.
    pub(super) fn next(&self) -> Option<(u32, u32)> {
        let first = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        // Parts are requested in order, so what has arrived determines what is missing.
        let missing = state_count(&self.geometry).saturating_sub(first);
        (missing > 0).then_some((first, missing.min(MAX_STATES)))
    }

    /// Returns true if at least one part has arrived.
    pub(super) const fn has_begun(&self) -> bool {
        !self.states.is_empty()
    }

    /// Returns how many further sources to ask for the manifest now and how many states to request, if nothing has arrived for
    /// too long; counts the hedge. `rtt` is the round-trip time of the current source.
    pub(super) fn hedge(&mut self, rtt: Option<Duration>, now: Instant) -> Option<(usize, u32)> {
        let (first, count) = self.next()?;
        let (trips, least) = HEDGE_DELAY;
        // Each hedge waits longer than the one before, since the earlier ones may still be answered.
        let pause = (rtt.unwrap_or_default() * trips).max(least);
        let is_due = now.saturating_duration_since(self.progressed_at) >= pause * (self.hedges + 1);
        // Once a part has arrived, the source is alive and the others would only repeat it.
        (first == 0 && is_due).then(|| {
            let sources = FIRST_HEDGE_SIZE << self.hedges.min(MAX_DOUBLINGS);
            self.hedges += 1;
            (sources, count)
        })
    }

    /// Adds a part, which must match the request exactly.
    pub(super) fn add_part(
        &mut self,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        match self.next() {
            Some((wanted, count)) if wanted == first && count as usize == states.len() => {
                self.states.extend(states.iter().map(Sha256State::from_bytes));
                self.progressed_at = now;
                Ok(())
            }
            _ => Err(ManifestFetchError::Unrequested),
        }
    }

    /// Returns the manifest once all states have arrived.
    pub(super) fn finish(&self) -> Result<Manifest, ManifestFetchError> {
        // The states must lead to the digest, and the manifest must be the one that was offered.
        let manifest = Manifest::from_states(self.digest, self.geometry, self.states.clone())?;
        if manifest.id() == self.offer.manifest {
            Ok(manifest)
        } else {
            Err(ManifestFetchError::NotAsOffered)
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    fn manifest(pieces: usize) -> Manifest {
        let data = vec![7; pieces << 18];
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(&data);
        builder.finish().unwrap()
    }

    fn fetch_of(manifest: &Manifest, id: Digest) -> ManifestFetch {
        let offer = ContentOffer { size: manifest.geometry().size(), manifest: id };
        ManifestFetch::begin(manifest.digest(), SourceId(0), offer, Instant::now()).unwrap()
    }

    #[test]
    fn largest_group_wins_and_ties_go_to_the_first() {
        let offer = |tag| ContentOffer { size: 1, manifest: Digest::from_bytes([tag; 32]) };
        let offers = |tags: &[u8]| {
            tags.iter()
                .enumerate()
                .map(|(id, tag)| (SourceId(u32::try_from(id).unwrap()), offer(*tag)))
                .collect()
        };
        assert_eq!(most_common(&offers(&[])), None);
        assert_eq!(most_common(&offers(&[9, 1])), Some(offer(9)));
        assert_eq!(most_common(&offers(&[9, 1, 2, 1])), Some(offer(1)));
    }

    #[test]
    fn manifest_is_assembled_from_its_parts() {
        let manifest = manifest(5);
        let mut fetch = fetch_of(&manifest, manifest.id());
        assert_eq!(fetch.next(), Some((0, 4)));
        let states: Vec<[u8; 32]> = manifest.states().iter().map(|state| state.to_bytes()).collect();
        fetch.add_part(0, &states, Instant::now()).unwrap();
        assert_eq!((fetch.next(), fetch.finish()), (None, Ok(manifest)));
    }

    #[test]
    fn hedging_repeats_until_a_part_arrives() {
        let manifest = manifest(5);
        let mut fetch = fetch_of(&manifest, manifest.id());
        let begun = fetch.progressed_at;
        let near = Some(Duration::from_millis(1));
        let mut hedge = |millis| fetch.hedge(near, begun + Duration::from_millis(millis));
        assert_eq!(
            [249, 250, 499, 500, 501].map(&mut hedge),
            [None, Some((16, 4)), None, Some((32, 4)), None]
        );
        let far = Some(Duration::from_millis(300));
        assert_eq!(fetch.hedge(far, begun + Duration::from_millis(2699)), None);
        assert_eq!(fetch.hedge(far, begun + Duration::from_millis(2700)), Some((64, 4)));
        let states: Vec<[u8; 32]> = manifest.states().iter().map(|state| state.to_bytes()).collect();
        fetch.add_part(0, &states, begun).unwrap();
        assert_eq!((fetch.has_begun(), fetch.hedge(near, begun + Duration::from_secs(9))), (true, None));
    }

    #[test]
    fn unrequested_and_unoffered_parts_are_refused() {
        let manifest = manifest(5);
        let states: Vec<[u8; 32]> = manifest.states().iter().map(|state| state.to_bytes()).collect();
        let mut fetch = fetch_of(&manifest, Digest::EMPTY);
        let now = Instant::now();
        assert_eq!(fetch.add_part(1, &states, now), Err(ManifestFetchError::Unrequested));
        assert_eq!(fetch.add_part(0, &states[1..], now), Err(ManifestFetchError::Unrequested));
        fetch.add_part(0, &states, now).unwrap();
        assert_eq!(fetch.add_part(4, &states, now), Err(ManifestFetchError::Unrequested));
        assert_eq!(fetch.finish(), Err(ManifestFetchError::NotAsOffered));
    }
}
