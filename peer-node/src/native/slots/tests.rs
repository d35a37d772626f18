use std::collections::VecDeque;

use protocol::peer::PeerMessage;

use super::super::send_queue::Outgoing;
use super::*;

/// A connection, and what it was told.
struct Peer {
    queue: Arc<SendQueue>,
    claim: Claim,
}

impl Peer {
    fn of(slots: &Slots) -> Self {
        let queue = Arc::<SendQueue>::default();
        Self { claim: slots.claim(Arc::clone(&queue)), queue }
    }

    fn wanting(slots: &Slots) -> Self {
        let peer = Self::of(slots);
        peer.claim.interested(true);
        peer
    }

    fn told(&self) -> VecDeque<PeerMessage> {
        let mut told = VecDeque::new();
        while let Some(Outgoing::Messages(messages)) = self.queue.take(&mut Vec::new()) {
            told.extend(messages);
        }
        told
    }
}

#[test]
fn who_wants_nothing_gets_no_slot_and_the_others_their_place() {
    let slots = Slots::new(1);
    let idle = Peer::of(&slots);
    let wanting: Vec<Peer> = (0..4).map(|_| Peer::wanting(&slots)).collect();
    slots.step(now());
    assert_eq!(idle.told(), []);
    let told: Vec<_> = wanting.iter().map(Peer::told).collect();
    // One by its merit, one in turn.
    assert_eq!(told.iter().filter(|told| **told == [PeerMessage::Unchoke]).count(), 2, "{told:?}");
    for place in 1..=2 {
        assert!(told.contains(&[PeerMessage::Choke { place }].into()), "{told:?}");
    }
}

#[test]
fn one_that_leaves_makes_room_for_the_next() {
    let slots = Slots::new(1);
    let (first, second, third) = (Peer::wanting(&slots), Peer::wanting(&slots), Peer::wanting(&slots));
    slots.step(now());
    assert_eq!((first.told(), second.told()), ([PeerMessage::Unchoke].into(), [PeerMessage::Unchoke].into()));
    assert_eq!(third.told(), [PeerMessage::Choke { place: 1 }]);
    drop(first.claim);
    slots.step(now());
    assert_eq!(third.told(), [PeerMessage::Unchoke]);
    second.claim.interested(false);
    slots.step(now());
    assert_eq!(second.told(), [PeerMessage::Choke { place: 0 }]);
    second.claim.interested(true);
    slots.step(now());
    assert_eq!(second.told(), [PeerMessage::Unchoke]);
}

#[test]
fn one_that_changes_its_mind_and_back_is_told_nothing() {
    let slots = Slots::new(1);
    let peer = Peer::wanting(&slots);
    slots.step(now());
    assert_eq!(peer.told(), [PeerMessage::Unchoke]);
    for _ in 0..1000 {
        peer.claim.interested(false);
        peer.claim.interested(true);
    }
    slots.step(now());
    assert_eq!(peer.told(), []);
}

#[test]
fn without_slots_the_one_that_goes_round_serves_everybody() {
    let (slots, begun) = (Slots::new(0), now());
    let peers: Vec<Peer> = (0..3).map(|_| Peer::wanting(&slots)).collect();
    let mut served = BTreeSet::new();
    for seconds in 0..200 {
        slots.step(begun + Duration::from_secs(seconds));
        let unchoked =
            peers.iter().enumerate().filter(|(_, peer)| peer.told().contains(&PeerMessage::Unchoke));
        served.extend(unchoked.map(|(number, _)| number));
    }
    assert_eq!(served.len(), 3);
    slots.set(3);
    slots.step(begun + Duration::from_secs(201));
    assert_eq!(peers.iter().filter(|peer| peer.told().contains(&PeerMessage::Unchoke)).count(), 2);
}

#[tokio::test]
async fn the_task_serves_by_itself_and_ends_with_the_node() {
    let (slots, cancel) = (Slots::new(1), CancellationToken::new());
    let task = tokio::spawn(slots.clone().run(cancel.clone()));
    let peer = Peer::of(&slots);
    tokio::task::yield_now().await;
    peer.claim.interested(true);
    let told = peer.queue.next(&mut Vec::new()).await;
    assert!(matches!(told, Outgoing::Messages(messages) if messages == [PeerMessage::Unchoke]));
    cancel.cancel();
    task.await.unwrap();
}
