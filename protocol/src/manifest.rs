//! Manifests, which verify every piece of a content independently and prove the digest of the whole.
//!
//! A manifest contains SHA-256's intermediate state at every boundary between pieces. Piece *i* is valid if
//! compressing it from state *i* yields state *i + 1*; the last piece, padded, must yield the digest itself. So
//! pieces can be verified in any order and in parallel, at the speed of one plain hash. When all pieces have matched,
//! the whole content has the digest, without a second pass over the file.
//!
//! The proof is anchored at its end. A forged manifest can make valid pieces fail or invalid pieces pass for a while,
//! but never all pieces match: some step from a forged state to a true one would be a preimage of SHA-256.

use crate::block_hash::batch::{HashInput, update_all};
use crate::digest::Digest;
use crate::geometry::{Geometry, GeometryError, PieceIndex};
use crate::sha256::{Sha256Hasher, Sha256State, sha256};

const _: () = assert!(size_of::<Sha256State>() == size_of::<Digest>(), "a state is stored like a digest");

/// The states between the pieces of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    digest: Digest,
    geometry: Geometry,
    /// The states at the start of pieces 1, 2 and so on; piece 0 starts from SHA-256's initial state.
    states: Vec<Sha256State>,
}

/// Why states are not a manifest of a content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The number of states differs from the number of boundaries between pieces.
    #[error("a manifest of {pieces} pieces cannot have {got} states")]
    WrongCount {
        /// The number of pieces.
        pieces: u32,
        /// The number of states.
        got: usize,
    },
    /// The piece length is not a multiple of the SHA-256 block length.
    #[error("piece length {piece_length} is not a multiple of 64 bytes")]
    BadPieceLength {
        /// The piece length.
        piece_length: u32,
    },
    /// The content does not have the announced size.
    #[error("expected {expected} bytes, got {got}")]
    WrongSize {
        /// The announced size.
        expected: u64,
        /// The actual size.
        got: u64,
    },
    /// The content cannot be divided into pieces.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

impl Manifest {
    /// Creates a manifest from states whose number is checked, but which are not yet proven.
    pub fn from_states(
        digest: Digest,
        geometry: Geometry,
        states: Vec<Sha256State>,
    ) -> Result<Self, ManifestError> {
        let piece_length = geometry.piece_length();
        if !piece_length.is_multiple_of(64) {
            return Err(ManifestError::BadPieceLength { piece_length });
        }
        if states.len() != state_count(&geometry) as usize {
            return Err(ManifestError::WrongCount { pieces: geometry.piece_count(), got: states.len() });
        }
        Ok(Self { digest, geometry, states })
    }

    /// Creates a manifest from the bytes that [`Manifest::state_bytes`] returns.
    pub fn from_state_bytes(digest: Digest, geometry: Geometry, bytes: &[u8]) -> Result<Self, ManifestError> {
        let (states, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(ManifestError::WrongCount { pieces: geometry.piece_count(), got: states.len() + 1 });
        }
        Self::from_states(digest, geometry, states.iter().map(Sha256State::from_bytes).collect())
    }

    /// Returns the content's digest.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the geometry of the content.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the states between the pieces: one fewer than there are pieces.
    pub fn states(&self) -> &[Sha256State] {
        &self.states
    }

    /// Returns the concatenated states, 32 bytes each.
    pub fn state_bytes(&self) -> Vec<u8> {
        self.states.iter().flat_map(|state| state.to_bytes()).collect()
    }

    /// Returns the SHA-256 of the state bytes, which identifies the manifest among those of several sources.
    pub fn id(&self) -> Digest {
        sha256(&self.state_bytes())
    }

    /// Returns the piece of this manifest that decides between it and another manifest of the same digest, if they
    /// differ: the last piece whose start state differs, or the last piece of all if the geometries differ.
    ///
    /// Both manifests agree on everything after that piece. So bytes that match the piece refute the other manifest,
    /// unless the common part is forged as well: two different prefixes with the same end would be a second preimage.
    pub fn last_disputed_piece(&self, other: &Self) -> Option<PieceIndex> {
        debug_assert_eq!(self.digest, other.digest, "manifests of one content");
        if self.geometry != other.geometry {
            return self.geometry.last_piece();
        }
        let last = self.states.iter().zip(&other.states).rposition(|(own, others)| own != others)?;
        // `states[0]` is the state at the start of piece 1.
        let piece = self.geometry.piece(u32::try_from(last).ok()?.checked_add(1)?);
        debug_assert!(piece.is_some(), "each state starts a piece");
        piece
    }

