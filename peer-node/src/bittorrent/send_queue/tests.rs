use protocol::bittorrent::BlockSpec;
use protocol::geometry::Geometry;

use super::*;

const BLOCK: u32 = 16 << 10;

fn blocks() -> Vec<Block> {
    let geometry = Geometry::new(64 << 20, 64 << 20).unwrap();
    geometry.blocks(geometry.piece(0).unwrap(), BLOCK).collect()
}

fn written(queue: &SendQueue) -> Vec<u8> {
    let mut out = Vec::new();
    queue.take_messages(&mut out);
    out
}

fn encoded(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.encode(&mut out);
    }
    out
}

#[test]
fn who_is_choked_gets_nothing_and_is_told_so_where_that_can_be_said() {
    let blocks = blocks();
    for (has_fast, rejections) in [(true, 1), (false, 0)] {
        let queue = SendQueue::new(has_fast);
        assert_eq!(queue.push_block(blocks[0]), Pushed::Choked { times: 0 });
        let reject = vec![Message::Reject(BlockSpec::from(blocks[0])); rejections];
        assert_eq!(written(&queue), encoded(&reject));
        queue.unchoke();
        assert_eq!(queue.push_block(blocks[0]), Pushed::Queued);
        queue.choke(3, 9);
        assert_eq!(queue.blocks_waiting(1 << 20), None);
        assert_eq!(written(&queue), encoded(&[vec![Message::Unchoke, Message::Choke], reject].concat()));
        assert_eq!(queue.stand().place(), Some(3));
    }
}

#[test]
fn a_verdict_that_changes_nothing_is_not_told() {
    let queue = SendQueue::new(true);
    queue.choke(2, 9);
    queue.choke(1, 9);
    assert!(written(&queue).is_empty());
    queue.unchoke();
    queue.unchoke();
    assert_eq!(written(&queue), encoded(&[Message::Unchoke]));
}

#[test]
fn a_cancelled_block_does_not_go_out() {
    let (queue, blocks) = (SendQueue::new(true), blocks());
    queue.unchoke();
    for block in &blocks[..3] {
        assert_eq!(queue.push_block(*block), Pushed::Queued);
    }
    queue.cancel(blocks[1]);
    queue.cancel(blocks[7]);
    assert_eq!(written(&queue), encoded(&[Message::Unchoke, Message::Reject(blocks[1].into())]));
    assert_eq!(queue.take_blocks(usize::MAX, usize::MAX), [blocks[0], blocks[2]]);
}

#[test]
fn no_more_is_taken_than_may_pass_and_at_least_one_block_if_it_may() {
    let (queue, blocks) = (SendQueue::new(true), blocks());
    queue.unchoke();
    for block in &blocks[..5] {
        assert_eq!(queue.push_block(*block), Pushed::Queued);
    }
    let length = BLOCK as usize;
    assert_eq!(queue.blocks_waiting(1), Some((length, length)));
    assert_eq!(queue.blocks_waiting(2 * length + 5), Some((length, 2 * length)));
    assert!(queue.take_blocks(length - 1, usize::MAX).is_empty());
    assert_eq!(queue.take_blocks(3 * length, 1), [blocks[0]]);
    assert_eq!(queue.take_blocks(2 * length + 1, usize::MAX), [blocks[1], blocks[2]]);
}

#[test]
fn one_peer_cannot_wait_for_any_number_of_blocks() {
    let (queue, blocks) = (SendQueue::new(true), blocks());
    queue.unchoke();
    let pushed = |block: &&Block| queue.push_block(**block) == Pushed::Queued;
    assert_eq!(blocks.iter().take_while(pushed).count(), MAX_WIRE_REQUESTS);
    assert_eq!(queue.push_block(blocks[0]), Pushed::TooMany);
}

#[tokio::test]
async fn who_does_not_read_answers_is_not_read_from() {
    let (queue, blocks) = (SendQueue::new(true), blocks());
    for _ in 0..CROWDED / 17 {
        queue.push_block(blocks[0]);
    }
    tokio::time::timeout(std::time::Duration::ZERO, queue.has_room()).await.unwrap();
    queue.push_block(blocks[0]);
    assert!(tokio::time::timeout(std::time::Duration::ZERO, queue.has_room()).await.is_err());
    let taken = async { written(&queue) };
    let (taken, ()) = tokio::join!(taken, queue.has_room());
    assert!(taken.len() > CROWDED);
}
