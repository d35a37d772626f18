//! Which manifest to believe, when sources may lie about it.
//!
//! A manifest that was forged cannot be completed (see [`protocol::manifest`]), so a wrong choice costs time and nothing
//! else. Sources are grouped by the manifest they offer; the largest group is believed at first, and the others are put to the
//! test beside it (see [`super::rivals`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::digest::Digest;
use protocol::geometry::{Geometry, GeometryError};
use protocol::limits::MAX_STATES;
use protocol::manifest::{Manifest, ManifestError, state_count};
use protocol::sha256::Sha256State;

use swarm::SourceId;

/// How long a source may take for the next part of its manifest if no other one offers the content.
pub(super) const ONLY_SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one may take if others do, on a short path, on a long one and where that begins.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(3);
const DISTANT_SOURCE_TIMEOUT: Duration = Duration::from_secs(10);
const DISTANT_RTT: Duration = Duration::from_millis(100);

/// A manifest is requested from further sources each time none of it has arrived for this many round trips of its source, and at least
/// for this long.
const HEDGE_DELAY: (u32, Duration) = (3, Duration::from_millis(250));

/// How many sources are asked the first time; each time twice as many, so that a hundred are asked within a second.
const FIRST_HEDGE_SIZE: usize = 16;
const MAX_DOUBLINGS: u32 = 4;

/// Returns how long a source may send nothing while others offer the content as well.
pub(super) fn source_timeout(rtt: Option<Duration>) -> Duration {
    if rtt.is_some_and(|rtt| rtt >= DISTANT_RTT) { DISTANT_SOURCE_TIMEOUT } else { SOURCE_TIMEOUT }
}

/// What a source says of a content: its size and the id of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ContentOffer {
    pub(super) size: u64,
    pub(super) manifest: Digest,
}

/// Returns the offer that most of the sources make; of several such, the one that was made first.
pub(super) fn most_common(offers: &BTreeMap<SourceId, ContentOffer>) -> Option<ContentOffer> {
    let mut counts: Vec<(ContentOffer, usize)> = Vec::new();
    for offer in offers.values() {
        match counts.iter_mut().find(|(other, _)| other == offer) {
            Some((_, count)) => *count += 1,
            None => counts.push((*offer, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(offer, _)| offer)
}

/// A manifest on its way from one source.
#[derive(Debug)]
pub(super) struct ManifestFetch {
    pub(super) source: SourceId,
    pub(super) offer: ContentOffer,
    digest: Digest,
    geometry: Geometry,
    states: Vec<Sha256State>,
    /// When it was last seen to get on.
    pub(super) progressed_at: Instant,
    /// How often others were asked for it.
    hedges: u32,
}

/// A manifest that a source does not give as it said it would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestFetchError {
    #[error("it offered an impossible content: {0}")]
    Geometry(#[from] GeometryError),
    #[error("its manifest is unusable: {0}")]
    Manifest(#[from] ManifestError),
    #[error("it sent parts of its manifest that it was not asked for")]
    Unrequested,
    #[error("its manifest is not the one it offered")]
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
        // A content without bytes has no piece that could prove anything.
        if (offer.size == 0) != (digest == Digest::EMPTY) {
            return Err(ManifestFetchError::NotAsOffered);
        }
        Ok(Self { source, offer, digest, geometry, states: Vec::new(), progressed_at: now, hedges: 0 })
    }

    /// Returns which states to ask for next, first and count, or nothing if all are here.
    pub(super) fn next(&self) -> Option<(u32, u32)> {
        let first = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        let missing = state_count(&self.geometry).saturating_sub(first);
        (missing > 0).then_some((first, missing.min(MAX_STATES)))
    }

    /// Returns true if a part is here.
    pub(super) const fn has_begun(&self) -> bool {
        !self.states.is_empty()
    }

    /// Returns from how many further sources the manifest is to be requested now, and how many states, because nothing has
    /// arrived for a while; and counts that. `rtt` is the round-trip time of its source.
    pub(super) fn hedge(&mut self, rtt: Option<Duration>, now: Instant) -> Option<(usize, u32)> {
        let (first, count) = self.next()?;
        let (trips, least) = HEDGE_DELAY;
        let pause = (rtt.unwrap_or_default() * trips).max(least);
        let is_due = now.saturating_duration_since(self.progressed_at) >= pause * (self.hedges + 1);
        (first == 0 && is_due).then(|| {
            let sources = FIRST_HEDGE_SIZE << self.hedges.min(MAX_DOUBLINGS);
            self.hedges += 1;
            (sources, count)
        })
    }

    /// Takes in a part, which must be exactly what was asked for.
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

    /// Returns the manifest once all its states are here.
    pub(super) fn finish(&self) -> Result<Manifest, ManifestFetchError> {
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
