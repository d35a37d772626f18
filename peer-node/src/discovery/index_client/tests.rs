//! Tests of the client against a scripted index over loopback.

mod torrents;

use protocol::backoff::BackoffRange;
use protocol::index::{
    FileRecord, ListSummary, Notice, Refusal, Reply, Request, Share, TorrentHint, TrackerLocation,
};
use protocol::infohash::Infohash;
use protocol::preamble::{self, Service, Version};
use protocol::probe::probe_answer;
use tempfile::TempDir;

use super::model_list::{ModelList, ModelShares, file};
use super::scripted_index::{FEATURES, NONCE, ScriptedConnection, ScriptedIndex};
use super::*;
use crate::identity::ExposedKeyPolicy;

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

struct ClientUnderTest {
    client: IndexClient,
    shares: ModelShares,
    probe_key: ProbeKey,
    tracker: TaskTracker,
    cancel: CancellationToken,
    _folder: TempDir,
}

impl ClientUnderTest {
    fn start(address: String, files: &[(&str, u8)]) -> Self {
        Self::start_with(address, files.iter().map(|&(path, digest)| file(path, digest)).collect())
    }

    fn start_with(address: String, files: Vec<FileRecord>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&folder.path().join("key"), ExposedKeyPolicy::Refused);
        let identity = Arc::new(identity.unwrap());
        let config =
            IndexConfig { address, source: SourceAddress::default(), port: 12349, agent: "test/1".into() };
        let (shares, probe_key) = (ModelShares::new(files), ProbeKey::default());
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let context = ClientContext { config, identity, probe_key: probe_key.clone() };
        let backoff = Backoff::new(BackoffRange::new(Duration::from_millis(20), Duration::from_millis(40)));
        let client = IndexClient::start_with(context, shares.clone(), backoff, &tracker, cancel.clone());
        Self { client, shares, probe_key, tracker, cancel, _folder: folder }
    }

    async fn wait_for(&self, is_expected: impl FnMut(&IndexStatus) -> bool) -> IndexStatus {
        let mut status = self.client.status();
        let found = tokio::time::timeout(TEST_TIMEOUT, status.wait_for(is_expected)).await;
        found.expect("the status did not change").unwrap().clone()
    }

    async fn wait_for_offline(&self) -> String {
        match self.wait_for(|status| matches!(status, IndexStatus::Offline { .. })).await {
            IndexStatus::Offline { error, .. } => error,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        tokio::time::timeout(Duration::from_secs(1), self.tracker.wait())
            .await
            .expect("the client did not stop");
    }
}

async fn send_reachable(connection: &mut ScriptedConnection) {
    let address = connection.seen_address();
    connection.send_notice(Notice::Reachable { address }).await;
}

#[tokio::test]
async fn notice_sent_with_the_welcome_is_handled() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.accept().await;
    let reached = |connection: &ScriptedConnection| Notice::Reachable { address: connection.seen_address() };
    connection.greet_with(ListSummary::default(), Some(reached)).await;
    node.client.synced(TEST_TIMEOUT / 2).await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn new_node_sends_its_list_and_is_then_synced() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[("a", 1), ("b", 2)]);
    let mut model = ModelList::default();
    let mut connection = index.welcome(model.summary()).await;
    assert_eq!(node.probe_key.answer(&[2; 32]), Some(probe_answer(&NONCE, &[2; 32])));
    let requests = connection.serve_list(&mut model, 3).await;
    assert!(matches!(requests[..], [Request::BeginList, Request::Register { .. }, Request::EndList]));
    assert_eq!(model.summary(), node.shares.summary());
    let early = node.client.synced(Duration::from_millis(50)).await;
    assert!(matches!(early, Err(IndexError::Unsynced { .. })), "the port has not been probed yet: {early:?}");
    send_reachable(&mut connection).await;
    node.client.synced(TEST_TIMEOUT).await.unwrap();
    let status = node.client.status().borrow().clone();
    let IndexStatus::Online { index_info, .. } = &status else { panic!("{status:?}") };
    let (seen_address, index_info) = (connection.seen_address(), *index_info);
    let (reachable, registered) = (Reachability::Yes, 2);
    let expected =
        IndexStatus::Online { seen_address, reachable, registered, synced: true, trouble: None, index_info };
    assert_eq!(status, expected);
    assert_eq!(index_info.features, FEATURES);
    assert!(index_info.clock_ahead.is_some_and(|ahead| ahead < -1_000_000_000), "{index_info:?}");
    assert_eq!(node.client.features(), FEATURES);
    node.stop().await;
    connection.wait_for_close().await;
}

