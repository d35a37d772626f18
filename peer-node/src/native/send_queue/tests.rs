use std::task::{Context, Poll, Waker};

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};
use protocol::limits::{MAX_LISTING, MAX_STATES};
use protocol::manifest::{Manifest, ManifestBuilder};
use protocol::share_path::SharePath;

use super::*;
use crate::native::partials::{Partials, Publication};
use crate::transport::Uploads;
use crate::view::ContentId;

fn has_room(queue: &LinkSendQueue) -> bool {
    let room = std::pin::pin!(queue.has_room());
    room.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn few_long_messages_weigh_like_many_short_ones() {
    let states = vec![[0; 32]; MAX_STATES as usize];
    let queue = LinkSendQueue::default();
    let mut parts = 0;
    while has_room(&queue) {
        queue.push(PeerMessage::ManifestPart { channel: 0, first: 0, states: states.clone() });
        parts += 1;
    }
    assert_eq!(parts, 8);
    assert!(
        matches!(queue.take(&mut Vec::new()), Some(Outgoing::Messages(messages)) if messages.len() == parts)
    );
    assert!(has_room(&queue));
    let record = FileRecord { path: "a".into(), size: 1, digest: Digest::EMPTY, share: Share::Complete };
    let files = vec![record; usize::from(MAX_LISTING)];
    let mut pages = 0;
    while has_room(&queue) {
        queue.push(PeerMessage::Listing { number: 0, files: files.clone(), more: true });
        pages += 1;
    }
    assert!(pages <= 10, "{pages} pages wait");
    queue.take(&mut Vec::new());
    (0..MAX_WEIGHT).for_each(|_| queue.push(PeerMessage::KeepAlive));
    assert!(has_room(&queue), "our own requests have no weight");
    (0..MAX_WEIGHT).for_each(|_| queue.push(PeerMessage::NotShared { channel: 0 }));
    assert!(!has_room(&queue));
}

/// A partial content of four pieces, of which we have the first.
fn partial() -> (Publication, ServedContent, Arc<Manifest>) {
    let mut builder = ManifestBuilder::new(4 << 18).unwrap();
    builder.update(&vec![0; 4 << 18]);
    let manifest = Arc::new(builder.finish().unwrap());
    let mut have = Bitfield::empty(manifest.geometry());
    have.insert(manifest.geometry().piece(0).unwrap());
    let partials = Partials::default();
    let file = Arc::new(tempfile::tempfile().unwrap());
    let path = SharePath::parse("a").unwrap();
    let publication = partials.publish(path, Arc::clone(&manifest), file, &have).0;
    let content = ServedContent::Partial(partials.find(&manifest.digest()).unwrap());
    (publication, content, manifest)
}

fn block(content: &ServedContent, channel: ChannelId, begin: u32) -> OutgoingBlock {
    let digest = Digest::EMPTY;
    let upload = Uploads::default().begin(
        ([127, 0, 0, 1], 1).into(),
        ContentId::File(digest),
        String::new(),
        0,
        &Arc::default(),
    );
    let reference = BlockRef { channel, piece: 0, begin, length: 1 };
    OutgoingBlock { reference, content: content.clone(), offset: 0, upload: Arc::new(upload) }
}

/// Takes all messages that would be written now.
fn all_messages(queue: &LinkSendQueue, following: &mut Vec<FollowedContent>) -> Vec<PeerMessage> {
    let mut all = Vec::new();
    while let Some(Outgoing::Messages(messages)) = queue.take(following) {
        all.extend(messages);
    }
    all
}

#[test]
fn choke_rejects_waiting_and_later_requests() {
    let (_publication, content, _) = partial();
    let queue = LinkSendQueue::default();
    assert_eq!(queue.push_block(block(&content, 0, 0)), LinkPushOutcome::Choked { times: 0 });
    queue.unchoke();
    queue.unchoke();
    assert_eq!(queue.push_block(block(&content, 0, 1)), LinkPushOutcome::Queued);
    assert_eq!(queue.push_block(block(&content, 1, 2)), LinkPushOutcome::Queued);
    queue.choke(4, 9);
    assert_eq!(queue.push_block(block(&content, 0, 3)), LinkPushOutcome::Choked { times: 1 });
    let rejected = |channel, begin| PeerMessage::Reject(block(&content, channel, begin).reference);
    let expected = [
        rejected(0, 0),
        PeerMessage::Unchoke,
        PeerMessage::Choke { position: 4 },
        rejected(0, 1),
        rejected(1, 2),
        rejected(0, 3),
    ];
    assert_eq!(all_messages(&queue, &mut Vec::new()), expected);
    assert!(queue.take(&mut Vec::new()).is_none());
}

#[test]
fn slow_reader_gets_only_the_last_position() {
    let queue = LinkSendQueue::default();
    (0..1000).for_each(|place| queue.choke(place, 1000));
    assert_eq!(all_messages(&queue, &mut Vec::new()), [PeerMessage::Choke { position: 999 }]);
    queue.choke(7, 9);
    queue.unchoke();
    assert_eq!(all_messages(&queue, &mut Vec::new()), [PeerMessage::Unchoke]);
}

#[test]
fn new_pieces_follow_the_offer_until_the_channel_closes() {
    let (publication, content, manifest) = partial();
    let piece = |number| manifest.geometry().piece(number).unwrap();
    let (queue, mut following) = (LinkSendQueue::default(), Vec::new());
    queue.offer(5, 4 << 18, manifest.id(), &content);
    publication.add_piece(piece(3));
    let offer =
        PeerMessage::Offer { channel: 5, size: 4 << 18, manifest: manifest.id(), pieces: Some(vec![0x80]) };
    let have = |piece| PeerMessage::Have { channel: 5, piece };
    assert_eq!(all_messages(&queue, &mut following), [offer, have(3)]);
    publication.add_piece(piece(1));
    assert_eq!(all_messages(&queue, &mut following), [have(1)]);
    queue.cancel_channel(5);
    publication.add_piece(piece(2));
    assert_eq!(all_messages(&queue, &mut following), []);
    assert!(following.is_empty());
}

#[test]
fn withdrawn_content_closes_its_channel() {
    for is_complete in [false, true] {
        let (publication, content, manifest) = partial();
        let (queue, mut following) = (LinkSendQueue::default(), Vec::new());
        queue.offer(5, 4 << 18, manifest.id(), &content);
        assert_eq!(all_messages(&queue, &mut following).len(), 1);
        if is_complete {
            manifest.geometry().pieces().for_each(|piece| publication.add_piece(piece));
        }
        drop(publication);
        let sent = all_messages(&queue, &mut following);
        assert_eq!(sent.contains(&PeerMessage::NotShared { channel: 5 }), !is_complete, "{sent:?}");
        assert!(following.is_empty() && content.is_download_over());
    }
}

#[test]
fn repeated_open_and_close_leaves_nothing_behind() {
    let (_publication, content, manifest) = partial();
    let (queue, mut following) = (LinkSendQueue::default(), Vec::new());
    for channel in 0..1000 {
        queue.offer(channel, 4 << 18, manifest.id(), &content);
        queue.cancel_channel(channel);
        // There is always another message to write, too.
        assert!(matches!(queue.take(&mut following), Some(Outgoing::Messages(_))));
        assert!(queue.waiting.lock().follow_changes.is_empty() && following.is_empty());
    }
}

#[tokio::test]
async fn closed_channel_releases_its_content_without_a_write() {
    let (_publication, content, manifest) = partial();
    let (queue, mut following) = (LinkSendQueue::default(), Vec::new());
    queue.offer(5, 4 << 18, manifest.id(), &content);
    queue.next(&mut following).await;
    assert_eq!(following.len(), 1);
    {
        let task = &mut Context::from_waker(Waker::noop());
        let mut next = std::pin::pin!(queue.next(&mut following));
        assert!(next.as_mut().poll(task).is_pending());
        queue.cancel_channel(5);
        assert!(next.as_mut().poll(task).is_pending());
    }
    assert!(following.is_empty());
}

#[test]
fn queue_length_is_sent_only_to_peers_that_support_it() {
    let sent_messages = |features| {
        let queue = LinkSendQueue::new(features);
        queue.choke(7, 12);
        let first = queue.take(&mut Vec::new());
        queue.unchoke();
        queue.choke(1, 1);
        [first, queue.take(&mut Vec::new())].map(|outgoing| match outgoing {
            Some(Outgoing::Messages(messages)) => messages,
            other => panic!("{other:?}"),
        })
    };
    let [first, second] = sent_messages(PeerFeatures::NONE);
    assert_eq!(first, [PeerMessage::Choke { position: 7 }]);
    assert_eq!(second, [PeerMessage::Unchoke, PeerMessage::Choke { position: 1 }]);
    let [first, second] = sent_messages(PeerFeatures::QUEUE_LENGTH);
    assert_eq!(first, [PeerMessage::Queued { position: 7, length: 12 }]);
    assert_eq!(second, [PeerMessage::Unchoke, PeerMessage::Queued { position: 1, length: 1 }]);
}
