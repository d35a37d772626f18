//! The contents that we fetch over one link.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::peer::{BlockRef, ChannelId, FileDetails};
use tokio::sync::mpsc;

use super::link::FetchChannel;
use crate::transport::Buffer;
use swarm::SourceId;

/// An event of one source of a content.
#[derive(Debug)]
pub(crate) enum SourceEvent {
    /// The request for the content was sent. This is the first event of a source that was reached by `Links::open`.
    Opened {
        /// Channel for further requests.
        channel: FetchChannel,
        /// Whether the first manifest states were requested along with the content.
        with_manifest: bool,
    },
    /// The source offers the content.
    Offered {
        /// Content size in bytes, as reported by the source.
        size: u64,
        /// Id of the manifest that the source serves.
        manifest: Digest,
        /// Pieces that the source has, as the bytes of a bitfield; `None` for all pieces.
        pieces: Option<Vec<u8>>,
        /// Whether the source currently serves no requests.
        choked: bool,
    },
    /// The source stopped serving requests. It rejects each pending request. Repeated when the queue position changes; may
    /// arrive before the offer.
    Choked {
        /// Our position in the source's queue.
        position: QueuePosition,
    },
    /// The source serves requests from now on.
    Unchoked,
    /// The source does not have the content, or no longer has it. The channel is closed.
    NotShared,
    /// Valid details of some of the source's files with this content.
    Details {
        /// The files.
        files: Vec<FileDetails>,
    },
    /// States of the source's manifest.
    ManifestPart {
        /// Index of the first state.
        first: u32,
        /// The states.
        states: Vec<[u8; 32]>,
    },
    /// The source has one more piece.
    Has {
        /// Index of the piece.
        piece: u32,
    },
    /// Progress of a slow block.
    Bytes {
        /// Bytes received since the last event. 0 means that the requested block waits behind a block of another content, so
        /// that the delay is not the source's fault.
        count: u64,
    },
    /// A requested block has arrived completely.
    Block {
        /// The block.
        reference: BlockRef,
        /// Its bytes.
        data: Buffer,
        /// Bytes not yet reported by `Bytes` events.
        count: u64,
    },
    /// The source will not send a requested block.
    Rejected {
        /// The block.
        reference: BlockRef,
    },
    /// The connection has ended.
    Disconnected {
        /// Reason for display.
        reason: String,
    },
}

/// Our position in a source's queue, as the source reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueuePosition {
    /// 1 is next; 0 means that we are not in the queue.
    pub position: u32,
    /// Length of the queue, if the source reports it.
    pub length: Option<u32>,
}

/// Carries the events of many sources, each tagged with its source.
pub(super) type SourceEvents = mpsc::Sender<(SourceId, SourceEvent)>;

/// The first channel of a link.
pub(super) const FIRST_CHANNEL: ChannelId = 0;

/// The channels that we have open.
#[derive(Debug, Default)]
pub(super) struct FetchTable {
    channels: Mutex<FetchChannels>,
}

#[derive(Debug, Default)]
struct FetchChannels {
    next: ChannelId,
    open: HashMap<ChannelId, OpenFetch>,
    /// Whether the peer serves us.
    is_unchoked: bool,
    /// Last reported position in the peer's queue.
    position: Option<QueuePosition>,
    /// Whether the connection has ended. No channel can be opened afterwards, because it would receive no events.
    is_closed: bool,
}

#[derive(Debug)]
struct OpenFetch {
    /// Receiver of events; `None` after we closed the channel.
    listener: Option<(SourceId, SourceEvents)>,
    /// Unanswered requests, and how often each was sent. A closed channel is removed only when this is empty.
    outstanding: HashMap<BlockRef, u32>,
}

/// Receiver of the answer to a request; `None` if the channel was closed by us.
pub(super) type FetchListener = Option<(SourceId, SourceEvents)>;

impl FetchTable {
    /// Registers a channel. Returns `None` if the connection has ended.
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

