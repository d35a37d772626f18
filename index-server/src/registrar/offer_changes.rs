//! The offers of torrents: changed, brought to disk, and forgotten when nobody can serve them any more.

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

/// How many offers are looked at before others are let at the catalog: less than a quarter of a millisecond's worth.
const ORPHAN_STEP: usize = 64;

impl<B: StoreBackend> Actor<B> {
    /// Changes an offer in memory; it is answered when it is on disk.
    pub(super) fn handle_offer(
        &mut self,
        arrival: &NodeSession,
        offer: OfferChange,
        reply: oneshot::Sender<Result<u32, Refusal>>,
    ) {
        let changed = if self.outage.is_some() {
            Err(Refusal::StoreUnavailable)
        } else {
            self.admit_offer(&offer)
                .and_then(|()| self.directory.write(|state| apply_offer(state, arrival, offer)))
        };
        match changed {
            Ok((write, count)) => self.pending.add_offer(write, CommitWaiter::Offers { count, reply }),
            // Who has gone in the meantime needs no answer.
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Makes sure that the budgets of the index allow an offer.
    fn admit_offer(&mut self, offer: &OfferChange) -> Result<(), Refusal> {
        let OfferChange::Add(hint) = offer else { return Ok(()) };
        // Nodes of all releases understand this.
        self.admit(None, hint.weight() as u64).map_err(downgraded_refusal)
    }

    /// Forgets offers of nodes that are not known any more, of contents that no node shares: those that were so at the last
    /// look too, since a node that reads its files again shares fewer for a while.
    pub(super) fn expire_orphans(&mut self) {
        let orphans = self.find_orphans();
        let gone: Vec<OfferKey> = orphans.intersection(&self.orphans).copied().collect();
        if !gone.is_empty() {
            info!(offers = gone.len(), "forgets torrents that nobody shares");
        }
        for keys in gone.chunks(BACKLOG) {
            let writes: Vec<OfferWrite> = self.directory.write(|state| {
                let withdraw = |key: &OfferKey| {
                    if is_orphan(state, key) { state.offers.withdraw(key) } else { None }
                };
                keys.iter().filter_map(withdraw).collect()
            });
            self.pending.offers.extend(writes);
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

/// Makes or withdraws an offer; returns what is to be written, and how many torrents the node offers now.
fn apply_offer(
    state: &mut DirectoryState,
    arrival: &NodeSession,
    offer: OfferChange,
) -> Result<(Option<OfferWrite>, u32), Refusal> {
    if !state.roster.is_current(arrival.node, arrival.session) {
        // The connection is being closed with the reason; this answer is not sent.
        return Err(Refusal::NoSuchPeer);
    }
    let node = arrival.id;
    let write = match offer {
        OfferChange::Add(hint) => {
            let origin = state.roster.present_address_group(arrival.node);
            state.offers.add(node, origin, hint)?
        }
        OfferChange::Withdraw(infohash) => state.offers.withdraw(&(node, infohash)),
    };
    Ok((write, state.offers.count(&node)))
}

/// Returns true if neither the node of an offer is known nor a node that shares the content.
fn is_orphan(state: &DirectoryState, key: &OfferKey) -> bool {
    let Some(digest) = state.offers.digest_of(key) else { return false };
    state.catalog.number(&key.0).is_none() && state.catalog.contents().with_digest(digest).next().is_none()
}
