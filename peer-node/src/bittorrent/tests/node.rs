use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::bitfield::Bitfield;
use protocol::bittorrent::PeerId;
use protocol::geometry::{Block, PieceIndex};
use protocol::metainfo::{DraftContent, DraftOptionalFields, Metainfo, MetainfoDraft};
use sha1::{Digest as _, Sha1};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bittorrent::{
    BlockSegment, PieceLocator, SwarmMembership, TorrentOffering, WireEvent, Wires, WiresConfig,
};
use crate::listener::PeerListener;
use crate::source_address::SourceAddress;
use crate::throttle::Throttle;
use crate::transport::{AddressLimits, Transport, TransportConfig};
use swarm::{SourceId, SourceIds};

/// Returns bytes that do not compress or repeat.
pub(super) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((state ^ state >> 33).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Builds a torrent of one file.
pub(super) fn torrent(content: &[u8], piece_length: u32) -> Arc<Metainfo> {
    let hashes: Vec<[u8; 20]> =
        content.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
    let draft = MetainfoDraft {
        name: "content".to_owned(),
        piece_length,
        content: DraftContent::Single(content.len() as u64),
        private: false,
        tiers: Vec::new(),
        optional: DraftOptionalFields::default(),
    };
    Arc::new(Metainfo::parse(&draft.encode(&hashes).unwrap()).unwrap())
}

/// Locates content stored as a single file.
#[derive(Debug)]
struct SingleFileLocator {
    file: Arc<File>,
    metainfo: Arc<Metainfo>,
    /// True to simulate that the system has no file descriptor left.
    out_of_descriptors: Arc<AtomicBool>,
}

impl PieceLocator for SingleFileLocator {
    fn segments(&self, block: Block) -> io::Result<Option<Vec<BlockSegment>>> {
        if self.out_of_descriptors.load(Ordering::SeqCst) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let (file, offset) = (Arc::clone(&self.file), self.metainfo.geometry().block_offset(block));
        Ok(Some(vec![BlockSegment::File { file, offset, length: block.length as usize }]))
    }
}

/// A node with one torrent.
#[derive(Debug)]
pub(super) struct WireTestNode {
    pub(super) metainfo: Arc<Metainfo>,
    pub(super) address: SocketAddr,
    pub(super) wires: Wires,
    pub(super) transport: Transport,
    pub(super) membership: SwarmMembership,
    pub(super) events: mpsc::Receiver<(SourceId, WireEvent)>,
    file: Arc<File>,
    out_of_descriptors: Arc<AtomicBool>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl WireTestNode {
    /// Starts a node that has the first `pieces` pieces of `content`.
    pub(super) async fn start(
        dir: &Path,
        number: u8,
        content: &[u8],
        metainfo: &Arc<Metainfo>,
        pieces: u32,
    ) -> Self {
        let path = dir.join(format!("content-{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        let (mut have, geometry) = (Bitfield::empty(metainfo.geometry()), *metainfo.geometry());
        for piece in geometry.pieces().take(pieces as usize) {
            have.insert(piece);
            let (from, length) = (geometry.piece_offset(piece), geometry.length_of(piece) as usize);
            let from_slot = usize::try_from(from).unwrap();
            file.write_all_at(&content[from_slot..from_slot + length], from).unwrap();
        }
        Self::launch(Arc::new(file), number, Arc::clone(metainfo), &have).await
    }

    async fn launch(file: Arc<File>, number: u8, metainfo: Arc<Metainfo>, have: &Bitfield) -> Self {
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let config = TransportConfig {
            upload_slots: 8,
            max_connections: 100,
            per_address: AddressLimits::default(),
            upload: Throttle::new(None, None),
            download: Throttle::new(None, None),
            source_address: SourceAddress::default(),
        };
        let transport = Transport::new(config, &tracker, cancel.clone());
        let peer_id = PeerId::ours([number; 12]);
        let wires = Wires::new(WiresConfig {
            peer_id,
            transport: transport.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        });
        let is_exhausted = Arc::<AtomicBool>::default();
        let bytes = SingleFileLocator {
            file: Arc::clone(&file),
            metainfo: Arc::clone(&metainfo),
            out_of_descriptors: Arc::clone(&is_exhausted),
        };
        let offering = Arc::new(TorrentOffering::new(Arc::clone(&metainfo), have, Arc::new(bytes)));
        let (sender, events) = mpsc::channel(64);
        let membership = wires.join(offering, SourceIds::default(), sender).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener_task = PeerListener {
            transport: transport.clone(),
            links: None,
            wires: wires.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        };
        tracker.spawn(listener_task.run(listener));
        Self {
            metainfo,
            address,
            wires,
            transport,
            membership,
            events,
            file,
            out_of_descriptors: is_exhausted,
            tracker,
            cancel,
        }
    }

    pub(super) fn offering(&self) -> &Arc<TorrentOffering> {
        self.membership.offering()
    }

    /// Stores a piece in the file and offers it.
    pub(super) fn store(&self, piece: PieceIndex, bytes: &[u8]) {
        let offset = self.metainfo.geometry().piece_offset(piece);
        self.file.write_all_at(bytes, offset).unwrap();
        self.offering().mark_verified(piece);
    }

    /// Truncates the file.
    pub(super) fn truncate(&self) {
        self.file.set_len(1).unwrap();
    }

    /// Simulates that the system is out of file descriptors, or not.
    pub(super) fn set_out_of_descriptors(&self, on: bool) {
        self.out_of_descriptors.store(on, Ordering::SeqCst);
    }

    /// Returns the next event.
    pub(super) async fn next_event(&mut self) -> WireEvent {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.events.recv());
        next.await.expect("no event in time").expect("the event channel is closed").1
    }

    /// Waits for a disconnect. Returns the reason and whether to retry.
    pub(super) async fn wait_for_disconnect(&mut self) -> (String, bool) {
        loop {
            if let WireEvent::Disconnected { reason, can_retry } = self.next_event().await {
                return (reason, can_retry);
            }
        }
    }

    /// Stops the node; all its tasks must end.
    pub(super) async fn stop(self) {
        drop((self.membership, self.events));
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(std::time::Duration::from_secs(20), self.tracker.wait())
            .await
            .expect("a task did not end");
    }
}