    /// Records the answer to a request. Returns `None` if there was no such request.
    pub(super) fn answered(&self, reference: BlockRef) -> Option<FetchListener> {
        let mut channels = self.channels.lock();
        let fetch = channels.open.get_mut(&reference.channel)?;
        let Entry::Occupied(mut entry) = fetch.outstanding.entry(reference) else { return None };
        // A cancelled block may have been requested again before the first answer arrived.
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
        let listener = fetch.listener.clone();
        if listener.is_none() && fetch.outstanding.is_empty() {
            channels.open.remove(&reference.channel);
        }
        Some(listener)
    }

    /// Returns the event receiver of an open channel.
    pub(super) fn listener(&self, channel: ChannelId) -> FetchListener {
        self.channels.lock().open.get(&channel)?.listener.clone()
    }

    /// Closes a channel. The entry is removed once its last request is answered.
    pub(super) fn close(&self, channel: ChannelId) {
        let mut channels = self.channels.lock();
        if let Some(fetch) = channels.open.get_mut(&channel) {
            fetch.listener = None;
            if fetch.outstanding.is_empty() {
                channels.open.remove(&channel);
            }
        }
    }

    /// Returns true if the peer does not serve our requests.
    pub(super) fn is_choked(&self) -> bool {
        !self.channels.lock().is_unchoked
    }

    /// Returns our position in the peer's queue, if the peer reported one and does not serve us.
    pub(super) fn position(&self) -> Option<QueuePosition> {
        self.channels.lock().position
    }

    /// Records that the peer serves us, or our position in its queue. Returns all receivers to notify; none if nothing
    /// changed.
    pub(super) fn position_changed(&self, position: Option<QueuePosition>) -> Vec<(SourceId, SourceEvents)> {
        let mut channels = self.channels.lock();
        let is_unchoked = position.is_none();
        if (channels.is_unchoked, channels.position) == (is_unchoked, position) {
            return Vec::new();
        }
        (channels.is_unchoked, channels.position) = (is_unchoked, position);
        channels.open.values().filter_map(|fetch| fetch.listener.clone()).collect()
    }

    /// Notifies every fetch with pending requests, except the one on channel `besides`, that a block on the same connection
    /// holds up its answers.
    pub(super) fn notify_held_up(&self, besides: Option<ChannelId>) {
        for (channel, fetch) in &self.channels.lock().open {
            if Some(*channel) != besides
                && !fetch.outstanding.is_empty()
                && let Some((source, events)) = &fetch.listener
            {
                // A full queue already holds newer signs of life.
                let _ = events.try_send((*source, SourceEvent::Bytes { count: 0 }));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.lock().open.is_empty()
    }

    /// Removes all channels, prevents new ones, and returns the event receivers.
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
    fn channel_is_notified_of_the_end_or_not_opened() {
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
        let (events, mut received) = mpsc::channel(8);
        let table = FetchTable::default();
        let channels: Vec<ChannelId> =
            (0..3).map(|id| table.open(SourceId(id), events.clone()).unwrap()).collect();
        for channel in &channels[..2] {
            table.requested(BlockRef { channel: *channel, piece: 0, begin: 0, length: 1 });
        }
        table.notify_held_up(Some(channels[0]));
        assert!(matches!(received.try_recv(), Ok((SourceId(1), SourceEvent::Bytes { count: 0 }))));
        assert!(received.try_recv().is_err());
        table.notify_held_up(None);
        assert_eq!(std::iter::from_fn(|| received.try_recv().ok()).count(), 2);
    }

    #[test]
    fn position_is_reported_to_all_channels_once() {
        let (events, _) = mpsc::channel(1);
        let table = FetchTable::default();
        (0..2).for_each(|id| assert!(table.open(SourceId(id), events.clone()).is_some()));
        assert!(table.is_choked() && table.position().is_none());
        let at = |place, length| Some(QueuePosition { position: place, length });
        let notified: Vec<usize> = [at(1, None), at(1, None), at(1, Some(3)), None, None, at(2, Some(3))]
            .map(|position| table.position_changed(position).len())
            .into();
        assert_eq!(notified, [2, 0, 2, 2, 0, 2]);
        assert_eq!((table.is_choked(), table.position()), (true, at(2, Some(3))));
    }
}
