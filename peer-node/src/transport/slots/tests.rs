use super::*;

/// What a connection was told, with what it knew already left out.
#[derive(Debug, Default)]
struct Ear {
    told: Mutex<(bool, Vec<Told>)>,
    heard: Notify,
}

#[derive(Debug, PartialEq)]
enum Told {
    Unchoked,
    Choked(u32),
}

impl Turn for Ear {
    fn unchoke(&self) {
        let mut told = self.told.lock();
        if !std::mem::replace(&mut told.0, true) {
            told.1.push(Told::Unchoked);
        }
        drop(told);
        self.heard.notify_one();
    }

    fn choke(&self, place: u32, length: u32) {
        assert!(place <= length, "place {place} of {length}");
        let mut told = self.told.lock();
        told.0 = false;
        told.1.push(Told::Choked(place));
    }
}

struct Peer {
    ear: Arc<Ear>,
    claim: Claim,
}

impl Peer {
    fn of(slots: &Slots) -> Self {
        Self::at([127, 0, 0, 1], slots)
    }

    fn at(address: [u8; 4], slots: &Slots) -> Self {
        let ear = Arc::<Ear>::default();
        Self { claim: slots.claim(Arc::clone(&ear) as Arc<dyn Turn>, address.into()), ear }
    }

    fn wanting(slots: &Slots) -> Self {
        let peer = Self::of(slots);
        peer.claim.interested(true);
        peer
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.ear.told.lock().1)
    }
}

#[test]
fn who_wants_nothing_gets_no_slot_and_the_others_their_place() {
    let slots = Slots::new(1, AddressLimits::default());
    let idle = Peer::of(&slots);
    let wanting: Vec<Peer> = (0..4).map(|_| Peer::wanting(&slots)).collect();
    slots.step(now());
    assert_eq!(idle.told(), []);
    let told: Vec<_> = wanting.iter().map(Peer::told).collect();
    // One by its merit, one in turn.
    assert_eq!(told.iter().filter(|told| **told == [Told::Unchoked]).count(), 2, "{told:?}");
    for place in 1..=2 {
        assert!(told.contains(&vec![Told::Choked(place)]), "{told:?}");
    }
}

#[test]
fn one_that_leaves_makes_room_for_the_next() {
    let slots = Slots::new(1, AddressLimits::default());
    let (first, second, third) = (Peer::wanting(&slots), Peer::wanting(&slots), Peer::wanting(&slots));
    slots.step(now());
    assert_eq!((first.told(), second.told()), (vec![Told::Unchoked], vec![Told::Unchoked]));
    assert_eq!(third.told(), [Told::Choked(1)]);
    drop(first.claim);
    slots.step(now());
    assert_eq!(third.told(), [Told::Unchoked]);
    second.claim.interested(false);
    slots.step(now());
    assert_eq!(second.told(), [Told::Choked(0)]);
    second.claim.interested(true);
    slots.step(now());
    assert_eq!(second.told(), [Told::Unchoked]);
}

#[test]
fn one_that_changes_its_mind_and_back_is_told_nothing() {
    let slots = Slots::new(1, AddressLimits::default());
    let peer = Peer::wanting(&slots);
    slots.step(now());
    assert_eq!(peer.told(), [Told::Unchoked]);
    for _ in 0..1000 {
        peer.claim.interested(false);
        peer.claim.interested(true);
    }
    slots.step(now());
    assert_eq!(peer.told(), []);
}

#[test]
fn without_slots_the_one_that_goes_round_serves_everybody() {
    let (slots, begun) = (Slots::new(0, AddressLimits::default()), now());
    let peers: Vec<Peer> = (0..3).map(|_| Peer::wanting(&slots)).collect();
    let mut served = BTreeSet::new();
    for seconds in 0..200 {
        slots.step(begun + Duration::from_secs(seconds));
        let unchoked = peers.iter().enumerate().filter(|(_, peer)| peer.told().contains(&Told::Unchoked));
        served.extend(unchoked.map(|(number, _)| number));
    }
    assert_eq!(served.len(), 3);
    slots.set(3);
    slots.step(begun + Duration::from_secs(201));
    assert_eq!(peers.iter().filter(|peer| peer.told().contains(&Told::Unchoked)).count(), 2);
}

#[test]
fn an_address_with_many_connections_has_one_slot_beside_another() {
    let slots = Slots::new(8, AddressLimits::default());
    let greedy: Vec<Peer> = (0..16).map(|_| Peer::at([192, 0, 2, 1], &slots)).collect();
    let honest = Peer::at([192, 0, 2, 2], &slots);
    for peer in greedy.iter().chain([&honest]) {
        peer.claim.interested(true);
    }
    slots.step(now());
    assert_eq!(honest.told(), [Told::Unchoked]);
    assert_eq!(greedy.iter().filter(|peer| peer.told() == [Told::Unchoked]).count(), 1);
}

#[tokio::test]
async fn the_task_serves_by_itself_and_ends_with_the_node() {
    let (slots, cancel) = (Slots::new(1, AddressLimits::default()), CancellationToken::new());
    let task = tokio::spawn(slots.clone().run(cancel.clone()));
    let peer = Peer::of(&slots);
    tokio::task::yield_now().await;
    peer.claim.interested(true);
    peer.ear.heard.notified().await;
    assert_eq!(peer.told(), [Told::Unchoked]);
    cancel.cancel();
    task.await.unwrap();
}
