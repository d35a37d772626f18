//! The network as a whole: its connections and its clock.

use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use protocol::seeded_random::SeededRandom;

use super::SpreadingOutcome;
use super::event_queue::{EventQueue, SimEvent, SimLinkId, SimNodeId};
use super::node::SimNode;
use super::plan::SimulationPlan;

/// Time limit as a multiple of the shortest possible completion time.
const TIME_LIMIT_FACTOR: u32 = 20;

/// Time that a departed peer stays offline, and delay before a lost connection is replaced.
const OFFLINE_TIME: Duration = Duration::from_secs(5);

/// A running simulation.
#[derive(Debug)]
pub(super) struct SimNetwork {
    pub(super) plan: SimulationPlan,
    pub(super) nodes: Vec<SimNode>,
    pub(super) events: EventQueue,
    pub(super) now: Duration,
    pub(super) outcome: SpreadingOutcome,
    start: Instant,
    random: SeededRandom,
    last_link_id: SimLinkId,
}

impl SimNetwork {
    pub(super) fn new(plan: SimulationPlan) -> Self {
        let (start, peers) = (Instant::now(), plan.peers as usize);
        let nodes = (0..=plan.peers).map(|id| SimNode::new(&plan, id == 0, start)).collect();
        let random = SeededRandom::from_seed(plan.seed);
        let outcome = SpreadingOutcome {
            finished: vec![None; peers],
            source_sent: 0,
            received: 0,
            events: 0,
            fingerprint: 0,
        };
        let events = EventQueue::default();
        let mut network =
            Self { plan, nodes, events, now: Duration::ZERO, outcome, start, random, last_link_id: 0 };
        network.start_peers();
        network
    }

    /// Starts all peers at once, connected to random others.
    fn start_peers(&mut self) {
        for id in 1..=self.plan.peers {
            let (seed, clock) = (self.random.next_u64(), self.clock());
            self.nodes[id as usize].start_download(&self.plan, seed, clock);
        }
        for id in 0..=self.plan.peers {
            self.dial(id);
            self.events.schedule(Duration::ZERO, SimEvent::Wake(id));
            if let Some(stay) = self.plan.churn.mean_session.filter(|_| id > 0) {
                let leaves = self.random_time_from_now(stay);
                self.events.schedule(leaves, SimEvent::Leave(id));
            }
        }
    }

    pub(super) fn run(mut self) -> SpreadingOutcome {
        let end = self.plan.fastest_completion() * TIME_LIMIT_FACTOR;
        while let Some((time, event)) = self.events.pop() {
            if time > end || self.outcome.finished.iter().all(Option::is_some) {
                break;
            }
            self.now = time;
            self.record_event(event);
            self.handle_event(event);
        }
        self.outcome
    }

    fn record_event(&mut self, event: SimEvent) {
        let mut hasher = DefaultHasher::new();
        // Chains the hash, so that the fingerprint also depends on the order of the events.
        hasher.write_u64(self.outcome.fingerprint);
        hasher.write_u128(self.now.as_nanos());
        if let SimEvent::Deliver { from, to, link, .. } = event {
            hasher.write_u64(link ^ u64::from(from) << 32 ^ u64::from(to) << 48);
        }
        self.outcome.fingerprint = hasher.finish();
        self.outcome.events += 1;
    }

    fn handle_event(&mut self, event: SimEvent) {
        match event {
            SimEvent::Deliver { from, to, link, message } => {
                // A message on a closed link is lost, even if the two nodes have connected again.
                if self.nodes[to as usize].links.get(&from).is_some_and(|known| known.id == link) {
                    self.handle_message(from, to, message);
                }
            }
            SimEvent::SendComplete(node) => self.finish_send(node),
            SimEvent::Wake(node) => {
                let planned = &mut self.nodes[node as usize].wake_at;
                // An earlier poll may have moved the wakeup; then a later event wakes the node.
                if planned.is_none_or(|planned| planned <= self.now) {
                    *planned = None;
                    self.poll_node(node);
                }
            }
            SimEvent::Disconnect { one, other, link } => {
                if self.nodes[one as usize].links.get(&other).is_some_and(|known| known.id == link) {
                    self.disconnect(one, other);
                }
            }
            SimEvent::Dial(node) => self.dial(node),
            SimEvent::Leave(node) => self.take_offline(node),
            SimEvent::Rejoin(node) => self.rejoin(node),
        }
    }

