//! Probes, by which the index verifies that a port belongs to the node that claims it.
//!
//! The index connects to the claimed port and sends a challenge. The node that listens there answers with a hash of
//! the challenge and of the nonce that the index sent on the node's own connection. A node that claims the port of
//! another node fails, because the other node never saw that nonce.

use crate::digest::Digest;
use crate::sha256::sha256;

/// Returns the expected answer to a challenge.
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
