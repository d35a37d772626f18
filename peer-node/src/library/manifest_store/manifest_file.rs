//! The file format of a manifest: its states, followed by a trailer with a checksum.

use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::{Manifest, state_count};
use protocol::sha256::sha256;

/// Bytes per state.
const STATE_LEN: usize = 32;

/// Start of the trailer: name and version of the format.
const MAGIC: [u8; 8] = *b"PDXMAN\0\x02";

/// Bytes of the trailer: the magic and a SHA-256.
const TRAILER_LEN: usize = 8 + 32;

/// The content of a manifest file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DecodedManifest {
    /// A manifest with a correct checksum.
    Checked(Manifest),
    /// A manifest without a checksum, written by release 0.1.0.
    Unchecked(Manifest),
    /// A damaged manifest.
    Damaged,
}

/// Returns the maximum length of the manifest file of such a content; 0 if it needs no file.
pub(super) fn max_len(geometry: &Geometry) -> usize {
    match state_bytes(geometry) {
        0 => 0,
        states => states + TRAILER_LEN,
    }
}

/// Decodes a manifest file. `bytes` may be up to one byte longer than [`max_len`].
pub(super) fn decode(digest: Digest, geometry: Geometry, bytes: &[u8]) -> DecodedManifest {
    let Some((states, trailer)) = bytes.split_at_checked(state_bytes(&geometry)) else {
        return DecodedManifest::Damaged;
    };
    let Ok(manifest) = Manifest::from_state_bytes(digest, geometry, states) else {
        return DecodedManifest::Damaged;
    };
    if trailer.is_empty() {
        return if states.is_empty() {
            DecodedManifest::Checked(manifest)
        } else {
            DecodedManifest::Unchecked(manifest)
        };
    }
    if trailer == trailer_of(digest, states) {
        DecodedManifest::Checked(manifest)
    } else {
        DecodedManifest::Damaged
    }
}

/// Returns the content of a manifest's file.
pub(super) fn encode(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = manifest.state_bytes();
    let trailer = trailer_of(manifest.digest(), &bytes);
    bytes.extend(trailer);
    bytes
}

fn state_bytes(geometry: &Geometry) -> usize {
    state_count(geometry) as usize * STATE_LEN
}

fn trailer_of(digest: Digest, states: &[u8]) -> [u8; TRAILER_LEN] {
    let checksum = sha256(&[digest.as_bytes(), states].concat());
    let mut trailer = [0; TRAILER_LEN];
    for (to, from) in trailer.iter_mut().zip(MAGIC.iter().chain(checksum.as_bytes())) {
        *to = *from;
    }
    trailer
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    #[test]
    fn any_flipped_bit_is_detected() {
        let mut builder = ManifestBuilder::new(700_000).unwrap();
        builder.update(&vec![1; 700_000]);
        let manifest = builder.finish().unwrap();
        let (digest, geometry) = (manifest.digest(), *manifest.geometry());
        let whole = encode(&manifest);
        assert_eq!(whole.len(), max_len(&geometry));
        assert_eq!(decode(digest, geometry, &whole), DecodedManifest::Checked(manifest.clone()));
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(digest, geometry, &damaged), DecodedManifest::Damaged, "{bit}");
        }
        for length in (0..whole.len()).filter(|length| *length != whole.len() - TRAILER_LEN) {
            assert_eq!(decode(digest, geometry, &whole[..length]), DecodedManifest::Damaged, "{length}");
        }
        let old = &whole[..whole.len() - TRAILER_LEN];
        assert_eq!(decode(digest, geometry, old), DecodedManifest::Unchecked(manifest));
    }
}
