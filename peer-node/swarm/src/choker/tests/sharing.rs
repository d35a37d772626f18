//! Slots are shared by address first.

use super::*;

const OFFICE: AddressKey = AddressKey(1);
const HOME: AddressKey = AddressKey(2);

fn config(slots: usize) -> ChokerConfig {
    ChokerConfig {
        slots_per_address: NonZeroUsize::new(1),
        queue_per_address: NonZeroUsize::new(4),
        ..ChokerConfig::for_node(slots)
    }
}

/// A choker with numbered peers of several addresses, and the peers served according to its verdicts.
struct SharingNode {
    choker: Choker,
    addresses: BTreeMap<PeerKey, AddressKey>,
    served: BTreeSet<PeerKey>,
    places: BTreeMap<PeerKey, u32>,
    /// Since when each interested address has had no slot.
    starved_since: BTreeMap<AddressKey, Duration>,
    start: Instant,
    now: Duration,
}

impl SharingNode {
    fn new(config: ChokerConfig) -> Self {
        let start = Instant::now();
        Self {
            choker: Choker::new(config, start),
            addresses: BTreeMap::new(),
            served: BTreeSet::new(),
            places: BTreeMap::new(),
            starved_since: BTreeMap::new(),
            start,
            now: Duration::ZERO,
        }
    }

    fn clock(&self) -> Instant {
        self.start + self.now
    }

    fn join(&mut self, peers: impl IntoIterator<Item = u64>, address: AddressKey) {
        for peer in peers.into_iter().map(PeerKey) {
            self.choker.set_address(peer, address);
            self.choker.interested(peer, self.clock());
            self.addresses.insert(peer, address);
        }
        self.apply_verdicts();
    }

    fn leave(&mut self, peer: PeerKey) {
        self.choker.remove(peer, self.clock());
        self.addresses.remove(&peer);
        self.served.remove(&peer);
        self.places.remove(&peer);
        self.apply_verdicts();
    }

    fn pass(&mut self, pause: Duration) {
        let end = self.now + pause;
        while let Some(due) = self.choker.deadline().map(|due| due - self.start).filter(|due| *due <= end) {
            assert!(due > self.now, "a deadline in the past");
            self.now = due;
            self.apply_verdicts();
        }
        self.now = end;
    }

    fn apply_verdicts(&mut self) {
        while let Some(verdict) = self.choker.poll(self.clock()) {
            match verdict {
                ChokerVerdict::Unchoke { peer } => {
                    self.served.insert(peer);
                    self.places.remove(&peer);
                }
                ChokerVerdict::Choke { peer, position: place }
                | ChokerVerdict::Position { peer, position: place } => {
                    self.served.remove(&peer);
                    self.places.insert(peer, place);
                }
            }
        }
        let (wanting, now) = (self.interested_addresses(), self.now);
        let served: BTreeSet<_> = self.served.iter().map(|peer| self.addresses[peer]).collect();
        self.starved_since.retain(|address, _| wanting.contains(address) && !served.contains(address));
        for address in wanting.difference(&served) {
            self.starved_since.entry(*address).or_insert(now);
        }
    }

    /// Returns the number of slots held by an address.
    fn slots_of(&self, address: AddressKey) -> usize {
        self.served.iter().filter(|peer| self.addresses[peer] == address).count()
    }

    fn interested_addresses(&self) -> BTreeSet<AddressKey> {
        self.addresses.values().copied().collect()
    }
}

#[test]
fn one_address_alone_may_have_all_slots() {
    let mut node = SharingNode::new(config(8));
    node.join(0..16, OFFICE);
    assert_eq!(node.slots_of(OFFICE), 9);
}

#[test]
fn address_yields_extra_slots_when_another_waits() {
    let mut node = SharingNode::new(config(8));
    node.join(0..16, OFFICE);
    node.join([16], HOME);
    assert_eq!((node.slots_of(OFFICE), node.slots_of(HOME)), (1, 1));
    node.pass(Duration::from_mins(5));
    assert_eq!((node.slots_of(OFFICE), node.slots_of(HOME)), (1, 1));
}

#[test]
fn the_strongest_peer_of_an_address_keeps_its_slot() {
    let mut node = SharingNode::new(config(8));
    node.join(0..5, OFFICE);
    node.choker.received(PeerKey(3), 1_000, node.clock());
    node.join([16], HOME);
    assert_eq!(node.served, BTreeSet::from([PeerKey(3), PeerKey(16)]));
}