#[tokio::test]
async fn up_to_date_index_is_sent_nothing_until_a_change() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[("a", 1)]);
    let mut model = ModelList::default();
    model.files.insert("a".into(), file("a", 1));
    let mut connection = index.welcome(model.summary()).await;
    let address = connection.seen_address();
    connection.send_notice(Notice::Unreachable { address, reason: "refused".into() }).await;
    node.client.synced(TEST_TIMEOUT).await.unwrap();
    node.shares.set(vec![file("a", 2), file("b", 1)]);
    let files = vec![file("a", 2), file("b", 1)];
    assert_eq!(connection.serve_list(&mut model, 1).await, [Request::Register { files }]);
    node.client.synced(TEST_TIMEOUT).await.unwrap();
    node.shares.set(vec![file("b", 1)]);
    assert_eq!(connection.serve_list(&mut model, 1).await, [Request::Unregister { paths: vec!["a".into()] }]);
    node.client.synced(TEST_TIMEOUT).await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn long_list_is_sent_in_full_while_calls_are_answered() {
    let index = ScriptedIndex::bind().await;
    let path = |n: usize| format!("{n}/{}", "x".repeat(200));
    let node = ClientUnderTest::start_with(index.address(), (0..20_000).map(|n| file(&path(n), 1)).collect());
    let mut model = ModelList::default();
    let mut connection = index.welcome(model.summary()).await;
    let client = node.client.clone();
    let call = tokio::spawn(async move { client.statistics().await });
    let mut requests = 0;
    while requests < 2 || !model.files.len().eq(&20_000) || model.summary() != node.shares.summary() {
        let message = connection.next_request().await;
        let reply = match message.request {
            Request::Statistics => Reply::Statistics(Statistics::default()),
            request => model.answer(&request),
        };
        connection.reply(message.id, reply).await;
        requests += 1;
    }
    connection.serve_list(&mut model, 1).await;
    call.await.unwrap().unwrap();
    node.wait_for(|status| matches!(status, IndexStatus::Online { registered: 20_000, synced: true, .. }))
        .await;
    node.stop().await;
}

#[tokio::test]
async fn refused_file_is_left_out() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[("a", 1), ("b", 1)]);
    let mut model = ModelList::default();
    model.rejected_paths.insert("a".into());
    let mut connection = index.welcome(ListSummary::default()).await;
    connection.serve_list(&mut model, 4).await;
    assert_eq!(model.files.keys().collect::<Vec<_>>(), ["b"]);
    send_reachable(&mut connection).await;
    node.client.synced(TEST_TIMEOUT).await.unwrap();
    let expected = Some(SyncProblem::Refused { files: 1 });
    node.wait_for(|status| matches!(status, IndexStatus::Online { trouble, .. } if *trouble == expected))
        .await;
    node.stop().await;
}

#[tokio::test]
async fn client_reconnects_and_sends_only_changes() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[("a", 1)]);
    let mut model = ModelList::default();
    let mut connection = index.welcome(model.summary()).await;
    connection.serve_list(&mut model, 3).await;
    node.wait_for(|status| matches!(status, IndexStatus::Online { synced: true, .. })).await;
    drop(connection);
    node.wait_for(|status| !matches!(status, IndexStatus::Online { .. })).await;
    assert_eq!(node.probe_key.answer(&[2; 32]), None);
    node.shares.set(vec![file("a", 1), file("b", 1)]);
    let mut connection = index.welcome(model.summary()).await;
    assert_eq!(connection.serve_list(&mut model, 1).await, [Request::Register { files: vec![file("b", 1)] }]);
    connection.send_notice(Notice::ShuttingDown).await;
    assert_eq!(node.wait_for_offline().await, "the index was shut down");
    index.welcome(model.summary()).await;
    node.stop().await;
}

#[tokio::test]
async fn calls_are_answered_and_sources_filtered() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.welcome(ListSummary::default()).await;
    let (client, digest) = (node.client.clone(), Digest::from_bytes([1; 32]));
    let call = tokio::spawn(async move { client.locate(digest, u16::MAX).await });
    let request = connection.next_request().await;
    assert_eq!(request.request, Request::Locate { digest, limit: MAX_SOURCES });
    let source = |node: u8, address: &str| ContentSource {
        node: NodeId::from_bytes([node; 32]),
        address: address.parse().unwrap(),
        share: Share::Complete,
    };
    let ours = ContentSource { address: connection.seen_address(), ..source(1, "10.0.0.1:1") };
    let own = ContentSource { node: node.client.node, ..source(1, "10.0.0.1:1") };
    let sources =
        vec![ours, own, source(2, "10.0.0.1:0"), source(3, "255.255.255.255:9"), source(4, "10.0.0.4:9")];
    connection.reply(request.id, Reply::Sources { sources }).await;
    assert_eq!(call.await.unwrap().unwrap(), [source(4, "10.0.0.4:9")]);
    let long = node.client.search("x".repeat(MAX_QUERY + 1), None, 1).await;
    assert_eq!(long, Err(IndexError::TooLong { limit: MAX_QUERY }));
    node.stop().await;
}

