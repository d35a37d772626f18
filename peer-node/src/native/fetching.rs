//! The contents that we fetch over one connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::peer::{BlockRef, ChannelId, FileDetails};
use tokio::sync::mpsc;

use super::link::FetchChannel;
use crate::transport::Buffer;
use swarm::SourceId;

/// What a source says about a content, or what becomes of it.
#[derive(Debug)]
pub enum SourceEvent {
    /// It has been asked for the content: the first event of a source that was reached by `Links::open`.
    Opened {
        /// What it is asked by.
        channel: FetchChannel,
        /// Whether the first states of its manifest are to come with its offer.
        with_manifest: bool,
    },
    /// It has the content.
    Offered {
        /// The content's size in bytes, as the source says.
        size: u64,
        /// The id of the manifest that it would give.
        manifest: Digest,
        /// The pieces that it has, as a bitfield's bytes; none when it has all.
        pieces: Option<Vec<u8>>,
        /// Whether it serves no request at the moment.
        choked: bool,
    },
    /// It serves no request from now on: those that wait will be rejected, each by itself. Sent again when the position
    /// changes, and perhaps before the content was offered.
    Choked {
        /// Our position in its queue.
        position: QueuePosition,
    },
    /// It serves requests from now on.
    Unchoked,
    /// It does not have the content, or no longer; the channel is closed.
    NotShared,
    /// What it knows of its files that have the content, each of them valid.
    Details {
        /// The files, a few.
        files: Vec<FileDetails>,
    },
    /// States of its manifest.
    ManifestPart {
        /// The first of them.
        first: u32,
        /// The states.
        states: Vec<[u8; 32]>,
    },
    /// It has one more piece.
    Has {
        /// Which.
        piece: u32,
    },
    /// Some bytes of a block that takes long.
    Bytes {
        /// How many, since this was last said: 0 if what was asked for waits behind another content's block, so that its
        /// not coming says nothing of the source.
        count: u64,
    },
    /// A whole block that it was asked for.
    Block {
        /// Which.
        reference: BlockRef,
        /// Its bytes.
        data: Buffer,
        /// Those not told of yet.
        count: u64,
    },
    /// It will not send a block that it was asked for.
    Rejected {
        /// Which.
        reference: BlockRef,
    },
    /// The connection is gone.
    Disconnected {
        /// Why.
        reason: String,
    },
}

/// Our position in a source's queue, as the source reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePosition {
    /// 1 is next, 0 says that we are not in the queue.
    pub place: u32,
    /// How many wait in the queue, if the source reports that.
    pub length: Option<u32>,
}

/// Where events of many sources come together, each under its source's number.
pub(super) type SourceEvents = mpsc::Sender<(SourceId, SourceEvent)>;

/// The first channel of a connection.
pub(super) const FIRST_CHANNEL: ChannelId = 0;

/// The channels that we opened.
#[derive(Debug, Default)]
pub(super) struct FetchTable {
    channels: Mutex<FetchChannels>,
}

#[derive(Debug, Default)]
struct FetchChannels {
    next: ChannelId,
    open: HashMap<ChannelId, OpenFetch>,
    /// Whether the other side serves us.
    is_unchoked: bool,
    /// The position in its queue that it reported last.
    position: Option<QueuePosition>,
    /// Whether the connection is over: then nobody would ever hear of a channel again.
    is_closed: bool,
}

#[derive(Debug)]
struct OpenFetch {
    /// Who wants to know; nobody once we have closed the channel.
    listener: Option<(SourceId, SourceEvents)>,
    /// What was asked for and not answered, with how often. A closed channel is forgotten only when this is empty.
    outstanding: HashMap<BlockRef, u32>,
}

/// Somebody who wants a block, or its absence, reported.
pub(super) type FetchListener = Option<(SourceId, SourceEvents)>;

impl FetchTable {
    /// Takes in a channel; nothing if the connection is over.
    pub(super) fn open(&self, source: SourceId, events: SourceEvents) -> Option<ChannelId> {
        let mut channels = self.channels.lock();
        if channels.is_closed {
            return None;
        }
        let channel = channels.next;
        channels.next = channels.next.wrapping_add(1);
        let fetch = OpenFetch { listener: Some((source, events)), outstanding: HashMap::new() };
        channels.open.insert(channel, fetch);
        Some(channel)
    }

    pub(super) fn requested(&self, reference: BlockRef) {
        if let Some(fetch) = self.channels.lock().open.get_mut(&reference.channel) {
            *fetch.outstanding.entry(reference).or_default() += 1;
        }
    }

    /// Takes in that a request is answered. Nothing is returned if there was no such request.
    pub(super) fn answered(&self, reference: BlockRef) -> Option<FetchListener> {
        let mut channels = self.channels.lock();
        let fetch = channels.open.get_mut(&reference.channel)?;
        let Entry::Occupied(mut asked) = fetch.outstanding.entry(reference) else { return None };
        // What was cancelled may have been asked for again before the first answer came.
        *asked.get_mut() -= 1;
        if *asked.get() == 0 {
            asked.remove();
        }
        let listener = fetch.listener.clone();
        if listener.is_none() && fetch.outstanding.is_empty() {
            channels.open.remove(&reference.channel);
        }
        Some(listener)
    }

