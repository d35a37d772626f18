use super::LanAnnouncement;
use crate::digest::Digest;
use crate::lan::{Card, ChunkName};

/// What goes into one datagram or another, and never into two.
enum AnnouncementItem {
    Chunk(ChunkName, Option<Digest>),
    Content(Digest),
}

/// Fills datagrams one after the other.
pub(super) fn split(whole: LanAnnouncement, most: usize) -> Vec<Vec<u8>> {
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
        if grown.len() <= most {
            bytes = grown;
            continue;
        }
        // What alone is too long goes alone: the limits on names leave room for it.
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
