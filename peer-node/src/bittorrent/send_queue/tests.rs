use protocol::bittorrent::BlockSpec;
use protocol::geometry::Geometry;

use super::*;

const BLOCK: u32 = 16 << 10;

fn blocks() -> Vec<Block> {
    let geometry = Geometry::new(64 << 20, 64 << 20).unwrap();
    geometry.blocks(geometry.piece(0).unwrap(), BLOCK).collect()
}

fn written(queue: &WireSendQueue) -> Vec<u8> {
    let mut out = Vec::new();
    queue.take_messages(&mut out);
    out
}

fn encoded(messages: &[BitTorrentMessage<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.encode(&mut out);
    }
    out
}

#[test]
fn choked_peer_gets_rejections_only_with_fast_extension() {
    let blocks = blocks();
    for (has_fast, rejections) in [(true, 1), (false, 0)] {
        let queue = WireSendQueue::new(has_fast);
        assert_eq!(queue.push_block(blocks[0]), BlockPushOutcome::Choked { choke_count: 0 });
        let reject = vec![BitTorrentMessage::Reject(BlockSpec::from(blocks[0])); rejections];
        assert_eq!(written(&queue), encoded(&reject));
        queue.unchoke();
        assert_eq!(queue.push_block(blocks[0]), BlockPushOutcome::Queued);
        queue.choke(3, 9);
        assert_eq!(queue.queued_lengths(1 << 20), None);
        assert_eq!(
            written(&queue),
            encoded(&[vec![BitTorrentMessage::Unchoke, BitTorrentMessage::Choke], reject].concat())
        );
        assert_eq!(queue.slot_status().position(), Some(3));
    }
}

#[test]
fn repeated_choke_or_unchoke_sends_no_message() {
    let queue = WireSendQueue::new(true);
    queue.choke(2, 9);
    queue.choke(1, 9);
    assert!(written(&queue).is_empty());
    queue.unchoke();
    queue.unchoke();
    assert_eq!(written(&queue), encoded(&[BitTorrentMessage::Unchoke]));
}

#[test]
fn a_cancelled_block_is_not_sent() {
    let (queue, blocks) = (WireSendQueue::new(true), blocks());
    queue.unchoke();
    for block in &blocks[..3] {
        assert_eq!(queue.push_block(*block), BlockPushOutcome::Queued);
    }
    queue.cancel(blocks[1]);
    queue.cancel(blocks[7]);
    assert_eq!(
        written(&queue),
        encoded(&[BitTorrentMessage::Unchoke, BitTorrentMessage::Reject(blocks[1].into())])
    );
    assert_eq!(queue.take_blocks(usize::MAX, usize::MAX), [blocks[0], blocks[2]]);
}

#[test]
fn blocks_taken_respect_credit_and_include_at_least_one() {
    let (queue, blocks) = (WireSendQueue::new(true), blocks());
    queue.unchoke();
    for block in &blocks[..5] {
        assert_eq!(queue.push_block(*block), BlockPushOutcome::Queued);
    }
    let length = BLOCK as usize;
    assert_eq!(queue.queued_lengths(1), Some((length, length)));
    assert_eq!(queue.queued_lengths(2 * length + 5), Some((length, 2 * length)));
    assert!(queue.take_blocks(length - 1, usize::MAX).is_empty());
    assert_eq!(queue.take_blocks(3 * length, 1), [blocks[0]]);
    assert_eq!(queue.take_blocks(2 * length + 1, usize::MAX), [blocks[1], blocks[2]]);
}

#[test]
fn queued_blocks_per_peer_are_limited() {
    let (queue, blocks) = (WireSendQueue::new(true), blocks());
    queue.unchoke();
    let pushed = |block: &&Block| queue.push_block(**block) == BlockPushOutcome::Queued;
    assert_eq!(blocks.iter().take_while(pushed).count(), MAX_BITTORRENT_REQUESTS);
    assert_eq!(queue.push_block(blocks[0]), BlockPushOutcome::TooMany);
}

#[tokio::test]
async fn a_peer_that_does_not_read_replies_is_not_read() {
    let (queue, blocks) = (WireSendQueue::new(true), blocks());
    for _ in 0..REPLY_HIGH_WATERMARK / 17 {
        queue.push_block(blocks[0]);
    }
    tokio::time::timeout(std::time::Duration::ZERO, queue.wait_for_room()).await.unwrap();
    queue.push_block(blocks[0]);
    assert!(tokio::time::timeout(std::time::Duration::ZERO, queue.wait_for_room()).await.is_err());
    let written_bytes = async { written(&queue) };
    let (written_bytes, ()) = tokio::join!(written_bytes, queue.wait_for_room());
    assert!(written_bytes.len() > REPLY_HIGH_WATERMARK);
}
