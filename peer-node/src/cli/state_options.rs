use clap::Args;

use crate::identity::ExposedKeyPolicy;

/// How well the node's own files must be protected.
#[derive(Debug, Clone, Copy, Args)]
pub struct StateOptions {
    /// Use the node's key even if other users of this machine can read it, as on a file system without permissions
    #[arg(long, env = "PEER_NODE_INSECURE_STATE")]
    insecure_state: bool,
}

impl StateOptions {
    /// Returns whether a key may be used that others can read.
    pub(super) const fn exposure(self) -> ExposedKeyPolicy {
        if self.insecure_state { ExposedKeyPolicy::Allowed } else { ExposedKeyPolicy::Refused }
    }
}
