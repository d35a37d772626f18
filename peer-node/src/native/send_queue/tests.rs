use std::task::{Context, Poll, Waker};

use protocol::bitfield::Bitfield;
use protocol::limits::MAX_STATES;
use protocol::manifest::{Manifest, ManifestBuilder};
use protocol::share_path::SharePath;

use super::*;
use crate::partials::{Partials, Publication};
use crate::transfers::ContentId;
use crate::transport::Uploads;

fn has_room(queue: &SendQueue) -> bool {
    let room = std::pin::pin!(queue.has_room());
    room.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn a_few_long_messages_are_a_crowd_like_many_short_ones() {
    let states = vec![[0; 32]; MAX_STATES as usize];
    let queue = SendQueue::default();
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
    (0..CROWDED).for_each(|_| queue.push(PeerMessage::KeepAlive));
    assert!(has_room(&queue), "our own questions are no crowd");
    (0..CROWDED).for_each(|_| queue.push(PeerMessage::NotShared { channel: 0 }));
    assert!(!has_room(&queue));
}

/// A partial content of four pieces, of which the first is here.
fn partial() -> (Publication, Content, Arc<Manifest>) {
    let mut builder = ManifestBuilder::new(4 << 18).unwrap();
    builder.update(&vec![0; 4 << 18]);
    let manifest = Arc::new(builder.finish().unwrap());
    let mut here = Bitfield::empty(manifest.geometry());
    here.insert(manifest.geometry().piece(0).unwrap());
    let partials = Partials::default();
    let file = Arc::new(tempfile::tempfile().unwrap());
    let path = SharePath::parse("a").unwrap();
    let publication = partials.publish(path, Arc::clone(&manifest), file, &here).0;
    let content = Content::Partial(partials.find(&manifest.digest()).unwrap());
    (publication, content, manifest)
}

fn block(content: &Content, channel: Channel, begin: u32) -> OutgoingBlock {
    let digest = Digest::OF_NOTHING;
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

/// All messages that would be written now.
fn told(queue: &SendQueue, following: &mut Vec<Following>) -> Vec<PeerMessage> {
    let mut all = Vec::new();
    while let Some(Outgoing::Messages(messages)) = queue.take(following) {
        all.extend(messages);
    }
    all
}

#[test]
fn a_choke_rejects_all_that_waits_and_all_that_comes_later() {
    let (_publication, content, _) = partial();
    let queue = SendQueue::default();
    assert_eq!(queue.push_block(block(&content, 0, 0)), Pushed::Choked { times: 0 });
    queue.unchoke();
    queue.unchoke();
    assert_eq!(queue.push_block(block(&content, 0, 1)), Pushed::Queued);
    assert_eq!(queue.push_block(block(&content, 1, 2)), Pushed::Queued);
    queue.choke(4, 9);
    assert_eq!(queue.push_block(block(&content, 0, 3)), Pushed::Choked { times: 1 });
    let rejected = |channel, begin| PeerMessage::Reject(block(&content, channel, begin).reference);
    let expected = [
        rejected(0, 0),
        PeerMessage::Unchoke,
        PeerMessage::Choke { place: 4 },
        rejected(0, 1),
        rejected(1, 2),
        rejected(0, 3),
    ];
    assert_eq!(told(&queue, &mut Vec::new()), expected);
    assert!(queue.take(&mut Vec::new()).is_none());
}

#[test]
fn only_the_last_place_is_told_to_one_who_did_not_read() {
    let queue = SendQueue::default();
    (0..1000).for_each(|place| queue.choke(place, 1000));
    assert_eq!(told(&queue, &mut Vec::new()), [PeerMessage::Choke { place: 999 }]);
    queue.choke(7, 9);
    queue.unchoke();
    assert_eq!(told(&queue, &mut Vec::new()), [PeerMessage::Unchoke]);
}

#[test]
fn pieces_that_come_are_told_behind_the_offer_until_the_channel_is_closed() {
    let (publication, content, manifest) = partial();
    let piece = |number| manifest.geometry().piece(number).unwrap();
    let (queue, mut following) = (SendQueue::default(), Vec::new());
    queue.offer(5, 4 << 18, manifest.id(), &content);
    publication.verified(piece(3));
    let offer =
        PeerMessage::Offer { channel: 5, size: 4 << 18, manifest: manifest.id(), pieces: Some(vec![0x80]) };
    let have = |piece| PeerMessage::Have { channel: 5, piece };
    assert_eq!(told(&queue, &mut following), [offer, have(3)]);
    publication.verified(piece(1));
    assert_eq!(told(&queue, &mut following), [have(1)]);
    queue.cancel_channel(5);
    publication.verified(piece(2));
    assert_eq!(told(&queue, &mut following), []);
    assert!(following.is_empty());
}

#[test]
fn a_withdrawn_content_closes_its_channel_and_a_whole_one_does_not() {
    for is_whole in [false, true] {
        let (publication, content, manifest) = partial();
        let (queue, mut following) = (SendQueue::default(), Vec::new());
        queue.offer(5, 4 << 18, manifest.id(), &content);
        assert_eq!(told(&queue, &mut following).len(), 1);
        if is_whole {
            manifest.geometry().pieces().for_each(|piece| publication.verified(piece));
        }
        drop(publication);
        let said = told(&queue, &mut following);
        assert_eq!(said.contains(&PeerMessage::NotShared { channel: 5 }), !is_whole, "{said:?}");
        assert!(following.is_empty() && content.is_outdated());
    }
}

#[test]
fn who_opens_and_closes_all_the_time_leaves_nothing_behind() {
    let (_publication, content, manifest) = partial();
    let (queue, mut following) = (SendQueue::default(), Vec::new());
    for channel in 0..1000 {
        queue.offer(channel, 4 << 18, manifest.id(), &content);
        queue.cancel_channel(channel);
        // There is always something else to write as well.
        assert!(matches!(queue.take(&mut following), Some(Outgoing::Messages(_))));
        assert!(queue.waiting.lock().changes.is_empty() && following.is_empty());
    }
}

#[tokio::test]
async fn a_closed_channel_lets_go_of_its_content_though_nothing_is_written() {
    let (_publication, content, manifest) = partial();
    let (queue, mut following) = (SendQueue::default(), Vec::new());
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
fn how_many_wait_is_told_only_to_who_understands_it() {
    let told = |features| {
        let queue = SendQueue::new(features);
        queue.choke(7, 12);
        let first = queue.take(&mut Vec::new());
        queue.unchoke();
        queue.choke(1, 1);
        [first, queue.take(&mut Vec::new())].map(|outgoing| match outgoing {
            Some(Outgoing::Messages(messages)) => messages,
            other => panic!("{other:?}"),
        })
    };
    let [first, second] = told(PeerFeatures::NONE);
    assert_eq!(first, [PeerMessage::Choke { place: 7 }]);
    assert_eq!(second, [PeerMessage::Unchoke, PeerMessage::Choke { place: 1 }]);
    let [first, second] = told(PeerFeatures::QUEUE_LENGTH);
    assert_eq!(first, [PeerMessage::Queued { place: 7, length: 12 }]);
    assert_eq!(second, [PeerMessage::Unchoke, PeerMessage::Queued { place: 1, length: 1 }]);
}