    /// Returns true if the concatenated parts are the bytes of the piece.
    pub fn verify_piece<'a>(&self, piece: PieceIndex, parts: impl IntoIterator<Item = &'a [u8]>) -> bool {
        self.verify_pieces([(piece, parts)]) == [true]
    }

    /// Returns for each piece whether its concatenated parts are the bytes of the piece. A batch is much faster than
    /// single calls, because its pieces are hashed in parallel;
    /// [`min_batch_len`](crate::block_hash::batch::min_batch_len) returns the best batch size.
    pub fn verify_pieces<'a, P>(&self, pieces: impl IntoIterator<Item = (PieceIndex, P)>) -> Vec<bool>
    where
        P: IntoIterator<Item = &'a [u8]>,
    {
        let (indexes, mut messages): (Vec<_>, Vec<_>) =
            pieces.into_iter().map(|(piece, parts)| (piece, self.message(piece, parts))).unzip();
        update_all(&mut messages);
        indexes.into_iter().zip(messages).map(|(piece, message)| self.ends_in_state(piece, message)).collect()
    }

    /// Prepares a piece to be hashed from its start state.
    fn message<'a>(
        &self,
        piece: PieceIndex,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> HashInput<'a, Sha256State> {
        let start = piece.as_usize().checked_sub(1).and_then(|before| self.states.get(before));
        let hasher = Sha256Hasher::from_state(start.copied().unwrap_or(Sha256State::INITIAL));
        HashInput { hasher, parts: parts.into_iter().collect() }
    }

    /// Returns true if a hashed piece has the right length and the expected end state.
    fn ends_in_state(
        &self,
        piece: PieceIndex,
        HashInput { hasher, parts }: HashInput<'_, Sha256State>,
    ) -> bool {
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if piece.get() >= self.geometry.piece_count() || length != u64::from(self.geometry.length_of(piece)) {
            return false;
        }
        match self.states.get(piece.as_usize()) {
            Some(end) => hasher.state() == Some(*end),
            None => hasher.finish(self.geometry.size()) == self.digest,
        }
    }
}

/// Returns the number of states of a manifest with this geometry.
pub fn state_count(geometry: &Geometry) -> u32 {
    geometry.piece_count().saturating_sub(1)
}

/// Builds the manifest of a content in one sequential pass.
#[derive(Debug)]
pub struct ManifestBuilder {
    geometry: Geometry,
    hasher: Sha256Hasher,
    hashed: u64,
    states: Vec<Sha256State>,
}

impl ManifestBuilder {
    /// Creates a builder for a content of `size` bytes with the native geometry.
    pub fn new(size: u64) -> Result<Self, ManifestError> {
        let geometry = Geometry::for_native(size)?;
        Ok(Self {
            geometry,
            hasher: Sha256Hasher::from_state(Sha256State::INITIAL),
            hashed: 0,
            states: Vec::new(),
        })
    }

    /// Hashes the next bytes, in fragments of any length.
    pub fn update(&mut self, mut data: &[u8]) {
        let piece_length = u64::from(self.geometry.piece_length());
        debug_assert!(
            self.states.len() <= state_count(&self.geometry) as usize,
            "more states than boundaries"
        );
        while !data.is_empty() {
            let to_boundary = piece_length - self.hashed % piece_length;
            let taken = usize::try_from(to_boundary).map_or(data.len(), |length| length.min(data.len()));
            let (head, rest) = data.split_at(taken);
            self.hasher.update(head);
            self.hashed += head.len() as u64;
            data = rest;
            // At a boundary between pieces; the end of the content has no state of its own.
            if self.hashed.is_multiple_of(piece_length) && self.hashed < self.geometry.size() {
                let state = self.hasher.state();
                debug_assert!(state.is_some(), "a piece ends with a block of SHA-256");
                self.states.extend(state);
                debug_assert_eq!(
                    self.states.len() as u64,
                    self.hashed / piece_length,
                    "one state at each boundary"
                );
            }
        }
    }