#[tokio::test]
async fn calls_fail_at_once_when_offline_or_stopped() {
    let index = ScriptedIndex::bind().await;
    let address = index.address();
    drop(index);
    let node = ClientUnderTest::start(address.clone(), &[]);
    let error = node.wait_for_offline().await;
    assert!(error.starts_with(&format!("cannot reach {address}: ")), "{error}");
    let error = node.client.search("x".into(), None, 1).await.unwrap_err();
    assert!(matches!(error, IndexError::Offline { .. }), "{error:?}");
    let waited = node.client.synced(Duration::from_millis(50)).await;
    assert!(matches!(waited, Err(IndexError::Unsynced { .. })));
    let client = node.client.clone();
    node.stop().await;
    assert_eq!(client.statistics().await, Err(IndexError::Stopped));
    assert_eq!(client.synced(TEST_TIMEOUT).await, Err(IndexError::Stopped));
    assert_eq!(*client.status().borrow(), IndexStatus::Stopped);
}

#[tokio::test]
async fn call_fails_when_the_connection_breaks() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.welcome(ListSummary::default()).await;
    let client = node.client.clone();
    let call = tokio::spawn(async move { client.statistics().await });
    connection.next_request().await;
    drop(connection);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error, IndexError::Offline { reason: "the index closed the connection".into() });
    node.stop().await;
}

#[tokio::test]
async fn other_service_at_the_address_is_reported() {
    let other_version = {
        let mut bytes = preamble::encode(Service::Index, Version::LATEST);
        bytes[7] = 9;
        bytes
    };
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the server is not a Peerdex index"),
        (&preamble::encode(Service::Peer, Version::LATEST), "the server is a peer, not an index"),
        (&other_version, "unsupported version: the index speaks version 9, this program versions 1 to 2"),
        (b"", "the index closed the connection during the handshake"),
    ] {
        let index = ScriptedIndex::bind().await;
        let node = ClientUnderTest::start(index.address(), &[]);
        let mut connection = index.accept().await;
        connection.send_raw(bytes).await;
        connection.close().await;
        let error = node.wait_for_offline().await;
        assert!(error.starts_with(expected), "{error}");
        node.stop().await;
    }
}

#[tokio::test]
async fn version_1_index_is_retried_with_its_version() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.accept().await;
    connection.send_raw(&preamble::encode(Service::Index, Version::One)).await;
    connection.close().await;
    let mut connection = index.accept().await;
    connection.version = Version::One;
    connection.greet(ListSummary::default()).await;
    node.wait_for(|status| matches!(status, IndexStatus::Online { .. })).await;
    assert_eq!(node.client.features(), IndexFeatures::NONE);
    node.stop().await;
}

#[tokio::test]
async fn garbage_ends_the_session_and_nothing_else() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let too_long = u32::MAX.to_be_bytes();
    let no_message = [0, 0, 0, 1, 0xff];
    let unknown_reply = [0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 7, 0, 0, 0, 7];
    for garbage in [&too_long[..], &no_message, &[0; 4], &unknown_reply] {
        let mut connection = index.welcome(ListSummary::default()).await;
        connection.send_raw(garbage).await;
        connection.wait_for_close().await;
        node.wait_for(|status| {
            matches!(status, IndexStatus::Offline { .. } | IndexStatus::Connecting { .. })
        })
        .await;
    }
    index.welcome(ListSummary::default()).await;
    node.stop().await;
}

#[tokio::test]
async fn greeting_refusal_and_duplicate_identity_are_reported() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.accept().await;
    connection.exchange_preambles().await;
    let hello = connection.next_request().await;
    connection.reply(hello.id, Reply::Refused(Refusal::BadPort { port: 22 })).await;
    assert_eq!(node.wait_for_offline().await, "port 22 cannot be registered; choose another one");
    let mut connection = index.welcome(ListSummary::default()).await;
    connection.send_notice(Notice::Replaced).await;
    let is_twin = |status: &IndexStatus| matches!(status, IndexStatus::Offline { error, .. } if error.contains("same identity"));
    let IndexStatus::Offline { retry_at, .. } = node.wait_for(is_twin).await else { unreachable!() };
    assert!(
        retry_at > Instant::now() + Duration::from_mins(4),
        "otherwise the two nodes would keep replacing each other"
    );
    node.stop().await;
}

#[tokio::test]
async fn client_can_be_stopped_at_any_time() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[("a", 1)]);
    let mut connection = index.accept().await;
    connection.exchange_preambles().await;
    connection.next_request().await;
    node.stop().await;
    connection.wait_for_close().await;
    ClientUnderTest::start(index.address(), &[("a", 1)]).stop().await;
}
