use std::collections::{BTreeSet, VecDeque};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredMessage, Framing, piece_head};
use protocol::geometry::{Geometry, PieceIndex};
use tokio::sync::Notify;

/// Maximum number of pieces queued for one neighbour. The dialect allows it only one outstanding request.
pub(super) const MAX_QUEUED_PIECES: usize = 1024;

/// A message to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutgoingMessage {
    /// A message without a body to add.
    Short(ConfiguredMessage<'static>),
    /// The pieces that we have.
    Bitfield(Bitfield),
    /// A piece.
    Piece(PieceIndex),
}

impl OutgoingMessage {
    /// Appends the encoded message. For a piece only the header is appended.
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

/// The messages queued for a neighbour, in order: a choke follows the pieces that were requested before it.
#[derive(Debug)]
pub(super) struct GroupSendQueue {
    queued: Mutex<QueuedMessages>,
    changed: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct QueuedMessages {
    messages: VecDeque<OutgoingMessage>,
    /// Pieces in `messages`.
    pieces: BTreeSet<PieceIndex>,
    is_closed: bool,
}

/// The neighbour requests too many pieces, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueOverflow;

impl GroupSendQueue {
    /// Creates a queue with room for an announcement of every piece.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let most = geometry.piece_count() as usize + 16 * MAX_QUEUED_PIECES;
        Self { queued: Mutex::default(), changed: Notify::new(), capacity: most }
    }

    /// Appends a message. A piece that is already queued also answers a repeated request for it.
    pub(super) fn push(&self, message: OutgoingMessage) -> Result<(), QueueOverflow> {
        let mut queued = self.queued.lock();
        if let OutgoingMessage::Piece(piece) = &message
            && !queued.pieces.insert(*piece)
        {
            return Ok(());
        }
        if queued.pieces.len() > MAX_QUEUED_PIECES || queued.messages.len() >= self.capacity {
            return Err(QueueOverflow);
        }
        queued.messages.push_back(message);
        drop(queued);
        self.changed.notify_one();
        Ok(())
    }

    /// Closes the queue. Queued messages are still sent.
    pub(super) fn close(&self) {
        self.queued.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes the next messages: a few of them, or some followed by one piece. Waits until there are any. Returns `None` once
    /// the queue is closed and empty. Cancel safe.
    pub(super) async fn next_batch(&self) -> Option<Vec<OutgoingMessage>> {
        loop {
            {
                let mut queued = self.queued.lock();
                if !queued.messages.is_empty() {
                    return Some(queued.take_batch());
                }
                if queued.is_closed {
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
        while let Some(message) = self.messages.pop_front() {
            let is_piece = matches!(&message, OutgoingMessage::Piece(piece) if self.pieces.remove(piece));
            taken.push(message);
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
        for message in [choke.clone(), pieces[0].clone(), pieces[1].clone(), choke.clone()] {
            queue.push(message).unwrap();
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
