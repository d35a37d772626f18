use super::*;

/// Records what a connection was notified of, omitting repetitions.
#[derive(Debug, Default)]
struct RecordingTarget {
    sent: Mutex<(bool, Vec<SentState>)>,
    changed: Notify,
}

#[derive(Debug, PartialEq)]
enum SentState {
    Unchoked,
    Choked(u32),
}

impl ChokeTarget for RecordingTarget {
    fn unchoke(&self) {
        let mut sent = self.sent.lock();
        if !std::mem::replace(&mut sent.0, true) {
            sent.1.push(SentState::Unchoked);
        }
        drop(sent);
        self.changed.notify_one();
    }

    fn choke(&self, position: u32, length: u32) {
        assert!(position <= length, "position {position} of {length}");
        let mut sent = self.sent.lock();
        sent.0 = false;
        sent.1.push(SentState::Choked(position));
    }
}

struct TestPeer {
    target: Arc<RecordingTarget>,
    claim: SlotClaim,
}

impl TestPeer {
    fn of(slots: &Slots) -> Self {
        Self::at([127, 0, 0, 1], slots)
    }

    fn at(address: [u8; 4], slots: &Slots) -> Self {
        let target = Arc::<RecordingTarget>::default();
        Self { claim: slots.claim(Arc::clone(&target) as Arc<dyn ChokeTarget>, address.into()), target }
    }

    fn interested(slots: &Slots) -> Self {
        let peer = Self::of(slots);
        peer.claim.set_interested(true);
        peer
    }

    fn sent(&self) -> Vec<SentState> {
        std::mem::take(&mut self.target.sent.lock().1)
    }
}

#[test]
fn uninterested_peer_gets_no_slot() {
    let slots = Slots::new(1, AddressLimits::default());
    let idle = TestPeer::of(&slots);
    let wanting: Vec<TestPeer> = (0..4).map(|_| TestPeer::interested(&slots)).collect();
    slots.run_choker(now());
    assert_eq!(idle.sent(), []);
    let sent: Vec<_> = wanting.iter().map(TestPeer::sent).collect();
    // One regular slot, one optimistic.
    assert_eq!(sent.iter().filter(|sent| **sent == [SentState::Unchoked]).count(), 2, "{sent:?}");
    for position in 1..=2 {
        assert!(sent.contains(&vec![SentState::Choked(position)]), "{sent:?}");
    }
}

#[test]
fn leaving_peer_frees_its_slot() {
    let slots = Slots::new(1, AddressLimits::default());
    let (first, second, third) =
        (TestPeer::interested(&slots), TestPeer::interested(&slots), TestPeer::interested(&slots));
    slots.run_choker(now());
    assert_eq!((first.sent(), second.sent()), (vec![SentState::Unchoked], vec![SentState::Unchoked]));
    assert_eq!(third.sent(), [SentState::Choked(1)]);
    drop(first.claim);
    slots.run_choker(now());
    assert_eq!(third.sent(), [SentState::Unchoked]);
    second.claim.set_interested(false);
    slots.run_choker(now());
    assert_eq!(second.sent(), [SentState::Choked(0)]);
    second.claim.set_interested(true);
    slots.run_choker(now());
    assert_eq!(second.sent(), [SentState::Unchoked]);
}

#[test]
fn interest_that_flaps_sends_nothing() {
    let slots = Slots::new(1, AddressLimits::default());
    let peer = TestPeer::interested(&slots);
    slots.run_choker(now());
    assert_eq!(peer.sent(), [SentState::Unchoked]);
    for _ in 0..1000 {
        peer.claim.set_interested(false);
        peer.claim.set_interested(true);
    }
    slots.run_choker(now());
    assert_eq!(peer.sent(), []);
}

#[test]
fn optimistic_slot_alone_serves_everybody() {
    let (slots, begun) = (Slots::new(0, AddressLimits::default()), now());
    let peers: Vec<TestPeer> = (0..3).map(|_| TestPeer::interested(&slots)).collect();
    let mut served = BTreeSet::new();
    for seconds in 0..200 {
        slots.run_choker(begun + Duration::from_secs(seconds));
        let unchoked =
            peers.iter().enumerate().filter(|(_, peer)| peer.sent().contains(&SentState::Unchoked));
        served.extend(unchoked.map(|(number, _)| number));
    }
    assert_eq!(served.len(), 3);
    slots.set_count(3);
    slots.run_choker(begun + Duration::from_secs(201));
    assert_eq!(peers.iter().filter(|peer| peer.sent().contains(&SentState::Unchoked)).count(), 2);
}

#[test]
fn busy_address_keeps_one_slot_beside_another() {
    let slots = Slots::new(8, AddressLimits::default());
    let greedy: Vec<TestPeer> = (0..16).map(|_| TestPeer::at([192, 0, 2, 1], &slots)).collect();
    let honest = TestPeer::at([192, 0, 2, 2], &slots);
    for peer in greedy.iter().chain([&honest]) {
        peer.claim.set_interested(true);
    }
    slots.run_choker(now());
    assert_eq!(honest.sent(), [SentState::Unchoked]);
    assert_eq!(greedy.iter().filter(|peer| peer.sent() == [SentState::Unchoked]).count(), 1);
}

#[tokio::test]
async fn task_serves_on_its_own_and_ends_with_the_node() {
    let (slots, cancel) = (Slots::new(1, AddressLimits::default()), CancellationToken::new());
    let task = tokio::spawn(slots.clone().run(cancel.clone()));
    let peer = TestPeer::of(&slots);
    tokio::task::yield_now().await;
    peer.claim.set_interested(true);
    peer.target.changed.notified().await;
    assert_eq!(peer.sent(), [SentState::Unchoked]);
    cancel.cancel();
    task.await.unwrap();
}
