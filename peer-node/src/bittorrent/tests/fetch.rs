use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::node::WireTestNode;
use crate::bittorrent::{PeerWire, WireEvent};
use crate::transport::Buffer;
use swarm::{OverduePolicy, PieceOrder, SourceId, Swarm, SwarmAction, SwarmConfig};

/// Fetches a node's missing pieces from its connected peers.
#[derive(Debug)]
pub(super) struct WireFetch {
    node: WireTestNode,
    swarm: Swarm,
    wires: HashMap<SourceId, PeerWire>,
    pieces: HashMap<PieceIndex, Vec<(Block, Buffer)>>,
}

impl WireFetch {
    pub(super) fn new(node: WireTestNode) -> Self {
        let config = SwarmConfig {
            block_length: 16 << 10,
            min_block: 16 << 10,
            max_requests: 250,
            budget: 64 << 20,
            max_on_trial: None,
            order: PieceOrder::Rarest,
            overdue: OverduePolicy::Duplicate,
            seed: 1,
        };
        let have = node.offering().have();
        let swarm = Swarm::new(*node.metainfo.geometry(), config, Instant::now(), |piece| have.has(piece));
        let (wires, pieces) = (HashMap::new(), HashMap::new());
        Self { node, swarm, wires, pieces }
    }

    /// Fetches until everything is complete, and returns the node.
    pub(super) async fn finish(mut self) -> WireTestNode {
        while !self.swarm.is_complete() {
            self.run_actions();
            let tick = Duration::from_millis(100);
            if let Ok(event) = tokio::time::timeout(tick, self.node.events.recv()).await {
                let (source, event) = event.unwrap();
                self.handle(source, event);
                while let Ok((source, event)) = self.node.events.try_recv() {
                    self.handle(source, event);
                }
            }
        }
        self.node
    }

    fn run_actions(&mut self) {
        while let Some(action) = self.swarm.poll(Instant::now()) {
            match action {
                SwarmAction::Request { source, block } => self.wires[&source].request(block),
                SwarmAction::Cancel { source, block } => self.wires[&source].cancel(block),
                SwarmAction::Interest { source, on } => self.wires[&source].set_interested(on),
                SwarmAction::Verify { piece } => self.verify(piece),
                SwarmAction::Drop { piece } => drop(self.pieces.remove(&piece)),
                SwarmAction::Disconnect { source, reason } => panic!("{source:?} was disconnected: {reason}"),
            }
        }
    }

    fn verify(&mut self, piece: PieceIndex) {
        let mut blocks = self.pieces.remove(&piece).unwrap();
        blocks.sort_by_key(|(block, _)| block.begin);
        assert!(self.node.metainfo.verify_piece(piece, blocks.iter().map(|(_, data)| data.bytes())));
        let bytes: Vec<u8> = blocks.iter().flat_map(|(_, data)| data.bytes()).copied().collect();
        self.node.store(piece, &bytes);
        self.swarm.piece_checked(piece, true);
    }

    fn handle(&mut self, source: SourceId, event: WireEvent) {
        let now = Instant::now();
        match event {
            WireEvent::Joined { wire, have, choked } => {
                wire.set_interested(true);
                self.wires.insert(source, wire);
                self.swarm.source_joined(source, have, choked, now);
            }
            WireEvent::Has { piece } => self.swarm.source_has(source, piece),
            WireEvent::RequestLimit { requests } => self.swarm.source_limits_requests(source, requests),
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
                    self.swarm.block_refused(source, block, now);
                }
            }
            WireEvent::Disconnected { .. } => self.swarm.source_lost(source),
        }
    }
}