    /// Returns who listens to a channel that is open.
    pub(super) fn listener(&self, channel: ChannelId) -> FetchListener {
        self.channels.lock().open.get(&channel)?.listener.clone()
    }

    /// Forgets a channel, at once or when its last request is answered.
    pub(super) fn close(&self, channel: ChannelId) {
        let mut channels = self.channels.lock();
        if let Some(fetch) = channels.open.get_mut(&channel) {
            fetch.listener = None;
            if fetch.outstanding.is_empty() {
                channels.open.remove(&channel);
            }
        }
    }

    /// Says whether the other side serves no request of ours.
    pub(super) fn is_choked(&self) -> bool {
        !self.channels.lock().is_unchoked
    }

    /// Returns our position in the other side's queue, if it reported one and does not serve us.
    pub(super) fn position(&self) -> Option<QueuePosition> {
        self.channels.lock().position
    }

    /// Takes in that the other side serves us, or our position in its queue. Returns everybody who is to know; nobody if
    /// that is nothing new.
    pub(super) fn position_changed(&self, position: Option<QueuePosition>) -> Vec<(SourceId, SourceEvents)> {
        let mut channels = self.channels.lock();
        let is_unchoked = position.is_none();
        if (channels.is_unchoked, channels.position) == (is_unchoked, position) {
            return Vec::new();
        }
        (channels.is_unchoked, channels.position) = (is_unchoked, position);
        channels.open.values().filter_map(|fetch| fetch.listener.clone()).collect()
    }

    /// Tells all who wait for an answer that it is held up by a block on the same connection, but for the one whose block
    /// it is.
    pub(super) fn notify_held_up(&self, besides: Option<ChannelId>) {
        for (channel, fetch) in &self.channels.lock().open {
            if Some(*channel) != besides
                && !fetch.outstanding.is_empty()
                && let Some((source, events)) = &fetch.listener
            {
                // Where there is no room there is more than enough to hear.
                let _ = events.try_send((*source, SourceEvent::Bytes { count: 0 }));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.lock().open.is_empty()
    }

    /// Forgets all channels, lets none be opened any more, and returns who listened to them.
    pub(super) fn drain(&self) -> Vec<(SourceId, SourceEvents)> {
        let mut channels = self.channels.lock();
        channels.is_closed = true;
        channels.open.drain().filter_map(|(_, fetch)| fetch.listener).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_hears_of_the_end_or_is_not_opened() {
        let (events, _) = mpsc::channel(1);
        let table = FetchTable::default();
        assert_eq!(table.open(SourceId(1), events.clone()), Some(0));
        assert_eq!(table.drain().len(), 1);
        assert_eq!(table.open(SourceId(2), events), None);
    }

    #[test]
    fn repeated_request_has_two_answers_and_no_third() {
        let (events, _) = mpsc::channel(1);
        let table = FetchTable::default();
        let channel = table.open(SourceId(1), events).unwrap();
        let reference = BlockRef { channel, piece: 0, begin: 0, length: 1 };
        table.requested(reference);
        table.requested(reference);
        assert!(table.answered(reference).is_some());
        table.close(channel);
        assert!(matches!(table.answered(reference), Some(None)));
        assert!(table.answered(reference).is_none() && table.is_empty());
    }

    #[test]
    fn channels_held_up_by_another_block_are_notified() {
        let (events, mut heard) = mpsc::channel(8);
        let table = FetchTable::default();
        let channels: Vec<ChannelId> =
            (0..3).map(|id| table.open(SourceId(id), events.clone()).unwrap()).collect();
        for channel in &channels[..2] {
            table.requested(BlockRef { channel: *channel, piece: 0, begin: 0, length: 1 });
        }
        table.notify_held_up(Some(channels[0]));
        assert!(matches!(heard.try_recv(), Ok((SourceId(1), SourceEvent::Bytes { count: 0 }))));
        assert!(heard.try_recv().is_err());
        table.notify_held_up(None);
        assert_eq!(std::iter::from_fn(|| heard.try_recv().ok()).count(), 2);
    }

    #[test]
    fn position_is_reported_to_all_channels_once() {
        let (events, _) = mpsc::channel(1);
        let table = FetchTable::default();
        (0..2).for_each(|id| assert!(table.open(SourceId(id), events.clone()).is_some()));
        assert!(table.is_choked() && table.position().is_none());
        let at = |place, length| Some(QueuePosition { place, length });
        let told: Vec<usize> = [at(1, None), at(1, None), at(1, Some(3)), None, None, at(2, Some(3))]
            .map(|position| table.position_changed(position).len())
            .into();
        assert_eq!(told, [2, 0, 2, 2, 0, 2]);
        assert_eq!((table.is_choked(), table.position()), (true, at(2, Some(3))));
    }
}
