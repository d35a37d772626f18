//! Connections that begin with a key exchange (MSE).

use protocol::bittorrent::mse::{ExchangeSecret, Responder, ResponderNext, SECRET_LEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::WireFetch;
use super::node::{WireTestNode, content, torrent};
use super::scripted_peer::handshake;
use crate::bittorrent::handshake::PeerHandshakeError;
use crate::bittorrent::{ConnectMode, PeerWireError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_fetched_over_an_encrypted_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let content = content((1 << 20) + 12345);
    let metainfo = torrent(&content, 64 << 10);
    let seed = WireTestNode::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let fetcher = WireTestNode::start(dir.path(), 2, &content, &metainfo, 0).await;
    let dialled = fetcher.membership.dial(seed.address, ConnectMode::Encrypted).await;
    assert_eq!(dialled.unwrap(), ConnectMode::Encrypted);
    let fetcher = WireFetch::new(fetcher).finish().await;
    assert_eq!(std::fs::read(dir.path().join("content-2")).unwrap(), content);
    fetcher.stop().await;
    seed.stop().await;
}

/// Accepts a connection like a client that requires encryption.
async fn accept_encrypted(stream: &mut TcpStream, node: &WireTestNode) {
    let mut responder = Responder::new(ExchangeSecret::new(&[0x2a; SECRET_LEN]));
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        let mut answer = responder.receive(&bytes[..count]).unwrap();
        if let ResponderNext::Identify(_) = answer.next {
            answer = responder.identify(node.metainfo.infohash()).unwrap();
        }
        stream.write_all(&answer.send).await.unwrap();
        if let ResponderNext::Done(established) = answer.next {
            assert_eq!(&established.received[28..48], node.metainfo.infohash().as_bytes());
            let own = handshake(node.metainfo.infohash(), true, 7);
            return stream.write_all(&own).await.unwrap();
        }
    }
}

/// Dials a peer that handles its connections with `answer`; keeps its result until the dial is finished.
async fn dial_against<T>(
    mode: ConnectMode,
    answer: impl AsyncFnOnce(&TcpListener, &WireTestNode) -> T,
) -> Result<ConnectMode, PeerWireError> {
    let dir = tempfile::tempdir().unwrap();
    let content = content(100_000);
    let metainfo = torrent(&content, 64 << 10);
    let node = WireTestNode::start(dir.path(), 1, &content, &metainfo, 0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, _kept) = tokio::join!(node.membership.dial(address, mode), answer(&listener, &node));
    node.stop().await;
    dialled
}

/// Accepts a connection and closes it after the first bytes.
async fn close_after_first_bytes(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 20]).await.unwrap();
}

#[tokio::test]
async fn peer_that_closes_before_handshake_is_dialled_encrypted() {
    let dialled = dial_against(ConnectMode::Plain, async |listener, node| {
        close_after_first_bytes(listener).await;
        let (mut second, _) = listener.accept().await.unwrap();
        accept_encrypted(&mut second, node).await;
        second
    });
    assert_eq!(dialled.await.unwrap(), ConnectMode::Encrypted);
}

#[tokio::test]
async fn peer_that_no_longer_encrypts_is_dialled_in_plaintext() {
    let dialled = dial_against(ConnectMode::Encrypted, async |listener, node| {
        close_after_first_bytes(listener).await;
        let (mut second, _) = listener.accept().await.unwrap();
        second.write_all(&handshake(node.metainfo.infohash(), true, 7)).await.unwrap();
        second
    });
    assert_eq!(dialled.await.unwrap(), ConnectMode::Plain);
}

#[tokio::test]
async fn peer_that_closes_every_connection_is_dialled_twice() {
    let dialled = dial_against(ConnectMode::Plain, async |listener, _| {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
    });
    let error = dialled.await.unwrap_err();
    assert!(
        matches!(error, PeerWireError::Handshake { source: PeerHandshakeError::ClosedBeforeHandshake, .. }),
        "{error}"
    );
    assert!(error.is_retryable());
}