    pub(super) fn clock(&self) -> Instant {
        self.start + self.now
    }

    /// Returns a random time from now with the given mean.
    fn random_time_from_now(&mut self, mean: Duration) -> Duration {
        // Uniform between zero and twice the mean.
        let part = u32::try_from(self.random.next_u64() >> 48).unwrap_or(0);
        self.now + mean * 2 * part / (1 << 16)
    }

    /// Returns the delay of a message between two nodes.
    pub(super) fn delay(&self, one: SimNodeId, other: SimNodeId) -> Duration {
        let of = |node: SimNodeId| {
            // Derived from the node alone, so that the delay between two nodes never changes.
            u32::try_from(SeededRandom::from_seed(self.plan.seed ^ u64::from(node)).next_u64() >> 48)
                .unwrap_or(0)
        };
        self.plan.max_delay * (of(one) + of(other)) / (2 << 16)
    }

    /// Connects a node to random others until it has dialled half of its neighbours.
    fn dial(&mut self, node: SimNodeId) {
        let node_count = self.plan.peers + 1;
        let wanted = (self.plan.neighbours / 2).min(node_count - 1) as usize;
        // Bounded, since most nodes may be offline or already connected.
        for _ in 0..self.plan.neighbours * 2 {
            if self.nodes[node as usize].links.len() >= wanted {
                break;
            }
            let other = u32::try_from(self.random.next_u64() % u64::from(node_count)).unwrap_or(0);
            let is_new = other != node && !self.nodes[node as usize].links.contains_key(&other);
            if is_new && self.nodes[other as usize].is_online && self.nodes[node as usize].is_online {
                self.connect(node, other);
            }
        }
    }

    fn connect(&mut self, one: SimNodeId, other: SimNodeId) {
        self.last_link_id += 1;
        let (link, clock) = (self.last_link_id, self.clock());
        for (node, to) in [(one, other), (other, one)] {
            let there = &self.nodes[to as usize];
            let (have, wants) = (there.have(), there.swarm.is_some());
            self.nodes[node as usize].connect(to, link, have, wants, clock);
            self.events.schedule(self.now, SimEvent::Wake(node));
        }
        if let Some(lifetime) = self.plan.churn.mean_link_lifetime {
            let breaks = self.random_time_from_now(lifetime);
            self.events.schedule(breaks, SimEvent::Disconnect { one, other, link });
        }
    }

    pub(super) fn disconnect(&mut self, one: SimNodeId, other: SimNodeId) {
        let clock = self.clock();
        for (node, from) in [(one, other), (other, one)] {
            self.nodes[node as usize].disconnect(from, clock);
            self.events.schedule(self.now, SimEvent::Wake(node));
            let again = self.random_time_from_now(OFFLINE_TIME);
            self.events.schedule(again, SimEvent::Dial(node));
        }
    }

    fn take_offline(&mut self, node: SimNodeId) {
        let links: Vec<SimNodeId> = self.nodes[node as usize].links.keys().copied().collect();
        for other in links {
            self.disconnect(node, other);
        }
        self.nodes[node as usize].is_online = false;
        let returns = self.random_time_from_now(OFFLINE_TIME);
        self.events.schedule(returns, SimEvent::Rejoin(node));
    }

    /// Brings a peer back with the pieces that it had.
    fn rejoin(&mut self, node: SimNodeId) {
        let (seed, clock) = (self.random.next_u64(), self.clock());
        let returned = &mut self.nodes[node as usize];
        returned.is_online = true;
        returned.start_download(&self.plan, seed, clock);
        self.dial(node);
        if let Some(stay) = self.plan.churn.mean_session {
            let leaves = self.random_time_from_now(stay);
            self.events.schedule(leaves, SimEvent::Leave(node));
        }
    }
}
