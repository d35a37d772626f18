use std::collections::{BTreeSet, VecDeque};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::configured::{Framing, Message, piece_head};
use protocol::geometry::{Geometry, PieceIndex};
use tokio::sync::Notify;

/// So many pieces one neighbour may be waiting for; by the rules of the dialect it waits for one.
pub(super) const MAX_PIECES: usize = 1024;

/// What is said to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saying {
    /// A message that is whole as it is.
    Short(Message<'static>),
    /// The pieces that are here.
    Bitfield(Bitfield),
    /// A piece.
    Piece(PieceIndex),
}

impl Saying {
    /// Appends it in a framing; of a piece only the head.
    pub(super) fn encode(&self, framing: Framing, geometry: &Geometry, out: &mut Vec<u8>) {
        match self {
            Self::Short(message) => message.encode(framing, out),
            Self::Bitfield(pieces) => Message::Bitfield(pieces.as_bytes()).encode(framing, out),
            Self::Piece(piece) => {
                out.extend_from_slice(&piece_head(framing, *piece, geometry.length_of(*piece)));
            }
        }
    }
}

/// What waits to be said to a neighbour, in order: a choke stands behind the pieces that were asked for before it.
#[derive(Debug)]
pub(super) struct SendQueue {
    waiting: Mutex<Waiting>,
    bell: Notify,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    sayings: VecDeque<Saying>,
    /// The pieces among them.
    pieces: BTreeSet<PieceIndex>,
    is_last: bool,
}

/// Somebody asks for more than is owed to anybody, or hears nothing of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow;

impl SendQueue {
    /// Makes a queue that has room for news of every piece.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let most = geometry.piece_count() as usize + 16 * MAX_PIECES;
        Self { waiting: Mutex::default(), bell: Notify::new(), most }
    }

    /// Appends what is to be said. A piece that waits already answers a repeated request for it.
    pub(super) fn push(&self, saying: Saying) -> Result<(), Overflow> {
        let mut waiting = self.waiting.lock();
        if let Saying::Piece(piece) = &saying
            && !waiting.pieces.insert(*piece)
        {
            return Ok(());
        }
        if waiting.pieces.len() > MAX_PIECES || waiting.sayings.len() >= self.most {
            return Err(Overflow);
        }
        waiting.sayings.push_back(saying);
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    /// Lets nothing follow what waits.
    pub(super) fn end(&self) {
        self.waiting.lock().is_last = true;
        self.bell.notify_one();
    }

    /// Takes what is said next: a few messages, or some and then a piece. Waits until there is any; nothing is the end.
    pub(super) async fn next(&self) -> Option<Vec<Saying>> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if !waiting.sayings.is_empty() {
                    return Some(waiting.take());
                }
                if waiting.is_last {
                    return None;
                }
            }
            self.bell.notified().await;
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Vec<Saying> {
        let mut taken = Vec::new();
        while let Some(saying) = self.sayings.pop_front() {
            let is_piece = matches!(&saying, Saying::Piece(piece) if self.pieces.remove(piece));
            taken.push(saying);
            if is_piece || taken.len() == MAX_PIECES {
                break;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_asked_for_before_a_choke_is_given_before_it() {
        let geometry = Geometry::new(30, 10).unwrap();
        let queue = SendQueue::new(&geometry);
        let pieces: Vec<Saying> = geometry.pieces().map(Saying::Piece).collect();
        let choke = Saying::Short(Message::Choke);
        for saying in [choke.clone(), pieces[0].clone(), pieces[1].clone(), choke.clone()] {
            queue.push(saying).unwrap();
        }
        queue.end();
        assert_eq!(queue.next().await, Some(vec![choke.clone(), pieces[0].clone()]));
        assert_eq!(queue.next().await, Some(vec![pieces[1].clone()]));
        assert_eq!(queue.next().await, Some(vec![choke]));
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test]
    async fn a_repeated_request_is_answered_once() {
        let geometry = Geometry::new(30, 10).unwrap();
        let (queue, piece) = (SendQueue::new(&geometry), Saying::Piece(geometry.piece(1).unwrap()));
        queue.push(piece.clone()).unwrap();
        queue.push(piece.clone()).unwrap();
        assert_eq!(queue.next().await, Some(vec![piece.clone()]));
        queue.push(piece.clone()).unwrap();
        queue.end();
        assert_eq!((queue.next().await, queue.next().await), (Some(vec![piece]), None));
    }

    #[test]
    fn nobody_waits_for_more_than_is_owed_to_anybody() {
        let geometry = Geometry::new(20_000, 1).unwrap();
        let queue = SendQueue::new(&geometry);
        let pushed = geometry.pieces().take_while(|piece| queue.push(Saying::Piece(*piece)).is_ok());
        assert_eq!(pushed.count(), MAX_PIECES);
        let geometry = Geometry::new(30, 10).unwrap();
        let queue = SendQueue::new(&geometry);
        let pushed = (0..100_000).take_while(|_| queue.push(Saying::Short(Message::Interested)).is_ok());
        assert!(pushed.count() < 20_000);
    }
}
