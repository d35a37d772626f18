use std::fs;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{ChunkCount, Cookie, ReplyFormat};

use super::*;
use crate::download::{DownloadTarget, SaveOptions, WantedFile};
use crate::identity::ExposedKeyPolicy;
use crate::lan::LanSettings;
use crate::node::NodeOptions;
use crate::operations::limits::LimitUpdate;
use crate::operations::shares::ShareRequest;
use crate::state_dir::StateDir;
use crate::transport::AddressLimits;

/// Returns the options of a node whose index does not answer.
fn options() -> NodeOptions {
    NodeOptions {
        port: 0,
        index: "127.0.0.1:1".into(),
        listen_host: Ipv4Addr::LOCALHOST.into(),
        max_active_downloads: 3,
        max_upload_rate: None,
        max_download_rate: None,
        upload_slots: 3,
        max_connections: 10,
        per_address: AddressLimits::default(),
        lan: LanSettings {
            announce_port: 0,
            chunk_port: 0,
            period: Duration::from_mins(1),
            chunk_count: ChunkCount::default(),
            broadcast: None,
            host: Ipv4Addr::LOCALHOST,
            max_size: 0,
            reply_format: ReplyFormat::Raw,
            cookie: Cookie::from_bytes([0; 8]),
        },
        finds_neighbours: false,
        exclude: Vec::new(),
        exposed_key: ExposedKeyPolicy::default(),
    }
}

/// Waits for the first event of the run that satisfies a condition.
async fn find(bus: &EventBus, is_wanted: impl Fn(&Event) -> bool) -> Event {
    let mut events = bus.resume_after(0);
    while let Some(record) = events.next().await {
        if is_wanted(&record.event) {
            return record.event.clone();
        }
    }
    panic!("the node stopped first");
}

/// Waits for a change of the first download.
async fn find_change(bus: &EventBus, change: DownloadChange) {
    let is_wanted = |event: &Event| match event {
        Event::Download(event) => event.number == 1 && event.change == change,
        _ => false,
    };
    find(bus, is_wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_publishes_what_changes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "content").unwrap();
    let node = Node::start(options(), StateDir::open(folder.path()).unwrap()).await.unwrap();
    let operations = Operations::new(Arc::new(node));
    let bus = operations.events().clone();
    find(&bus, |event| matches!(event, Event::SharesChanged { files: 1, bytes: 7, .. })).await;
    find(&bus, |event| matches!(event, Event::Index(IndexNews::Unavailable { .. }))).await;

    fs::write(folder.path().join("b"), "more").unwrap();
    operations.share(ShareRequest::default()).await.unwrap();
    find(&bus, |event| matches!(event, Event::HashingFinished { files: 2, .. })).await;

    let digest = operations.files().iter().next().unwrap().digest;
    let wanted = WantedFile {
        digest,
        size: Some(7),
        path: None,
        target: DownloadTarget::InFolder("copy".into()),
        copies: Vec::new(),
        anywhere: false,
        save_options: SaveOptions::default(),
    };
    let id = operations.node.downloads().start(&wanted).await.unwrap();
    find_change(&bus, DownloadChange::Added).await;
    find_change(&bus, DownloadChange::Finished { is_seeding: false }).await;
    assert!(operations.node.downloads().clear(id));
    find_change(&bus, DownloadChange::Removed).await;

    let limits = operations.change_limit(LimitUpdate::Upload(NonZeroU64::new(7)));
    find(&bus, |event| *event == Event::LimitsChanged(limits)).await;
    let mut last = bus.subscribe();
    operations.node.stop().await;
    let mut events = Vec::new();
    while let Some(record) = last.next().await {
        events.push(record.event.clone());
    }
    assert_eq!(events.last(), Some(&Event::Stopping));
    // What lasts is repeated to a new subscriber.
    assert!(matches!(events[0], Event::Index(IndexNews::Unavailable { .. })), "{events:?}");
}
