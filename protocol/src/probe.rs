//! How the index finds out that a port belongs to the node that claims it.
//!
//! The index connects to the claimed port and sends a challenge; the node that really listens there answers with a hash
//! of the challenge and of the nonce that the index gave it on its own connection. A node that claims somebody else's
//! port cannot make the other answer with a nonce that the other never saw.

use crate::digest::Digest;
use crate::sha256::sha256;

/// Returns what the node must answer.
pub fn probe_answer(nonce: &[u8; 32], challenge: &[u8; 32]) -> Digest {
    let mut text = b"peerdex probe 1\0".to_vec();
    text.extend_from_slice(nonce);
    text.extend_from_slice(challenge);
    sha256(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_depends_on_both_inputs_and_is_frozen() {
        let answer = probe_answer(&[1; 32], &[2; 32]);
        assert_ne!(answer, probe_answer(&[2; 32], &[1; 32]));
        assert_ne!(answer, probe_answer(&[1; 32], &[3; 32]));
        assert_eq!(answer.short(), "60367171614a");
    }
}