    /// Returns the manifest, if the announced number of bytes was hashed.
    pub fn finish(self) -> Result<Manifest, ManifestError> {
        let expected = self.geometry.size();
        if self.hashed != expected {
            return Err(ManifestError::WrongSize { expected, got: self.hashed });
        }
        Manifest::from_states(self.hasher.finish(expected), self.geometry, self.states)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns pseudo-random bytes that do not repeat at piece boundaries.
    fn content(size: usize) -> Vec<u8> {
        let mut word = 0x9e37_79b9_u32;
        (0..size)
            .map(|_| {
                word ^= word << 13;
                word ^= word >> 17;
                word ^= word << 5;
                word.to_le_bytes()[0]
            })
            .collect()
    }

    fn manifest_of(data: &[u8], cut: usize) -> Manifest {
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        data.chunks(cut).for_each(|part| builder.update(part));
        builder.finish().unwrap()
    }

    #[test]
    fn last_disputed_piece_decides_between_manifests() {
        let data = content(5 << 18);
        let truth = manifest_of(&data, 1 << 18);
        let with = |forged: &[usize]| {
            let mut states = truth.states.clone();
            for state in forged {
                states[*state] = Sha256State::INITIAL;
            }
            Manifest { states, ..truth.clone() }
        };
        assert_eq!(truth.last_disputed_piece(&with(&[])), None);
        for (forged, decides) in [(&[0][..], 1), (&[0, 2], 3), (&[3], 4), (&[0, 1, 2, 3], 4)] {
            let other = with(forged);
            assert_eq!(truth.last_disputed_piece(&other).map(PieceIndex::get), Some(decides), "{forged:?}");
            assert_eq!(other.last_disputed_piece(&truth), truth.last_disputed_piece(&other));
            let piece = truth.geometry.piece(decides).unwrap();
            assert!(truth.verify_piece(piece, [piece_of(&truth, &data, piece)]));
            assert!(!other.verify_piece(piece, [piece_of(&truth, &data, piece)]));
        }
        let geometry = Geometry::for_native(4 << 18).unwrap();
        let shorter = Manifest::from_states(truth.digest, geometry, truth.states[1..].to_vec()).unwrap();
        assert_eq!(truth.last_disputed_piece(&shorter).map(PieceIndex::get), Some(4));
        assert_eq!(shorter.last_disputed_piece(&truth).map(PieceIndex::get), Some(3));
    }

    fn piece_of<'a>(manifest: &Manifest, data: &'a [u8], piece: PieceIndex) -> &'a [u8] {
        let from = usize::try_from(manifest.geometry().piece_offset(piece)).unwrap();
        &data[from..from + manifest.geometry().length_of(piece) as usize]
    }

    #[test]
    fn chain_ends_in_the_digest_and_accepts_every_piece() {
        let piece = 256 << 10;
        for size in [0, 1, 63, 64, 65, piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 777] {
            let data = content(size);
            let manifest = manifest_of(&data, 10_007);
            assert_eq!(manifest.digest(), sha256(&data), "{size}");
            for index in manifest.geometry().pieces() {
                let bytes = piece_of(&manifest, &data, index);
                assert!(manifest.verify_piece(index, bytes.chunks(999)), "{size} {index:?}");
            }
        }
    }

    #[test]
    fn announced_and_real_size_must_agree() {
        let mut builder = ManifestBuilder::new(10).unwrap();
        builder.update(&[0; 9]);
        assert_eq!(builder.finish(), Err(ManifestError::WrongSize { expected: 10, got: 9 }));
        let mut builder = ManifestBuilder::new(10).unwrap();
        builder.update(&[0; 11]);
        assert_eq!(builder.finish(), Err(ManifestError::WrongSize { expected: 10, got: 11 }));
    }

    #[test]
    fn forged_state_fails_the_pieces_around_it() {
        let data = content(1 << 20);
        let honest = manifest_of(&data, 1 << 20);
        let mut states = honest.states().to_vec();
        states[1] = Sha256State::INITIAL;
        let forged = Manifest::from_states(honest.digest(), *honest.geometry(), states).unwrap();
        let verdicts: Vec<bool> = forged
            .geometry()
            .pieces()
            .map(|piece| forged.verify_piece(piece, [piece_of(&forged, &data, piece)]))
            .collect();
        assert_eq!(verdicts, [true, false, false, true]);
        assert_ne!(forged.id(), honest.id());
    }

    #[test]
    fn state_count_is_checked() {
        let geometry = Geometry::for_native(1 << 20).unwrap();
        for count in [0, 2, 4] {
            let states = vec![Sha256State::INITIAL; count];
            assert!(Manifest::from_states(Digest::EMPTY, geometry, states).is_err(), "{count}");
        }
        assert!(Manifest::from_state_bytes(Digest::EMPTY, geometry, &[0; 97]).is_err());
        assert!(Manifest::from_state_bytes(Digest::EMPTY, geometry, &[0; 96]).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn one_wrong_bit_fails_only_its_piece(size in 1usize..900_000, at: prop::sample::Index, bit in 0u8..8) {
            let mut data = content(size);
            let manifest = manifest_of(&data, 65_536);
            let at = at.index(size);
            data[at] ^= 1 << bit;
            for piece in manifest.geometry().pieces() {
                let hit = at / manifest.geometry().piece_length() as usize == piece.as_usize();
                prop_assert_eq!(manifest.verify_piece(piece, [piece_of(&manifest, &data, piece)]), !hit);
            }
        }

        #[test]
        fn batched_verification_matches_single_pieces(size in 1usize..2_000_000, cut in 1usize..300_000,
                                                                        hits in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
            let mut data = content(size);
            let manifest = manifest_of(&data, 65_536);
            for at in hits {
                data[at.index(size)] ^= 1;
            }
            let pieces = || manifest.geometry().pieces().map(|piece| (piece, piece_of(&manifest, &data, piece).chunks(cut)));
            let alone: Vec<bool> = pieces().map(|(piece, parts)| manifest.verify_piece(piece, parts)).collect();
            prop_assert_eq!(manifest.verify_pieces(pieces()), alone);
        }

        #[test]
        fn states_round_trip(size in 0usize..1_200_000) {
            let manifest = manifest_of(&content(size), 1 << 16);
            let decoded = Manifest::from_state_bytes(manifest.digest(), *manifest.geometry(), &manifest.state_bytes());
            prop_assert_eq!(decoded, Ok(manifest));
        }
    }
}
