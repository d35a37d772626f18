//! The session until the node has proven its identity.

use ed25519_dalek::{Signature, VerifyingKey};
use protocol::features::IndexFeatures;
use protocol::index::{Refusal, Request, proof_text};
use protocol::limits::MAX_AGENT;
use protocol::node_id::NodeId;
use protocol::preamble::Version;

use super::{OpenSession, out_of_order};

/// The state of a connection whose node has not proven its identity.
#[derive(Debug, Clone)]
pub(crate) struct GreetingSession {
    version: Version,
    nonce: [u8; 32],
    /// A port that cannot be the node's, since the index itself listens on it.
    reserved_port: Option<u16>,
    /// What the node has claimed in its greeting, once that was received.
    claimed: Option<ClaimedIdentity>,
}

/// The contents of a greeting.
#[derive(Debug, Clone, Copy)]
struct ClaimedIdentity {
    node: NodeId,
    port: u16,
    features: IndexFeatures,
}

/// What to do about a request of a session that is not open yet.
#[derive(Debug)]
pub(crate) enum GreetingAction {
    /// Reply with this challenge.
    Challenge { nonce: [u8; 32] },
    /// The node has proven its identity: welcome it.
    Welcome { node: NodeId, port: u16, session: OpenSession },
}

impl GreetingSession {
    /// Creates a session with a random nonce.
    pub(crate) const fn new(version: Version, nonce: [u8; 32], reserved_port: Option<u16>) -> Self {
        Self { version, nonce, reserved_port, claimed: None }
    }

    /// Handles a request; returns what to do about it.
    pub(crate) fn handle(&mut self, request: Request) -> Result<GreetingAction, Refusal> {
        match (self.claimed, request) {
            (None, Request::Hello { node, port, agent }) if self.version == Version::One => {
                self.greet(ClaimedIdentity { node, port, features: IndexFeatures::NONE }, &agent)
            }
            (None, Request::Greet { node, port, agent, features }) if self.version >= Version::Two => {
                self.greet(ClaimedIdentity { node, port, features }, &agent)
            }
            (None, _) => Err(out_of_order("a greeting")),
            (Some(ClaimedIdentity { node, port, features }), Request::Proof { signature }) => {
                check_proof(&self.nonce, &node, port, &signature)?;
                let session = OpenSession { version: self.version, features, is_listing: false };
                Ok(GreetingAction::Welcome { node, port, session })
            }
            (Some(_), _) => Err(out_of_order("a proof")),
        }
    }

    fn greet(&mut self, claimed: ClaimedIdentity, agent: &str) -> Result<GreetingAction, Refusal> {
        if agent.len() > MAX_AGENT {
            return Err(Refusal::Malformed { reason: format!("the agent is longer than {MAX_AGENT} bytes") });
        }
        let port = claimed.port;
        if port == 0 || Some(port) == self.reserved_port {
            return Err(Refusal::BadPort { port });
        }
        self.claimed = Some(claimed);
        Ok(GreetingAction::Challenge { nonce: self.nonce })
    }
}

fn check_proof(nonce: &[u8; 32], node: &NodeId, port: u16, signature: &[u8; 64]) -> Result<(), Refusal> {
    let key = VerifyingKey::from_bytes(node.as_bytes()).map_err(|_| Refusal::BadProof)?;
    let text = proof_text(nonce, node, port);
    key.verify_strict(&text, &Signature::from_bytes(signature)).map_err(|_| Refusal::BadProof)
}
