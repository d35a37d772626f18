use protocol::bittorrent::mse::TorrentKey;

use super::*;
use crate::discovery::index_client::torrents::OfferOutcome;

fn hint(number: u8) -> TorrentHint {
    let (infohash, digest) = (Infohash::from_bytes([number; 20]), Digest::from_bytes([number; 32]));
    TorrentHint { infohash, digest, name: format!("{number}.iso"), piece_length: 1 << 18 }
}

#[tokio::test]
async fn offers_are_repeated_after_reconnecting_until_withdrawn() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.welcome(ListSummary::default()).await;
    node.wait_for(|status| matches!(status, IndexStatus::Online { .. })).await;
    let taken = |torrents| Reply::Offers { torrents, tracker: Some(TrackerLocation::Port(6969)) };
    let mut offered = Vec::new();
    for number in 1..4 {
        let client = node.client.clone();
        offered.push(tokio::spawn(async move { client.offer_torrent(hint(number)).await }));
        let request = connection.next_request().await;
        assert_eq!(request.request, Request::OfferTorrent { hint: hint(number) });
        let refused = Reply::Refused(Refusal::TooMany { what: "torrents".into(), limit: 2 });
        connection.reply(request.id, if number == 3 { refused } else { taken(number.into()) }).await;
    }
    let tracker = Some("http://127.0.0.1:6969/announce".to_owned());
    for answer in offered.drain(..2) {
        assert_eq!(answer.await.unwrap(), Ok(OfferOutcome { tracker: tracker.clone() }));
    }
    let refused = offered.remove(0).await.unwrap();
    assert!(matches!(refused, Err(IndexError::Refused(Refusal::TooMany { .. }))), "{refused:?}");
    drop(connection);
    let mut connection = index.welcome(ListSummary::default()).await;
    for number in [1, 2] {
        let request = connection.next_request().await;
        assert_eq!(request.request, Request::OfferTorrent { hint: hint(number) });
        connection.reply(request.id, taken(number.into())).await;
    }
    let client = node.client.clone();
    let withdrawn = tokio::spawn(async move { client.withdraw_torrent(hint(1).infohash).await });
    let request = connection.next_request().await;
    assert_eq!(request.request, Request::WithdrawTorrent { infohash: hint(1).infohash });
    connection.reply(request.id, taken(1)).await;
    withdrawn.await.unwrap().unwrap();
    drop(connection);
    let mut connection = index.welcome(ListSummary::default()).await;
    assert_eq!(connection.next_request().await.request, Request::OfferTorrent { hint: hint(2) });
    node.stop().await;
}

#[tokio::test]
async fn offer_made_while_offline_is_sent_after_connecting() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    drop(index.accept().await);
    node.wait_for_offline().await;
    let offered = node.client.offer_torrent(hint(1)).await;
    let mut connection = index.welcome(ListSummary::default()).await;
    // The client may have reconnected before the offer was made.
    if let Err(error) = offered {
        assert!(matches!(error, IndexError::Offline { .. }), "{error}");
    }
    assert_eq!(connection.next_request().await.request, Request::OfferTorrent { hint: hint(1) });
    let impossible = node.client.offer_torrent(TorrentHint { piece_length: 0, ..hint(2) }).await;
    assert!(matches!(impossible, Err(IndexError::Refused(Refusal::BadRecord { .. }))));
    node.stop().await;
}

#[tokio::test]
async fn hints_for_other_torrents_are_dropped() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.welcome(ListSummary::default()).await;
    let client = node.client.clone();
    let found = tokio::spawn(async move { client.find_torrent(hint(1).infohash).await });
    let request = connection.next_request().await;
    assert_eq!(request.request, Request::FindTorrent { infohash: hint(1).infohash });
    let evil = TorrentHint { name: "../x".into(), ..hint(1) };
    connection.reply(request.id, Reply::Torrents { hints: vec![evil, hint(2), hint(1)] }).await;
    assert_eq!(found.await.unwrap(), Ok(vec![hint(1)]));
    let client = node.client.clone();
    let found = tokio::spawn(async move { client.torrents_of(hint(1).digest).await });
    let request = connection.next_request().await;
    assert_eq!(request.request, Request::TorrentsOf { digest: hint(1).digest });
    connection.reply(request.id, Reply::Torrents { hints: vec![hint(2), hint(1)] }).await;
    assert_eq!(found.await.unwrap(), Ok(vec![hint(1)]));
    let client = node.client.clone();
    let found = tokio::spawn(async move { client.find_torrent(hint(1).infohash).await });
    let request = connection.next_request().await;
    connection.reply(request.id, Reply::Torrents { hints: vec![hint(1); 9] }).await;
    assert!(matches!(found.await.unwrap(), Err(IndexError::Offline { .. })), "nine hints exceed the limit");
    node.stop().await;
}

#[tokio::test]
async fn hints_with_another_key_are_dropped() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let mut connection = index.accept().await;
    connection.features = FEATURES.with(IndexFeatures::TORRENT_KEYS);
    connection.greet(ListSummary::default()).await;
    let (client, key) = (node.client.clone(), TorrentKey::of(hint(1).infohash));
    let found = tokio::spawn(async move { client.find_torrent_by_key(key).await });
    let request = connection.next_request().await;
    assert_eq!(request.request, Request::FindTorrentByKey { key });
    connection.reply(request.id, Reply::Torrents { hints: vec![hint(2), hint(1)] }).await;
    assert_eq!(found.await.unwrap(), Ok(vec![hint(1)]));
    node.stop().await;
}

#[tokio::test]
async fn key_lookup_without_index_support_fails() {
    let index = ScriptedIndex::bind().await;
    let node = ClientUnderTest::start(index.address(), &[]);
    let _connection = index.welcome(ListSummary::default()).await;
    let found = node.client.find_torrent_by_key(TorrentKey::of(hint(1).infohash)).await;
    assert_eq!(found, Err(IndexError::Unsupported));
    node.stop().await;
}
