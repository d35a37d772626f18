use std::collections::{BTreeSet, VecDeque};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredMessage, Framing, piece_head};
use protocol::geometry::{Geometry, PieceIndex};
use tokio::sync::Notify;

/// So many pieces one neighbour may be waiting for; by the rules of the dialect it waits for one.
pub(super) const MAX_QUEUED_PIECES: usize = 1024;

/// What is said to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutgoingMessage {
    /// A message that is whole as it is.
    Short(ConfiguredMessage<'static>),
    /// The pieces that are here.
    Bitfield(Bitfield),
    /// A piece.
    Piece(PieceIndex),
}

impl OutgoingMessage {
    /// Appends it in a framing; of a piece only the head.
    pub(super) fn encode(&self, framing: Framing, geometry: &Geometry, out: &mut Vec<u8>) {
        match self {
            Self::Short(message) => message.encode(framing, out),
            Self::Bitfield(pieces) => ConfiguredMessage::Bitfield(pieces.as_bytes()).encode(framing, out),
            Self::Piece(piece) => {
                out.extend_from_slice(&piece_head(framing, *piece, geometry.length_of(*piece)));
            }
        }
    }
}

/// What waits to be said to a neighbour, in order: a choke stands behind the pieces that were asked for before it.
#[derive(Debug)]
pub(super) struct GroupSendQueue {
    queued: Mutex<QueuedMessages>,
    changed: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct QueuedMessages {
    messages: VecDeque<OutgoingMessage>,
    /// The pieces among them.
    pieces: BTreeSet<PieceIndex>,
    is_closed: bool,
}

/// Somebody asks for more than is owed to anybody, or hears nothing of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueOverflow;

impl GroupSendQueue {
    /// Makes a queue that has room for news of every piece.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let most = geometry.piece_count() as usize + 16 * MAX_QUEUED_PIECES;
        Self { queued: Mutex::default(), changed: Notify::new(), capacity: most }
    }

    /// Appends what is to be said. A piece that waits already answers a repeated request for it.
    pub(super) fn push(&self, saying: OutgoingMessage) -> Result<(), QueueOverflow> {
        let mut waiting = self.queued.lock();
        if let OutgoingMessage::Piece(piece) = &saying
            && !waiting.pieces.insert(*piece)
        {
            return Ok(());
        }
        if waiting.pieces.len() > MAX_QUEUED_PIECES || waiting.messages.len() >= self.capacity {
            return Err(QueueOverflow);
        }
        waiting.messages.push_back(saying);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Lets nothing follow what waits.
    pub(super) fn close(&self) {
        self.queued.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes what is said next: a few messages, or some and then a piece. Waits until there is any; nothing is the end.
    pub(super) async fn next_batch(&self) -> Option<Vec<OutgoingMessage>> {
        loop {
            {
                let mut waiting = self.queued.lock();
                if !waiting.messages.is_empty() {
                    return Some(waiting.take_batch());
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl QueuedMessages {
    fn take_batch(&mut self) -> Vec<OutgoingMessage> {
        let mut taken = Vec::new();
        while let Some(saying) = self.messages.pop_front() {
            let is_piece = matches!(&saying, OutgoingMessage::Piece(piece) if self.pieces.remove(piece));
            taken.push(saying);
            if is_piece || taken.len() == MAX_QUEUED_PIECES {
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
    async fn pieces_requested_before_a_choke_are_sent_before_it() {
        let geometry = Geometry::new(30, 10).unwrap();
        let queue = GroupSendQueue::new(&geometry);
        let pieces: Vec<OutgoingMessage> = geometry.pieces().map(OutgoingMessage::Piece).collect();
        let choke = OutgoingMessage::Short(ConfiguredMessage::Choke);
        for saying in [choke.clone(), pieces[0].clone(), pieces[1].clone(), choke.clone()] {
            queue.push(saying).unwrap();
        }
        queue.close();
        assert_eq!(queue.next_batch().await, Some(vec![choke.clone(), pieces[0].clone()]));
        assert_eq!(queue.next_batch().await, Some(vec![pieces[1].clone()]));
        assert_eq!(queue.next_batch().await, Some(vec![choke]));
        assert_eq!(queue.next_batch().await, None);
    }

    #[tokio::test]
    async fn a_repeated_request_is_answered_once() {
        let geometry = Geometry::new(30, 10).unwrap();
        let (queue, piece) =
            (GroupSendQueue::new(&geometry), OutgoingMessage::Piece(geometry.piece(1).unwrap()));
        queue.push(piece.clone()).unwrap();
        queue.push(piece.clone()).unwrap();
        assert_eq!(queue.next_batch().await, Some(vec![piece.clone()]));
        queue.push(piece.clone()).unwrap();
        queue.close();
        assert_eq!((queue.next_batch().await, queue.next_batch().await), (Some(vec![piece]), None));
    }

    #[test]
    fn queue_is_bounded() {
        let geometry = Geometry::new(20_000, 1).unwrap();
        let queue = GroupSendQueue::new(&geometry);
        let pushed = geometry.pieces().take_while(|piece| queue.push(OutgoingMessage::Piece(*piece)).is_ok());
        assert_eq!(pushed.count(), MAX_QUEUED_PIECES);
        let geometry = Geometry::new(30, 10).unwrap();
        let queue = GroupSendQueue::new(&geometry);
        let pushed = (0..100_000)
            .take_while(|_| queue.push(OutgoingMessage::Short(ConfiguredMessage::Interested)).is_ok());
        assert!(pushed.count() < 20_000);
    }
}
