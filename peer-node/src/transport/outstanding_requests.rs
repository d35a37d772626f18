//! What we have asked of one peer.

use std::collections::VecDeque;

use protocol::geometry::Block;

/// So many blocks that come although they were taken back are let pass; of more the oldest are forgotten.
const MAX_WITHDRAWN: usize = 2048;

/// The requests of one connection that have no answer yet.
///
/// The protocol knows no answer to a request that is cancelled, nor to one that a choke drops, but for the fast extension;
/// and not all clients that speak that reject what was cancelled. Such requests are answered here instead, and what comes
/// for them later is let pass.
#[derive(Debug)]
pub(crate) struct OutstandingRequests {
    has_fast: bool,
    is_choked: bool,
    /// In the order in which they were made, which is mostly that of the answers.
    open: VecDeque<Block>,
    withdrawn: VecDeque<Block>,
    /// Rejections that nobody was told of yet.
    rejected: Vec<Block>,
}

/// What is to be done about a request that is to be made or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestStep {
    /// Tell the other side.
    Send,
    /// Whoever waits for it is to be told that it is rejected.
    ReportRejected,
    /// Tell the other side, and whoever waits for it.
    Both,
    /// Nothing.
    Nothing,
}

/// What to think of a block, or of a rejection, that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// It answers a request.
    Wanted,
    /// It answers one that was taken back.
    Late,
    /// It answers none: a violation.
    Unrequested,
}

impl OutstandingRequests {
    pub(crate) fn new(has_fast: bool) -> Self {
        let (open, taken_back) = (VecDeque::new(), VecDeque::new());
        Self { has_fast, is_choked: true, open, withdrawn: taken_back, rejected: Vec::new() }
    }

    /// Notes a request that is to be made.
    pub(crate) fn request(&mut self, block: Block) -> RequestStep {
        // A peer without the fast extension drops what comes behind its choke without a word.
        if self.is_choked && !self.has_fast {
            self.rejected.push(block);
            return RequestStep::ReportRejected;
        }
        self.open.push_back(block);
        RequestStep::Send
    }

    /// Notes that a block is no longer wanted.
    pub(crate) fn cancel(&mut self, block: Block) -> RequestStep {
        if !remove(&mut self.open, block) {
            return RequestStep::Nothing;
        }
        self.withdraw(block);
        RequestStep::Both
    }

    /// Notes that what is owed is taken for lost, and may be asked for again. It may still come; nobody is told of a rejection.
    pub(crate) fn give_up(&mut self) {
        for block in std::mem::take(&mut self.open) {
            self.remember_withdrawn(block);
        }
    }

    /// Takes in that a block comes, or is rejected.
    pub(crate) fn answered(&mut self, block: Block) -> AnswerKind {
        if remove(&mut self.open, block) {
            AnswerKind::Wanted
        } else if remove(&mut self.withdrawn, block) {
            AnswerKind::Late
        } else {
            AnswerKind::Unrequested
        }
    }

    /// Notes that the other side serves nothing, or again; says whether that is new.
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

    /// Says whether the other side owes any block.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns the rejections that nobody was told of yet.
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

/// Takes the first request for a block out; says whether there was one.
fn remove(requests: &mut VecDeque<Block>, block: Block) -> bool {
    let place = requests.iter().position(|other| *other == block);
    place.and_then(|at| requests.remove(at)).is_some()
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
        let mut asked = OutstandingRequests::new(false);
        assert_eq!(asked.request(blocks[0]), RequestStep::ReportRejected);
        assert!(asked.set_choked(false) && !asked.set_choked(false));
        assert_eq!(
            blocks[1..5].iter().map(|block| asked.request(*block)).collect::<Vec<_>>(),
            [RequestStep::Send; 4]
        );
        assert_eq!(asked.answered(blocks[2]), AnswerKind::Wanted);
        assert_eq!(
            (asked.cancel(blocks[1]), asked.cancel(blocks[2])),
            (RequestStep::Both, RequestStep::Nothing)
        );
        assert!(asked.set_choked(true));
        assert_eq!(asked.take_rejected(), [blocks[0], blocks[1], blocks[3], blocks[4]]);
        assert!(!asked.has_outstanding() && asked.take_rejected().is_empty());
    }

    #[test]
    fn withdrawn_block_may_come_once_and_unrequested_never() {
        let blocks = blocks();
        let mut asked = OutstandingRequests::new(false);
        asked.set_choked(false);
        asked.request(blocks[0]);
        asked.set_choked(true);
        assert_eq!(asked.answered(blocks[0]), AnswerKind::Late);
        assert_eq!(asked.answered(blocks[0]), AnswerKind::Unrequested);
        assert_eq!(asked.answered(blocks[1]), AnswerKind::Unrequested);
    }

    #[test]
    fn repeated_request_may_be_answered_twice() {
        let blocks = blocks();
        let mut asked = OutstandingRequests::new(false);
        asked.set_choked(false);
        asked.request(blocks[0]);
        asked.give_up();
        assert_eq!(asked.request(blocks[0]), RequestStep::Send);
        assert_eq!(
            (asked.answered(blocks[0]), asked.answered(blocks[0])),
            (AnswerKind::Wanted, AnswerKind::Late)
        );
        assert_eq!(asked.answered(blocks[0]), AnswerKind::Unrequested);
        assert!(asked.take_rejected().is_empty());
    }

    #[test]
    fn with_the_fast_extension_the_peer_rejects_what_it_drops() {
        let blocks = blocks();
        let mut asked = OutstandingRequests::new(true);
        assert_eq!(asked.request(blocks[0]), RequestStep::Send);
        asked.set_choked(false);
        asked.request(blocks[1]);
        asked.set_choked(true);
        assert!(asked.has_outstanding() && asked.take_rejected().is_empty());
        assert_eq!(
            (asked.answered(blocks[0]), asked.answered(blocks[1])),
            (AnswerKind::Wanted, AnswerKind::Wanted)
        );
        asked.request(blocks[2]);
        asked.cancel(blocks[2]);
        assert_eq!((asked.take_rejected(), asked.answered(blocks[2])), (vec![blocks[2]], AnswerKind::Late));
    }

    #[test]
    fn remembered_cancelled_requests_are_bounded() {
        let blocks = blocks();
        let mut asked = OutstandingRequests::new(true);
        for _ in 0..MAX_WITHDRAWN + 1000 {
            asked.request(blocks[0]);
            asked.cancel(blocks[0]);
        }
        assert_eq!(asked.withdrawn.len(), MAX_WITHDRAWN);
    }
}
