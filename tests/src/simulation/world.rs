//! The network as a whole: who is connected to whom, and the march of time.

use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use peer_node::swarm::Random;

use super::Outcome;
use super::agenda::{Agenda, Event, LinkId, NodeId};
use super::node::Node;
use super::plan::Plan;

/// How much longer than the shortest possible time is waited.
const PATIENCE: u32 = 20;

/// How long a peer that left stays away, and how long after a loss another is dialled.
const AWAY: Duration = Duration::from_secs(5);

/// A simulated network under way.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) nodes: Vec<Node>,
    pub(super) agenda: Agenda,
    pub(super) now: Duration,
    pub(super) outcome: Outcome,
    start: Instant,
    random: Random,
    links: LinkId,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let (start, peers) = (Instant::now(), plan.peers as usize);
        let nodes = (0..=plan.peers).map(|id| Node::new(&plan, id == 0, start)).collect();
        let random = Random::from_seed(plan.seed);
        let outcome =
            Outcome { finished: vec![None; peers], from_source: 0, received: 0, events: 0, history: 0 };
        let agenda = Agenda::default();
        let mut world = Self { plan, nodes, agenda, now: Duration::ZERO, outcome, start, random, links: 0 };
        world.begin();
        world
    }

    /// Lets all peers begin at once, with connections to random others.
    fn begin(&mut self) {
        for id in 1..=self.plan.peers {
            let (seed, clock) = (self.random.draw(), self.clock());
            self.nodes[id as usize].fetch(&self.plan, seed, clock);
        }
        for id in 0..=self.plan.peers {
            self.dial(id);
            self.agenda.plan(Duration::ZERO, Event::Wake(id));
            if let Some(stay) = self.plan.churn.stay.filter(|_| id > 0) {
                let leaves = self.about(stay);
                self.agenda.plan(leaves, Event::Leave(id));
            }
        }
    }

    pub(super) fn play(mut self) -> Outcome {
        let end = self.plan.bound() * PATIENCE;
        while let Some((time, event)) = self.agenda.next() {
            if time > end || self.outcome.finished.iter().all(Option::is_some) {
                break;
            }
            self.now = time;
            self.note(event);
            self.happen(event);
        }
        self.outcome
    }

    fn note(&mut self, event: Event) {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.outcome.history);
        hasher.write_u128(self.now.as_nanos());
        if let Event::Deliver { from, to, link, .. } = event {
            hasher.write_u64(link ^ u64::from(from) << 32 ^ u64::from(to) << 48);
        }
        self.outcome.history = hasher.finish();
        self.outcome.events += 1;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, link, message } => {
                if self.nodes[to as usize].links.get(&from).is_some_and(|known| known.id == link) {
                    self.hear(from, to, message);
                }
            }
            Event::Sent(node) => self.sent(node),
            Event::Wake(node) => {
                let planned = &mut self.nodes[node as usize].wakes;
                if planned.is_none_or(|planned| planned <= self.now) {
                    *planned = None;
                    self.settle(node);
                }
            }
            Event::Break { one, other, link } => {
                if self.nodes[one as usize].links.get(&other).is_some_and(|known| known.id == link) {
                    self.disconnect(one, other);
                }
            }
            Event::Dial(node) => self.dial(node),
            Event::Leave(node) => self.leave(node),
            Event::Return(node) => self.come_back(node),
        }
    }

    pub(super) fn clock(&self) -> Instant {
        self.start + self.now
    }

    /// Returns a time from now that is so long on average.
    fn about(&mut self, mean: Duration) -> Duration {
        let part = u32::try_from(self.random.draw() >> 48).unwrap_or(0);
        self.now + mean * 2 * part / (1 << 16)
    }

    /// Returns how long a message takes between two nodes.
    pub(super) fn delay(&self, one: NodeId, other: NodeId) -> Duration {
        let of = |node: NodeId| {
            u32::try_from(Random::from_seed(self.plan.seed ^ u64::from(node)).draw() >> 48).unwrap_or(0)
        };
        self.plan.delay * (of(one) + of(other)) / (2 << 16)
    }

    /// Connects a node to random others until it has dialled its half of the neighbours.
    fn dial(&mut self, node: NodeId) {
        let everybody = self.plan.peers + 1;
        let wanted = (self.plan.neighbours / 2).min(everybody - 1) as usize;
        for _ in 0..self.plan.neighbours * 2 {
            if self.nodes[node as usize].links.len() >= wanted {
                break;
            }
            let other = u32::try_from(self.random.draw() % u64::from(everybody)).unwrap_or(0);
            let is_new = other != node && !self.nodes[node as usize].links.contains_key(&other);
            if is_new && self.nodes[other as usize].present && self.nodes[node as usize].present {
                self.connect(node, other);
            }
        }
    }

    fn connect(&mut self, one: NodeId, other: NodeId) {
        self.links += 1;
        let (link, clock) = (self.links, self.clock());
        for (node, to) in [(one, other), (other, one)] {
            let there = &self.nodes[to as usize];
            let (have, wants) = (there.have(), there.swarm.is_some());
            self.nodes[node as usize].connect(to, link, have, wants, clock);
            self.agenda.plan(self.now, Event::Wake(node));
        }
        if let Some(life) = self.plan.churn.link_life {
            let breaks = self.about(life);
            self.agenda.plan(breaks, Event::Break { one, other, link });
        }
    }

    pub(super) fn disconnect(&mut self, one: NodeId, other: NodeId) {
        let clock = self.clock();
        for (node, from) in [(one, other), (other, one)] {
            self.nodes[node as usize].disconnect(from, clock);
            self.agenda.plan(self.now, Event::Wake(node));
            let again = self.about(AWAY);
            self.agenda.plan(again, Event::Dial(node));
        }
    }

    fn leave(&mut self, node: NodeId) {
        let links: Vec<NodeId> = self.nodes[node as usize].links.keys().copied().collect();
        for other in links {
            self.disconnect(node, other);
        }
        self.nodes[node as usize].present = false;
        let returns = self.about(AWAY);
        self.agenda.plan(returns, Event::Return(node));
    }

    /// Lets a peer go on with the pieces that it had.
    fn come_back(&mut self, node: NodeId) {
        let (seed, clock) = (self.random.draw(), self.clock());
        let returned = &mut self.nodes[node as usize];
        returned.present = true;
        returned.fetch(&self.plan, seed, clock);
        self.dial(node);
        if let Some(stay) = self.plan.churn.stay {
            let leaves = self.about(stay);
            self.agenda.plan(leaves, Event::Leave(node));
        }
    }
}
