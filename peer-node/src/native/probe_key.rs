//! The key that proves to the index that the node's port belongs to the node.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::probe::probe_answer;

/// Shares the nonce of the current index session between the session, which sets it, and the peer listener, which answers the
/// index's probes with it. Without a session, probes are not answered.
#[derive(Clone, Default)]
pub struct ProbeKey {
    nonce: Arc<Mutex<Option<[u8; 32]>>>,
}

impl ProbeKey {
    /// Returns the answer to a probe of the index; `None` without a session.
    pub fn answer(&self, challenge: &[u8; 32]) -> Option<Digest> {
        self.nonce.lock().as_ref().map(|nonce| probe_answer(nonce, challenge))
    }

    /// Sets the nonce until the guard is dropped.
    pub(crate) fn set(&self, nonce: [u8; 32]) -> ProbeKeyGuard {
        *self.nonce.lock() = Some(nonce);
        ProbeKeyGuard { key: self.clone() }
    }
}

impl fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeKey").field("set", &self.nonce.lock().is_some()).finish()
    }
}

/// Clears the nonce when the session ends.
#[derive(Debug)]
pub(crate) struct ProbeKeyGuard {
    key: ProbeKey,
}

impl Drop for ProbeKeyGuard {
    fn drop(&mut self) {
        *self.key.nonce.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_answered_only_during_a_session() {
        let key = ProbeKey::default();
        assert_eq!(key.answer(&[2; 32]), None);
        let guard = key.set([1; 32]);
        assert_eq!(key.clone().answer(&[2; 32]), Some(probe_answer(&[1; 32], &[2; 32])));
        drop(guard);
        assert_eq!(key.answer(&[2; 32]), None);
    }
}
