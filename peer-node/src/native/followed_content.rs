use std::sync::Arc;

use protocol::peer::{ChannelId, PeerMessage};
use tokio::sync::Notify;

use crate::native::partials::{Partial, PartialStatus};

/// A partial content of which one peer is told every piece that comes. The content keeps the list of its pieces; here is
/// only how far the peer has been told.
#[derive(Debug)]
pub(super) struct FollowedContent {
    channel: ChannelId,
    partial: Arc<Partial>,
    cursor: usize,
}

/// A change in what a peer is told of.
#[derive(Debug)]
pub(super) enum FollowChange {
    Begin(FollowedContent),
    End(ChannelId),
}

impl FollowedContent {
    /// Begins behind the pieces that are here now, which are returned as a bitfield's bytes; `bell` is rung at news.
    pub(super) fn begin(channel: ChannelId, partial: Arc<Partial>, bell: &Arc<Notify>) -> (Vec<u8>, Self) {
        let (here, cursor) = partial.follow(bell);
        (here.as_bytes().to_vec(), Self { channel, partial, cursor })
    }

    /// Adds what is new, some messages at most; says whether there may be more another time.
    pub(super) fn take_news(&mut self, most: usize, news: &mut Vec<PeerMessage>) -> bool {
        let channel = self.channel;
        // Before the pieces are read: none can come behind the end.
        let standing = self.partial.status();
        let room = most.saturating_sub(news.len());
        let pieces = self.partial.read(&mut self.cursor, room);
        let is_all = pieces.len() < room;
        news.extend(pieces.into_iter().map(|piece| PeerMessage::Have { channel, piece: piece.get() }));
        if is_all && standing == PartialStatus::Withdrawn {
            news.push(PeerMessage::NotShared { channel });
        }
        !is_all || standing == PartialStatus::Growing
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
