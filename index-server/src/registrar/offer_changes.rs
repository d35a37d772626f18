//! Changes of torrent offers, and expiry of offers that no node can serve.

use std::collections::BTreeSet;

use protocol::index::Refusal;
use tokio::sync::oneshot;
use tracing::info;

use super::BACKLOG;
use super::actor::Actor;
use super::committer::CommitWaiter;
use crate::budgets::downgraded_refusal;
use crate::directory::{DirectoryState, NodeSession};
use crate::offers::{OfferKey, OfferWrite};
use crate::request::OfferChange;
use crate::store::StoreBackend;

/// Offers examined before the catalog lock is released: less than a quarter of a millisecond.
const ORPHAN_STEP: usize = 64;

impl<B: StoreBackend> Actor<B> {
    /// Applies a change of an offer in memory; the reply is sent once it is on disk.
    pub(super) fn handle_offer(
        &mut self,
        node_session: &NodeSession,
        offer: OfferChange,
        reply: oneshot::Sender<Result<u32, Refusal>>,
    ) {
        let changed = if self.outage.is_some() {
            Err(Refusal::StoreUnavailable)
        } else {
            self.admit_offer(&offer)
                .and_then(|()| self.directory.write(|state| apply_offer(state, node_session, offer)))
        };
        match changed {
            Ok((write, count)) => self.pending.add_offer(write, CommitWaiter::Offers { count, reply }),
            // The client may have disconnected; then the reply is dropped.
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Checks that the budgets of the index allow an offer.
    fn admit_offer(&mut self, offer: &OfferChange) -> Result<(), Refusal> {
        let OfferChange::Add(hint) = offer else { return Ok(()) };
        // Nodes of all releases understand this refusal.
        self.admit(None, hint.weight() as u64).map_err(downgraded_refusal)
    }

    /// Removes offers of unknown nodes for contents that no node shares. They must have been orphans in the previous round too,
    /// since a node that rereads its files shares fewer for a while.
    pub(super) fn expire_orphans(&mut self) {
        let orphans = self.find_orphans();
        let expired: Vec<OfferKey> = orphans.intersection(&self.orphans).copied().collect();
        if !expired.is_empty() {
            info!(offers = expired.len(), "torrent offers expired");
        }
        for keys in expired.chunks(BACKLOG) {
            let writes: Vec<OfferWrite> = self.directory.write(|state| {
                let withdraw = |key: &OfferKey| {
                    if is_orphan(state, key) { state.offers.withdraw(key) } else { None }
                };
                keys.iter().filter_map(withdraw).collect()
            });
            self.pending.add_offers(writes);
            self.drain();
            if self.outage.is_some() {
                return;
            }
        }
        self.orphans = orphans;
    }

    fn find_orphans(&self) -> BTreeSet<OfferKey> {
        let (mut orphans, mut after) = (BTreeSet::new(), None);
        loop {
            let (found, last) = self.directory.read(|state| {
                let page = state.offers.page(after, ORPHAN_STEP);
                let found: Vec<OfferKey> = page.iter().filter(|key| is_orphan(state, key)).copied().collect();
                (found, page.last().copied())
            });
            orphans.extend(found);
            match last {
                Some(last) => after = Some(last),
                None => return orphans,
            }
        }
    }
}

/// Adds or withdraws an offer; returns the write and the node's number of offers.
fn apply_offer(
    state: &mut DirectoryState,
    node_session: &NodeSession,
    offer: OfferChange,
) -> Result<(Option<OfferWrite>, u32), Refusal> {
    if !state.roster.is_current(node_session.node, node_session.session) {
        // The connection is being closed with the reason, and this reply is never sent.
        return Err(Refusal::NoSuchPeer);
    }
    let node = node_session.id;
    let write = match offer {
        OfferChange::Add(hint) => {
            let origin = state.roster.present_address_group(node_session.node);
            state.offers.add(node, origin, hint)?
        }
        OfferChange::Withdraw(infohash) => state.offers.withdraw(&(node, infohash)),
    };
    Ok((write, state.offers.count(&node)))
}

/// Returns true if neither the node of an offer nor any node that shares its content is known.
fn is_orphan(state: &DirectoryState, key: &OfferKey) -> bool {
    let Some(digest) = state.offers.digest_of(key) else { return false };
    state.catalog.number(&key.0).is_none() && state.catalog.contents().with_digest(digest).next().is_none()
}
