//! The requests that we sent to one peer.

use std::collections::VecDeque;

use protocol::geometry::Block;

/// Maximum number of withdrawn requests whose late blocks are accepted; beyond it the oldest are forgotten.
const MAX_WITHDRAWN: usize = 2048;

/// The unanswered requests of one connection.
///
/// Without the fast extension, BitTorrent has no answer to a request that is cancelled or dropped by a choke, and even with
/// it some clients do not reject cancelled requests. Such requests are therefore answered here, and late blocks for them are
/// accepted.
#[derive(Debug)]
pub(crate) struct OutstandingRequests {
    has_fast: bool,
    is_choked: bool,
    /// In the order of sending, which is mostly the order of the answers.
    open: VecDeque<Block>,
    withdrawn: VecDeque<Block>,
    /// Rejections not yet reported.
    rejected: Vec<Block>,
}

/// What to do after a request or a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestStep {
    /// Send the message to the peer.
    Send,
    /// Report the request as rejected.
    ReportRejected,
    /// Send the message to the peer, and report the request as rejected.
    Both,
    /// Do nothing.
    Nothing,
}

/// The meaning of a received block or rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// It answers a pending request.
    Wanted,
    /// It answers a withdrawn request.
    Late,
    /// It answers no request: a violation.
    Unrequested,
}

impl OutstandingRequests {
    pub(crate) fn new(has_fast: bool) -> Self {
        let (open, withdrawn) = (VecDeque::new(), VecDeque::new());
        Self { has_fast, is_choked: true, open, withdrawn, rejected: Vec::new() }
    }

    /// Records a request.
    pub(crate) fn request(&mut self, block: Block) -> RequestStep {
        // A peer without the fast extension silently drops requests after its choke.
        if self.is_choked && !self.has_fast {
            self.rejected.push(block);
            return RequestStep::ReportRejected;
        }
        self.open.push_back(block);
        RequestStep::Send
    }

    /// Records a cancellation.
    pub(crate) fn cancel(&mut self, block: Block) -> RequestStep {
        if !remove(&mut self.open, block) {
            return RequestStep::Nothing;
        }
        self.withdraw(block);
        RequestStep::Both
    }

    /// Considers all pending requests lost, so that the blocks may be requested again. They may still arrive; no rejection
    /// is reported.
    pub(crate) fn withdraw_all(&mut self) {
        for block in std::mem::take(&mut self.open) {
            self.remember_withdrawn(block);
        }
    }

    /// Records a received block or rejection.
    pub(crate) fn answered(&mut self, block: Block) -> AnswerKind {
        if remove(&mut self.open, block) {
            AnswerKind::Wanted
        } else if remove(&mut self.withdrawn, block) {
            AnswerKind::Late
        } else {
            AnswerKind::Unrequested
        }
    }

    /// Records a choke or unchoke by the peer. Returns true if the state changed.
    pub(crate) fn set_choked(&mut self, is_choked: bool) -> bool {
        if self.is_choked == is_choked {
            return false;
        }
        self.is_choked = is_choked;
        if is_choked && !self.has_fast {
            for block in std::mem::take(&mut self.open) {
                self.withdraw(block);
            }
        }
        true
    }

    pub(crate) const fn is_choked(&self) -> bool {
        self.is_choked
    }

    /// Returns true if the peer owes any block.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes the rejections not yet reported.
    pub(crate) fn take_rejected(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.rejected)
    }

    fn withdraw(&mut self, block: Block) {
        self.rejected.push(block);
        self.remember_withdrawn(block);
    }

    fn remember_withdrawn(&mut self, block: Block) {
        self.withdrawn.push_back(block);
        if self.withdrawn.len() > MAX_WITHDRAWN {
            self.withdrawn.pop_front();
        }
    }
}

/// Removes the first request for a block. Returns true if there was one.
fn remove(requests: &mut VecDeque<Block>, block: Block) -> bool {
    let at = requests.iter().position(|other| *other == block);
    at.and_then(|at| requests.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use protocol::geometry::Geometry;

    use super::*;

    fn blocks() -> Vec<Block> {
        let geometry = Geometry::new(1 << 20, 1 << 20).unwrap();
        geometry.blocks(geometry.piece(0).unwrap(), 16 << 10).collect()
    }

    #[test]
    fn every_request_has_one_answer_however_the_peer_behaves() {
        let blocks = blocks();
        let mut requests = OutstandingRequests::new(false);
        assert_eq!(requests.request(blocks[0]), RequestStep::ReportRejected);
        assert!(requests.set_choked(false) && !requests.set_choked(false));
        assert_eq!(
            blocks[1..5].iter().map(|block| requests.request(*block)).collect::<Vec<_>>(),
            [RequestStep::Send; 4]
        );
        assert_eq!(requests.answered(blocks[2]), AnswerKind::Wanted);
        assert_eq!(
            (requests.cancel(blocks[1]), requests.cancel(blocks[2])),
            (RequestStep::Both, RequestStep::Nothing)
        );
        assert!(requests.set_choked(true));
        assert_eq!(requests.take_rejected(), [blocks[0], blocks[1], blocks[3], blocks[4]]);
        assert!(!requests.has_outstanding() && requests.take_rejected().is_empty());
    }

    #[test]
    fn withdrawn_block_may_come_once_and_unrequested_never() {
        let blocks = blocks();
        let mut requests = OutstandingRequests::new(false);
        requests.set_choked(false);
        requests.request(blocks[0]);
        requests.set_choked(true);
        assert_eq!(requests.answered(blocks[0]), AnswerKind::Late);
        assert_eq!(requests.answered(blocks[0]), AnswerKind::Unrequested);
        assert_eq!(requests.answered(blocks[1]), AnswerKind::Unrequested);
    }

    #[test]
    fn repeated_request_may_be_answered_twice() {
        let blocks = blocks();
        let mut requests = OutstandingRequests::new(false);
        requests.set_choked(false);
        requests.request(blocks[0]);
        requests.withdraw_all();
        assert_eq!(requests.request(blocks[0]), RequestStep::Send);
        assert_eq!(
            (requests.answered(blocks[0]), requests.answered(blocks[0])),
            (AnswerKind::Wanted, AnswerKind::Late)
        );
        assert_eq!(requests.answered(blocks[0]), AnswerKind::Unrequested);
        assert!(requests.take_rejected().is_empty());
    }

    #[test]
    fn with_the_fast_extension_the_peer_rejects_what_it_drops() {
        let blocks = blocks();
        let mut requests = OutstandingRequests::new(true);
        assert_eq!(requests.request(blocks[0]), RequestStep::Send);
        requests.set_choked(false);
        requests.request(blocks[1]);
        requests.set_choked(true);
        assert!(requests.has_outstanding() && requests.take_rejected().is_empty());
        assert_eq!(
            (requests.answered(blocks[0]), requests.answered(blocks[1])),
            (AnswerKind::Wanted, AnswerKind::Wanted)
        );
        requests.request(blocks[2]);
        requests.cancel(blocks[2]);
        assert_eq!(
            (requests.take_rejected(), requests.answered(blocks[2])),
            (vec![blocks[2]], AnswerKind::Late)
        );
    }

    #[test]
    fn remembered_cancelled_requests_are_bounded() {
        let blocks = blocks();
        let mut requests = OutstandingRequests::new(true);
        for _ in 0..MAX_WITHDRAWN + 1000 {
            requests.request(blocks[0]);
            requests.cancel(blocks[0]);
        }
        assert_eq!(requests.withdrawn.len(), MAX_WITHDRAWN);
    }
}
