use super::LanAnnouncement;
use crate::digest::Digest;
use crate::lan::{Card, ChunkName};

/// An indivisible part of an announcement: it goes into exactly one datagram.
enum AnnouncementItem {
    Chunk(ChunkName, Option<Digest>),
    Content(Digest),
}

/// Distributes an announcement over datagrams of at most `max_len` bytes.
pub(super) fn split(whole: LanAnnouncement, max_len: usize) -> Vec<Vec<u8>> {
    let card = whole.card.as_ref().map(Card::without_lists);
    let bare = LanAnnouncement { chunks: Vec::new(), card, username: whole.username };
    let (mut digests, contents) = whole.card.map(|card| (card.digests, card.contents)).unwrap_or_default();
    let chunks = whole.chunks.into_iter().map(|name| {
        let digest = digests.remove(&name);
        AnnouncementItem::Chunk(name, digest)
    });
    let items = chunks.chain(contents.into_iter().map(AnnouncementItem::Content));
    let (mut datagrams, mut current, mut bytes) = (Vec::new(), bare.clone(), Vec::new());
    for item in items {
        add(&mut current, &item);
        let grown = current.encode();
        if grown.len() <= max_len {
            bytes = grown;
            continue;
        }
        // An item that is too long for the rest of a datagram starts a new one; the limits on names ensure that it
        // fits there.
        if !bytes.is_empty() {
            datagrams.push(bytes);
        }
        current = bare.clone();
        add(&mut current, &item);
        bytes = current.encode();
    }
    if !bytes.is_empty() {
        datagrams.push(bytes);
    } else if bare.card.is_some() {
        datagrams.push(bare.encode());
    }
    datagrams
}

fn add(announcement: &mut LanAnnouncement, item: &AnnouncementItem) {
    match (item, &mut announcement.card) {
        (AnnouncementItem::Chunk(name, digest), card) => {
            announcement.chunks.push(name.clone());
            if let (Some(card), Some(digest)) = (card, digest) {
                card.digests.insert(name.clone(), *digest);
            }
        }
        (AnnouncementItem::Content(digest), Some(card)) => card.contents.push(*digest),
        (AnnouncementItem::Content(_), None) => {}
    }
}
