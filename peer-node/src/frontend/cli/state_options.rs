use clap::Args;

use crate::identity::ExposedKeyPolicy;

/// How strictly the node's own files must be protected.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StateOptions {
    /// Use the node's key even if other users of this machine can read it, e.g. on a file system without permissions
    #[arg(long, env = "PEER_NODE_INSECURE_STATE")]
    insecure_state: bool,
}

impl StateOptions {
    /// Returns whether a key that other users can read may be used.
    pub(super) const fn exposure(self) -> ExposedKeyPolicy {
        if self.insecure_state { ExposedKeyPolicy::Allowed } else { ExposedKeyPolicy::Refused }
    }
}