#[test]
fn extra_slots_return_only_with_the_next_round() {
    let mut node = SharingNode::new(config(8));
    node.join(0..16, OFFICE);
    node.pass(Duration::from_secs(11));
    node.join([16], HOME);
    node.leave(PeerKey(16));
    assert_eq!(node.slots_of(OFFICE), 1, "a slot does not come and go with each visit");
    node.pass(ROUND_INTERVAL);
    assert_eq!(node.slots_of(OFFICE), 9);
}

#[test]
fn peers_of_one_address_take_turns_in_its_slot() {
    let mut node = SharingNode::new(config(8));
    node.join(0..3, OFFICE);
    node.join([16], HOME);
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        assert_eq!((node.slots_of(OFFICE), node.slots_of(HOME)), (1, 1));
        seen.extend(node.served.iter().copied());
        node.pass(OPTIMISTIC_INTERVAL);
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_newcomer_of_another_address_is_first_in_the_queue() {
    let mut node = SharingNode::new(config(0));
    node.join(0..3, OFFICE);
    node.join([16], HOME);
    assert_eq!(node.places[&PeerKey(16)], 1);
    node.pass(OPTIMISTIC_INTERVAL);
    assert!(node.served.contains(&PeerKey(16)));
}

#[test]
fn places_in_the_queue_are_bounded_by_address() {
    let mut node = SharingNode::new(config(0));
    node.join(0..10, OFFICE);
    node.join([16], HOME);
    let placed = node.places.values().filter(|place| **place > 0).count();
    assert_eq!((placed, node.choker.waiting_count()), (5, 5));
    for peer in 1..5 {
        node.leave(PeerKey(peer));
    }
    node.pass(Duration::from_secs(6));
    let placed: BTreeSet<u32> = node.places.values().copied().filter(|place| *place > 0).collect();
    assert_eq!(placed, (1..=5).collect(), "a peer without a position moves up");
}

#[test]
fn peers_without_an_address_do_not_share_slots() {
    let mut node = SharingNode::new(config(8));
    node.join(0..16, OFFICE);
    for peer in (100..104).map(PeerKey) {
        node.addresses.insert(peer, AddressKey(u128::from(peer.0)));
        node.choker.interested(peer, node.clock());
    }
    node.apply_verdicts();
    assert_eq!((node.slots_of(OFFICE), node.served.len()), (1, 5));
}

/// An event: a peer becomes interested or leaves.
#[derive(Debug, Clone, Copy)]
enum SharingEvent {
    Join(u64),
    Leave(u64),
    Sent(u64, u64),
}

fn change() -> impl Strategy<Value = (Duration, SharingEvent)> {
    let change = (0u64..30, 0u64..5_000, 0u32..8).prop_map(|(peer, bytes, kind)| match kind {
        0..4 => SharingEvent::Join(peer),
        4..6 => SharingEvent::Leave(peer),
        _ => SharingEvent::Sent(peer, bytes),
    });
    (prop_oneof![Just(0), 0u64..3_000, 0u64..40_000].prop_map(Duration::from_millis), change)
}

/// Two greedy addresses have twenty of the thirty peers; ten addresses have one each.
fn address_of(peer: u64) -> AddressKey {
    AddressKey(u128::from(if peer < 20 { peer % 2 } else { peer }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_address_exceeds_its_share_or_starves(
        slots in 0usize..6,
        changes in prop::collection::vec(change(), 0..150),
    ) {
        let mut node = SharingNode::new(config(slots));
        for (pause, change) in changes {
            node.pass(pause);
            match change {
                SharingEvent::Join(peer) if node.addresses.contains_key(&PeerKey(peer)) => {}
                SharingEvent::Join(peer) => node.join([peer], address_of(peer)),
                SharingEvent::Leave(peer) => node.leave(PeerKey(peer)),
                SharingEvent::Sent(peer, bytes) if node.addresses.contains_key(&PeerKey(peer)) => {
                    node.choker.sent(PeerKey(peer), bytes, node.clock());
                }
                SharingEvent::Sent(..) => {}
            }
            let wanting = node.interested_addresses();
            let most = if wanting.len() > 1 { 1 } else { usize::MAX };
            prop_assert!(wanting.iter().all(|address| node.slots_of(*address) <= most));
            let held = wanting.iter().filter(|address| node.slots_of(**address) > 0).count();
            prop_assert_eq!(held, wanting.len().min(slots + 1), "a slot is free while an address is waiting");
            for (address, since) in &node.starved_since {
                prop_assert!(node.now.saturating_sub(*since) <= OPTIMISTIC_INTERVAL * 13, "{address:?} starves");
            }
        }
    }
}
