use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::node::Node;
use crate::bittorrent::{Wire, WireEvent};
use crate::swarm::{Action, Order, Overdue, SourceId, Swarm, SwarmConfig};
use crate::transport::Buffer;

/// Fetches what a node lacks from whoever is connected to it.
#[derive(Debug)]
pub(super) struct Fetch {
    node: Node,
    swarm: Swarm,
    wires: HashMap<SourceId, Wire>,
    pieces: HashMap<PieceIndex, Vec<(Block, Buffer)>>,
}

impl Fetch {
    pub(super) fn new(node: Node) -> Self {
        let config = SwarmConfig {
            block_length: 16 << 10,
            least_block: 16 << 10,
            max_requests: 250,
            budget: 64 << 20,
            most_on_trial: None,
            order: Order::Rarest,
            overdue: Overdue::Overtake,
            seed: 1,
        };
        let here = node.offering().here();
        let swarm = Swarm::new(*node.metainfo.geometry(), config, Instant::now(), |piece| here.has(piece));
        let (wires, pieces) = (HashMap::new(), HashMap::new());
        Self { node, swarm, wires, pieces }
    }

    /// Fetches until everything is here, and returns the node.
    pub(super) async fn finish(mut self) -> Node {
        while !self.swarm.is_complete() {
            self.act();
            let tick = Duration::from_millis(100);
            if let Ok(event) = tokio::time::timeout(tick, self.node.events.recv()).await {
                let (source, event) = event.unwrap();
                self.hear(source, event);
                while let Ok((source, event)) = self.node.events.try_recv() {
                    self.hear(source, event);
                }
            }
        }
        self.node
    }

    fn act(&mut self) {
        while let Some(action) = self.swarm.poll(Instant::now()) {
            match action {
                Action::Request { source, block } => self.wires[&source].request(block),
                Action::Cancel { source, block } => self.wires[&source].cancel(block),
                Action::Interest { source, on } => self.wires[&source].interested(on),
                Action::Check { piece } => self.check(piece),
                Action::Drop { piece } => drop(self.pieces.remove(&piece)),
                Action::Leave { source, reason } => panic!("{source:?} was left: {reason}"),
            }
        }
    }

    fn check(&mut self, piece: PieceIndex) {
        let mut blocks = self.pieces.remove(&piece).unwrap();
        blocks.sort_by_key(|(block, _)| block.begin);
        assert!(self.node.metainfo.is_piece(piece, blocks.iter().map(|(_, data)| data.bytes())));
        let bytes: Vec<u8> = blocks.iter().flat_map(|(_, data)| data.bytes()).copied().collect();
        self.node.store(piece, &bytes);
        self.swarm.piece_checked(piece, true);
    }

    fn hear(&mut self, source: SourceId, event: WireEvent) {
        let now = Instant::now();
        match event {
            WireEvent::Joined { wire, have, choked } => {
                wire.interested(true);
                self.wires.insert(source, wire);
                self.swarm.source_joined(source, have, choked, now);
            }
            WireEvent::Has { piece } => self.swarm.source_has(source, piece),
            WireEvent::Takes { requests } => self.swarm.source_takes(source, requests),
            WireEvent::Choked => self.swarm.source_choked(source),
            WireEvent::Unchoked => self.swarm.source_unchoked(source),
            WireEvent::Bytes { count } => self.swarm.bytes_arrived(source, count, now),
            WireEvent::Blocks { blocks, count } => {
                self.swarm.bytes_arrived(source, count, now);
                for (block, data) in blocks {
                    if self.swarm.block_arrived(source, block, now) {
                        self.pieces.entry(block.piece).or_default().push((block, data));
                    }
                }
            }
            WireEvent::Rejected(blocks) => {
                for block in blocks {
                    self.swarm.block_turned_down(source, block, now);
                }
            }
            WireEvent::Lost { .. } => self.swarm.source_lost(source),
        }
    }
}
