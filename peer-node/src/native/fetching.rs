//! The contents that we fetch over one connection.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use protocol::digest::Digest;
use protocol::peer::{BlockRef, Channel};
use tokio::sync::mpsc;

use super::buffers::Buffer;
use crate::swarm::SourceId;

/// What a source says about a content, or what becomes of it.
#[derive(Debug)]
pub enum SourceEvent {
    /// It has the content.
    Offered {
        /// The content's size in bytes, as the source says.
        size: u64,
        /// The id of the manifest that it would give.
        manifest: Digest,
        /// The pieces that it has, as a bitfield's bytes; none when it has all.
        pieces: Option<Vec<u8>>,
    },
    /// It does not have the content, or no longer; the channel is closed.
    NotShared,
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
        /// How many, since this was last said.
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
    Lost {
        /// Why.
        reason: String,
    },
}

/// Where events of many sources come together, each under its source's number.
pub(super) type Events = mpsc::Sender<(SourceId, SourceEvent)>;

/// The channels that we opened.
#[derive(Debug, Default)]
pub(super) struct FetchTable {
    channels: Mutex<Channels>,
}

#[derive(Debug, Default)]
struct Channels {
    next: Channel,
    open: HashMap<Channel, Fetch>,
    /// Whether the connection is over: then nobody would ever hear of a channel again.
    over: bool,
}

#[derive(Debug)]
struct Fetch {
    /// Who wants to know; nobody once we have closed the channel.
    listener: Option<(SourceId, Events)>,
    /// What was asked for and not answered. A closed channel is forgotten only when this is empty.
    outstanding: HashSet<BlockRef>,
}

/// Somebody who wants a block, or its absence, reported.
pub(super) type Listener = Option<(SourceId, Events)>;

impl FetchTable {
    /// Takes in a channel; nothing if the connection is over.
    pub(super) fn open(&self, source: SourceId, events: Events) -> Option<Channel> {
        let mut channels = self.channels.lock();
        if channels.over {
            return None;
        }
        let channel = channels.next;
        channels.next = channels.next.wrapping_add(1);
        let fetch = Fetch { listener: Some((source, events)), outstanding: HashSet::new() };
        channels.open.insert(channel, fetch);
        Some(channel)
    }

    pub(super) fn asked(&self, reference: BlockRef) {
        if let Some(fetch) = self.channels.lock().open.get_mut(&reference.channel) {
            fetch.outstanding.insert(reference);
        }
    }

    /// Takes in that a request is answered. Nothing is returned if there was no such request.
    pub(super) fn answered(&self, reference: BlockRef) -> Option<Listener> {
        let mut channels = self.channels.lock();
        let fetch = channels.open.get_mut(&reference.channel)?;
        if !fetch.outstanding.remove(&reference) {
            return None;
        }
        let listener = fetch.listener.clone();
        if listener.is_none() && fetch.outstanding.is_empty() {
            channels.open.remove(&reference.channel);
        }
        Some(listener)
    }

    /// Returns who listens to a channel that is open.
    pub(super) fn listener(&self, channel: Channel) -> Listener {
        self.channels.lock().open.get(&channel)?.listener.clone()
    }

    /// Forgets a channel, at once or when its last request is answered.
    pub(super) fn close(&self, channel: Channel) {
        let mut channels = self.channels.lock();
        if let Some(fetch) = channels.open.get_mut(&channel) {
            fetch.listener = None;
            if fetch.outstanding.is_empty() {
                channels.open.remove(&channel);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.lock().open.is_empty()
    }

    /// Forgets all channels, lets none be opened any more, and returns who listened to them.
    pub(super) fn drain(&self) -> Vec<(SourceId, Events)> {
        let mut channels = self.channels.lock();
        channels.over = true;
        channels.open.drain().filter_map(|(_, fetch)| fetch.listener).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_either_told_of_the_end_or_not_opened() {
        let (events, _) = mpsc::channel(1);
        let table = FetchTable::default();
        assert_eq!(table.open(SourceId(1), events.clone()), Some(0));
        assert_eq!(table.drain().len(), 1);
        assert_eq!(table.open(SourceId(2), events), None);
    }
}
