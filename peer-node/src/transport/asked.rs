//! What we have asked of one peer.

use std::collections::VecDeque;

use protocol::geometry::Block;

/// So many blocks that come although they were taken back are let pass; of more the oldest are forgotten.
const MAX_TAKEN_BACK: usize = 2048;

/// The requests of one connection that have no answer yet.
///
/// The protocol knows no answer to a request that is cancelled, nor to one that a choke drops, but for the fast extension;
/// and not all clients that speak that reject what was cancelled. Such requests are answered here instead, and what comes
/// for them later is let pass.
#[derive(Debug)]
pub(crate) struct Asked {
    has_fast: bool,
    is_choked: bool,
    /// In the order in which they were made, which is mostly that of the answers.
    open: VecDeque<Block>,
    taken_back: VecDeque<Block>,
    /// Rejections that nobody was told of yet.
    rejected: Vec<Block>,
}

/// What is to be done about a request that is to be made or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Tell the other side.
    Say,
    /// Whoever waits for it is to be told that it is rejected.
    Reject,
    /// Tell the other side, and whoever waits for it.
    Both,
    /// Nothing.
    Nothing,
}

/// What to think of a block, or of a rejection, that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answers a request.
    Wanted,
    /// It answers one that was taken back.
    Late,
    /// It answers none: a violation.
    Unasked,
}

impl Asked {
    pub(crate) fn new(has_fast: bool) -> Self {
        let (open, taken_back) = (VecDeque::new(), VecDeque::new());
        Self { has_fast, is_choked: true, open, taken_back, rejected: Vec::new() }
    }

    /// Notes a request that is to be made.
    pub(crate) fn ask(&mut self, block: Block) -> Step {
        // A peer without the fast extension drops what comes behind its choke without a word.
        if self.is_choked && !self.has_fast {
            self.rejected.push(block);
            return Step::Reject;
        }
        self.open.push_back(block);
        Step::Say
    }

    /// Notes that a block is no longer wanted.
    pub(crate) fn cancel(&mut self, block: Block) -> Step {
        if !remove(&mut self.open, block) {
            return Step::Nothing;
        }
        self.take_back(block);
        Step::Both
    }

    /// Notes that what is owed is taken for lost, and may be asked for again. It may still come; nobody is told of a rejection.
    pub(crate) fn give_up(&mut self) {
        for block in std::mem::take(&mut self.open) {
            self.let_pass(block);
        }
    }

    /// Takes in that a block comes, or is rejected.
    pub(crate) fn answered(&mut self, block: Block) -> Answer {
        if remove(&mut self.open, block) {
            Answer::Wanted
        } else if remove(&mut self.taken_back, block) {
            Answer::Late
        } else {
            Answer::Unasked
        }
    }

    /// Notes that the other side serves nothing, or again; says whether that is new.
    pub(crate) fn choked(&mut self, is_choked: bool) -> bool {
        if self.is_choked == is_choked {
            return false;
        }
        self.is_choked = is_choked;
        if is_choked && !self.has_fast {
            for block in std::mem::take(&mut self.open) {
                self.take_back(block);
            }
        }
        true
    }

    pub(crate) const fn is_choked(&self) -> bool {
        self.is_choked
    }

    /// Says whether the other side owes any block.
    pub(crate) fn is_owed(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns the rejections that nobody was told of yet.
    pub(crate) fn take_rejected(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.rejected)
    }

    fn take_back(&mut self, block: Block) {
        self.rejected.push(block);
        self.let_pass(block);
    }

    fn let_pass(&mut self, block: Block) {
        self.taken_back.push_back(block);
        if self.taken_back.len() > MAX_TAKEN_BACK {
            self.taken_back.pop_front();
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
        let mut asked = Asked::new(false);
        assert_eq!(asked.ask(blocks[0]), Step::Reject);
        assert!(asked.choked(false) && !asked.choked(false));
        assert_eq!(blocks[1..5].iter().map(|block| asked.ask(*block)).collect::<Vec<_>>(), [Step::Say; 4]);
        assert_eq!(asked.answered(blocks[2]), Answer::Wanted);
        assert_eq!((asked.cancel(blocks[1]), asked.cancel(blocks[2])), (Step::Both, Step::Nothing));
        assert!(asked.choked(true));
        assert_eq!(asked.take_rejected(), [blocks[0], blocks[1], blocks[3], blocks[4]]);
        assert!(!asked.is_owed() && asked.take_rejected().is_empty());
    }

    #[test]
    fn what_was_taken_back_may_come_once_and_what_was_not_asked_for_never() {
        let blocks = blocks();
        let mut asked = Asked::new(false);
        asked.choked(false);
        asked.ask(blocks[0]);
        asked.choked(true);
        assert_eq!(asked.answered(blocks[0]), Answer::Late);
        assert_eq!(asked.answered(blocks[0]), Answer::Unasked);
        assert_eq!(asked.answered(blocks[1]), Answer::Unasked);
    }

    #[test]
    fn a_repeated_request_may_be_answered_twice_and_nobody_is_told_of_a_rejection() {
        let blocks = blocks();
        let mut asked = Asked::new(false);
        asked.choked(false);
        asked.ask(blocks[0]);
        asked.give_up();
        assert_eq!(asked.ask(blocks[0]), Step::Say);
        assert_eq!((asked.answered(blocks[0]), asked.answered(blocks[0])), (Answer::Wanted, Answer::Late));
        assert_eq!(asked.answered(blocks[0]), Answer::Unasked);
        assert!(asked.take_rejected().is_empty());
    }

    #[test]
    fn with_the_fast_extension_the_peer_rejects_what_it_drops() {
        let blocks = blocks();
        let mut asked = Asked::new(true);
        assert_eq!(asked.ask(blocks[0]), Step::Say);
        asked.choked(false);
        asked.ask(blocks[1]);
        asked.choked(true);
        assert!(asked.is_owed() && asked.take_rejected().is_empty());
        assert_eq!((asked.answered(blocks[0]), asked.answered(blocks[1])), (Answer::Wanted, Answer::Wanted));
        asked.ask(blocks[2]);
        asked.cancel(blocks[2]);
        assert_eq!((asked.take_rejected(), asked.answered(blocks[2])), (vec![blocks[2]], Answer::Late));
    }

    #[test]
    fn what_is_remembered_of_cancelled_requests_is_bounded() {
        let blocks = blocks();
        let mut asked = Asked::new(true);
        for _ in 0..MAX_TAKEN_BACK + 1000 {
            asked.ask(blocks[0]);
            asked.cancel(blocks[0]);
        }
        assert_eq!(asked.taken_back.len(), MAX_TAKEN_BACK);
    }
}
