//! Two nodes on this machine whose link uses several connections.

use std::fs;

use protocol::digest::Digest;
use protocol::geometry::Block;
use protocol::manifest::{Manifest, ManifestBuilder};
use protocol::peer::PeerMessage;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::link_width::LinkWidth;
use super::*;
use crate::native::{FetchChannel, PeerListingError};
use crate::source_address::SourceAddress;
use crate::state_dir::StateDir;
use crate::storage::FileIdentity;
use crate::throttle::Throttle;
use crate::transport::{AddressLimits, TransportConfig, accept_all};
use swarm::SourceId;

/// Far longer than any step takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

const TEST_WIDTH: usize = 4;

struct LinkTestNode {
    links: Links,
    address: SocketAddr,
    home: tempfile::TempDir,
}

impl LinkTestNode {
    async fn start(number: u8) -> Self {
        Self::start_with(number, false).await
    }

    async fn start_with(number: u8, is_searchable: bool) -> Self {
        // Temporary folders have hidden names by default, and hidden folders are not shared.
        let home = tempfile::Builder::new().prefix("links").tempdir().unwrap();
        let share = home.path().canonicalize().unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let state = Arc::new(StateDir::open(&share).unwrap());
        let library = Library::open(state, share, Vec::new(), &tracker, cancel.clone()).await.unwrap();
        let (upload, download) = (Throttle::new(None, None), Throttle::new(None, None));
        let source = SourceAddress::default();
        let config = TransportConfig {
            upload_slots: 1,
            max_connections: TEST_WIDTH,
            per_address: AddressLimits::default(),
            upload,
            download,
            source_address: source,
        };
        let transport = Transport::new(config, &tracker, cancel.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let links = Links::new(LinksConfig {
            node: NodeId::from_bytes([number; 32]),
            port: address.port(),
            library,
            partials: Partials::default(),
            is_searchable,
            probe_key: ProbeKey::default(),
            transport: transport.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        });
        let visited = links.clone();
        tracker.clone().spawn(async move {
            let visit = |mut stream: PeerStream, from, permit| {
                let links = visited.clone();
                async move {
                    let mut preamble = [0; PREAMBLE_LEN];
                    if stream.read_exact(&mut preamble).await.is_ok() {
                        links.accept(stream, preamble, from, permit).await;
                    }
                }
            };
            accept_all(listener, transport.admission(), (&tracker, &cancel), visit).await;
        });
        Self { links, address, home }
    }

    async fn share(&self, content: &[u8]) -> Arc<Manifest> {
        let mut builder = ManifestBuilder::new(content.len() as u64).unwrap();
        builder.update(content);
        let manifest = Arc::new(builder.finish().unwrap());
        let path = self.home.path().canonicalize().unwrap().join("file");
        fs::write(&path, content).unwrap();
        let identity = FileIdentity::from_file(&fs::File::open(&path).unwrap()).unwrap().unwrap();
        self.links.inner.config.library.adopt(path, identity, Arc::clone(&manifest)).await.unwrap();
        manifest
    }
}

impl Drop for LinkTestNode {
    fn drop(&mut self) {
        self.links.inner.config.cancel.cancel();
    }
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waiting)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"));
}

type TestEvents = mpsc::Receiver<(SourceId, SourceEvent)>;

async fn next(events: &mut TestEvents) -> SourceEvent {
    tokio::time::timeout(TEST_TIMEOUT, events.recv()).await.expect("an event in time").expect("an event").1
}

