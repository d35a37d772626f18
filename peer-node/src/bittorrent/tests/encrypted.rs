//! Connections that begin with a key exchange (MSE).

use protocol::bittorrent::mse::{Next, Responder, SECRET_LEN, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::Fetch;
use super::node::{Node, content, torrent};
use super::scripted::handshake;
use crate::bittorrent::{Approach, GreetingError, WireError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_comes_over_an_encrypted_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let content = content((1 << 20) + 12345);
    let metainfo = torrent(&content, 64 << 10);
    let seed = Node::start(dir.path(), 1, &content, &metainfo, u32::MAX).await;
    let fetcher = Node::start(dir.path(), 2, &content, &metainfo, 0).await;
    let dialled = fetcher.membership.dial(seed.address, Approach::Encrypted).await;
    assert_eq!(dialled.unwrap(), Approach::Encrypted);
    let fetcher = Fetch::new(fetcher).finish().await;
    assert_eq!(std::fs::read(dir.path().join("content-2")).unwrap(), content);
    fetcher.stop().await;
    seed.stop().await;
}

/// Takes a connection as a client does that requires encryption.
async fn answer_encrypted(stream: &mut TcpStream, node: &Node) {
    let mut responder = Responder::new(Secret::new(&[0x2a; SECRET_LEN]));
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        let mut answer = responder.receive(&bytes[..count]).unwrap();
        if let Next::Identify(_) = answer.next {
            answer = responder.named(node.metainfo.infohash()).unwrap();
        }
        stream.write_all(&answer.send).await.unwrap();
        if let Next::Done(established) = answer.next {
            assert_eq!(&established.received[28..48], node.metainfo.infohash().as_bytes());
            let own = handshake(node.metainfo.infohash(), true, 7);
            return stream.write_all(&own).await.unwrap();
        }
    }
}

/// Dials a peer that deals with its connections as `answer` does, and keeps what that returns until the dial is over.
async fn dial<T>(
    approach: Approach,
    answer: impl AsyncFnOnce(&TcpListener, &Node) -> T,
) -> Result<Approach, WireError> {
    let dir = tempfile::tempdir().unwrap();
    let content = content(100_000);
    let metainfo = torrent(&content, 64 << 10);
    let node = Node::start(dir.path(), 1, &content, &metainfo, 0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, _kept) = tokio::join!(node.membership.dial(address, approach), answer(&listener, &node));
    node.stop().await;
    dialled
}

/// Accepts a connection, and closes it when something has come.
async fn turn_away(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 20]).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_closes_before_its_handshake_is_dialled_once_more() {
    let dialled = dial(Approach::Plain, async |listener, node| {
        turn_away(listener).await;
        let (mut second, _) = listener.accept().await.unwrap();
        answer_encrypted(&mut second, node).await;
        second
    });
    assert_eq!(dialled.await.unwrap(), Approach::Encrypted);
}

#[tokio::test]
async fn a_peer_that_no_longer_encrypts_is_dialled_in_plaintext() {
    let dialled = dial(Approach::Encrypted, async |listener, node| {
        turn_away(listener).await;
        let (mut second, _) = listener.accept().await.unwrap();
        second.write_all(&handshake(node.metainfo.infohash(), true, 7)).await.unwrap();
        second
    });
    assert_eq!(dialled.await.unwrap(), Approach::Plain);
}

#[tokio::test]
async fn a_peer_that_closes_whatever_it_gets_is_dialled_twice() {
    let dialled = dial(Approach::Plain, async |listener, _| {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
    });
    let error = dialled.await.unwrap_err();
    assert!(matches!(error, WireError::Greeting { source: GreetingError::Unanswered, .. }), "{error}");
    assert!(error.is_worth_another_try());
}
