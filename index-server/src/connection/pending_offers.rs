use std::collections::VecDeque;
use std::time::Instant;

use protocol::index::{Refusal, RequestId};
use tokio::sync::oneshot;

/// Maximum number of offers of one connection that wait for the disk: as many as a node sends without waiting for answers.
const MAX_PENDING: usize = 32;

/// The offers of torrents of one connection that wait for the disk, in request order. A node that connects to a new index sends
/// thousands in a row; offers that wait together share a commit.
#[derive(Debug, Default)]
pub(super) struct PendingOffers(VecDeque<PendingOffer>);

/// An offer that waits for the disk.
#[derive(Debug)]
struct PendingOffer {
    request: OfferRequest,
    reply: oneshot::Receiver<Result<u32, Refusal>>,
}

/// The request that made an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OfferRequest {
    pub(super) id: RequestId,
    pub(super) received_at: Instant,
}

impl PendingOffers {
    /// Returns true if another offer may wait.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_PENDING
    }

    /// Returns true if no offer waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an offer.
    pub(super) fn push(&mut self, request: OfferRequest, answer: oneshot::Receiver<Result<u32, Refusal>>) {
        self.0.push_back(PendingOffer { request, reply: answer });
    }

    /// Waits for the answer to the oldest offer; never returns if there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> (OfferRequest, Result<u32, Refusal>) {
        let Some(PendingOffer { request, reply: answer }) = self.0.front_mut() else {
            return std::future::pending().await;
        };
        let answered = (*request, answer.await.unwrap_or(Err(Refusal::StoreUnavailable)));
        self.0.pop_front();
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_in_request_order() {
        let mut offers = PendingOffers::default();
        let begun = Instant::now();
        let mut answers: Vec<_> = (0..3)
            .map(|id| {
                let (answer, waiting) = oneshot::channel();
                offers.push(OfferRequest { id, received_at: begun }, waiting);
                answer
            })
            .collect();
        // The last one is refused, the one before it dropped without an answer.
        drop(answers.pop().unwrap().send(Err(Refusal::NoSuchPeer)));
        drop(answers.pop());
        let early = tokio::time::timeout(std::time::Duration::from_millis(1), offers.next()).await;
        assert!(early.is_err(), "the first offer is not answered yet");
        answers.pop().unwrap().send(Ok(7)).unwrap();
        let expected = [(0, Ok(7)), (1, Err(Refusal::StoreUnavailable)), (2, Err(Refusal::NoSuchPeer))];
        for (id, result) in expected {
            assert_eq!(offers.next().await, (OfferRequest { id, received_at: begun }, result));
        }
        assert!(offers.is_empty());
    }
}