/// Opens a content and waits until it is served.
async fn open(link: &PeerLink, digest: Digest) -> (FetchChannel, TestEvents) {
    let (events_to, mut events) = mpsc::channel(64);
    let channel = link.open(digest, SourceId(1), events_to).unwrap();
    let (mut is_offered, mut is_served) = (false, false);
    while !is_offered || !is_served {
        match next(&mut events).await {
            SourceEvent::Offered { choked, .. } => (is_offered, is_served) = (true, is_served || !choked),
            SourceEvent::Unchoked => is_served = true,
            SourceEvent::Choked { .. } | SourceEvent::Bytes { .. } | SourceEvent::Details { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    (channel, events)
}

/// Fetches blocks, checks their bytes, and fails if one arrives twice.
async fn fetch(
    channel: &FetchChannel,
    events: &mut TestEvents,
    blocks: &[Block],
    manifest: &Manifest,
    content: &[u8],
) {
    for block in blocks {
        channel.request(*block);
    }
    let mut missing = blocks.to_vec();
    while !missing.is_empty() {
        match next(events).await {
            SourceEvent::Block { reference, data, .. } => {
                let at = missing
                    .iter()
                    .position(|block| (block.piece.get(), block.begin) == (reference.piece, reference.begin));
                let block = missing.swap_remove(at.expect("a block that is missing"));
                let offset = usize::try_from(manifest.geometry().block_offset(block)).unwrap();
                assert_eq!(data.bytes(), &content[offset..offset + block.length as usize]);
            }
            SourceEvent::Bytes { .. } | SourceEvent::Details { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_carry_each_block_once() {
    let content: Vec<u8> = (0..4_u32 << 20).map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]).collect();
    let (source, fetcher) = (LinkTestNode::start(1).await, LinkTestNode::start(2).await);
    let manifest = source.share(&content).await;
    let link = fetcher.links.get_or_connect(source.links.inner.config.node, source.address).await.unwrap();
    let (channel, mut events) = open(&link, manifest.digest()).await;
    let (key, sending) = source.links.inner.keys.only();
    sending.state.width.send_replace(LinkWidth { open: 3, used: 3 });
    sending.state.queue.push(PeerMessage::Widen { key, connections: 3 });
    wait_until("two further connections", || sending.state.further_out.count() == 2).await;
    assert_eq!(link.connections(), 3);

    let admission = source.links.inner.config.transport.admission();
    let permits: Vec<AdmissionPermit> =
        std::iter::from_fn(|| admission.admit([127, 0, 0, 1].into()).ok()).collect();
    assert_eq!(permits.len(), TEST_WIDTH - 1, "the link takes one permit");
    drop(permits);

    let geometry = manifest.geometry();
    let blocks: Vec<Block> = geometry.pieces().flat_map(|piece| geometry.blocks(piece, 64 << 10)).collect();
    fetch(&channel, &mut events, &blocks, &manifest, &content).await;

    sending.state.width.send_replace(LinkWidth::ONE);
    wait_until("the further connections to close", || link.connections() == 1).await;
    fetch(&channel, &mut events, &blocks[..4], &manifest, &content).await;
    assert!(!link.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_beyond_the_wanted_number_is_refused() {
    let (source, fetcher) = (LinkTestNode::start(3).await, LinkTestNode::start(4).await);
    let manifest = source.share(&[7; 1000]).await;
    let link = fetcher.links.get_or_connect(source.links.inner.config.node, source.address).await.unwrap();
    let (channel, mut events) = open(&link, manifest.digest()).await;
    let (key, sending) = source.links.inner.keys.only();
    // One connection is wanted, but two are requested.
    sending.state.queue.push(PeerMessage::Widen { key, connections: 2 });
    let block = manifest.geometry().block(0, 0, 1000).unwrap();
    fetch(&channel, &mut events, &[block], &manifest, &[7; 1000]).await;
    wait_until("the connection to be refused", || link.connections() == 1).await;
    assert_eq!(sending.state.further_out.count(), 0);
    assert!(!link.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_if_the_peer_announced_that() {
    let (source, reader) = (LinkTestNode::start_with(5, true).await, LinkTestNode::start(6).await);
    let manifest = source.share(&[7; 1000]).await;
    let link = reader.links.get_or_connect(source.links.inner.config.node, source.address).await.unwrap();
    let (files, more) = link.browse(None, 10).await.unwrap();
    let listed: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.digest)).collect();
    assert_eq!((listed, more), (vec![("file", manifest.digest())], false));
    assert_eq!(link.browse(Some("file".to_owned()), 10).await, Ok((Vec::new(), false)));

    let silent = LinkTestNode::start(7).await;
    let link = reader.links.get_or_connect(silent.links.inner.config.node, silent.address).await.unwrap();
    assert_eq!(link.browse(None, 10).await, Err(PeerListingError::Unsupported));
    // A peer that requests a list regardless is disconnected.
    link.shared.queue.push(PeerMessage::Browse { number: 1, after: None, limit: 10 });
    wait_until("the link to close", || link.is_closed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_beyond_the_rate_are_postponed() {
    let (source, reader) = (LinkTestNode::start_with(8, true).await, LinkTestNode::start(9).await);
    let link = reader.links.get_or_connect(source.links.inner.config.node, source.address).await.unwrap();
    let begun = Instant::now();
    for _ in 0..220 {
        assert_eq!(link.browse(None, 1).await, Ok((Vec::new(), false)));
    }
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}
