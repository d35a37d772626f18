use std::sync::Arc;

use protocol::peer::{ChannelId, PeerMessage};
use tokio::sync::Notify;

use crate::native::partials::{Partial, PartialStatus};

/// A partial content of which one peer is notified of every new piece. The partial content keeps the list of pieces; this is
/// only the peer's position in it.
#[derive(Debug)]
pub(super) struct FollowedContent {
    channel: ChannelId,
    partial: Arc<Partial>,
    cursor: usize,
}

/// A change in what a peer follows.
#[derive(Debug)]
pub(super) enum FollowChange {
    Begin(FollowedContent),
    End(ChannelId),
}

impl FollowedContent {
    /// Starts after the pieces that we have now, which are returned as the bytes of a bitfield. `bell` is notified of every
    /// new piece.
    pub(super) fn begin(channel: ChannelId, partial: Arc<Partial>, bell: &Arc<Notify>) -> (Vec<u8>, Self) {
        let (have, cursor) = partial.follow(bell);
        (have.as_bytes().to_vec(), Self { channel, partial, cursor })
    }

    /// Appends new messages until `news` holds `most`. Returns true if more may follow later.
    pub(super) fn take_news(&mut self, most: usize, news: &mut Vec<PeerMessage>) -> bool {
        let channel = self.channel;
        // The status must be read before the pieces: no piece can be added after the end.
        let status = self.partial.status();
        let room = most.saturating_sub(news.len());
        let pieces = self.partial.read(&mut self.cursor, room);
        let is_all = pieces.len() < room;
        news.extend(pieces.into_iter().map(|piece| PeerMessage::Have { channel, piece: piece.get() }));
        if is_all && status == PartialStatus::Withdrawn {
            news.push(PeerMessage::NotShared { channel });
        }
        !is_all || status == PartialStatus::Growing
    }
}

impl FollowChange {
    pub(super) fn apply(self, following: &mut Vec<FollowedContent>) {
        match self {
            Self::Begin(one) => following.push(one),
            Self::End(channel) => following.retain(|one| one.channel != channel),
        }
    }
}
