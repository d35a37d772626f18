use protocol::index::{Notice, Refusal, Reply, Request};
use protocol::preamble::{self, Service};
use tempfile::tempdir;

use super::client::{Client, Node, file, sum};
use super::{Index, limits};
use crate::limits::Limits;

#[tokio::test]
async fn a_proof_of_another_key_is_refused() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let (owner, thief) = (Node::new(1).await, Node::new(2).await);
    let mut client = Client::open(index.address).await;
    let Reply::Challenge { nonce } = client.ask(owner.hello()).await else { panic!("no challenge") };
    assert_eq!(client.ask(thief.proof(&nonce)).await, Reply::Refused(Refusal::BadProof));
    client.ends().await;
    index.stop().await;
}

#[tokio::test]
async fn port_zero_and_the_port_of_the_index_cannot_be_claimed() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let node = Node::new(1).await.id();
    for port in [0, index.address.port()] {
        let mut client = Client::open(index.address).await;
        let hello = Request::Hello { node, port, agent: String::new() };
        assert_eq!(client.ask(hello).await, Reply::Refused(Refusal::BadPort { port }));
        client.ends().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn another_version_and_another_program_hear_who_this_is_and_nothing_more() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    for hello in [*b"PDEXI\0\0\0", *b"PDEXI\0\0\x02", *b"PDEXI\0\xff\xff", preamble::encode(Service::Peer)] {
        let mut client = Client::dial(index.address).await;
        client.say(&hello).await;
        assert_eq!(client.hear(8).await, preamble::encode(Service::Index));
        client.ends().await;
    }
    index.stop().await;
}

#[tokio::test]
async fn strangers_get_no_answer_at_all() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let garbage = vec![0x5a; 64 << 10];
    let speeches: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0",
        &garbage,
    ];
    for speech in speeches {
        let mut client = Client::dial(index.address).await;
        client.say(speech).await;
        assert_eq!(client.hear_out().await, 0);
    }
    index.stop().await;
}

#[tokio::test]
async fn who_does_not_greet_in_time_is_closed() {
    let dir = tempdir().unwrap();
    let limits = Limits { greeting: std::time::Duration::from_millis(100), ..limits() };
    let index = Index::start_with(dir.path(), limits).await;
    assert_eq!(Client::dial(index.address).await.hear_out().await, 0);
    let mut client = Client::open(index.address).await;
    let Reply::Challenge { .. } = client.ask(Node::new(1).await.hello()).await else {
        panic!("no challenge")
    };
    client.ends().await;
    index.stop().await;
}

#[tokio::test]
async fn a_full_index_says_so() {
    let dir = tempdir().unwrap();
    let index = Index::start_with(dir.path(), Limits { connections: 1, ..limits() }).await;
    let mut node = Node::new(1).await;
    let first = node.join(index.address).await;
    let mut second = Client::open(index.address).await;
    assert!(matches!(second.refusal().await, Refusal::Busy { .. }));
    second.ends().await;
    drop(first);
    // There is room again as soon as the first connection has ended.
    super::within(async { while Client::open(index.address).await.turned_away(&node).await {} }).await;
    index.stop().await;
}

#[tokio::test]
async fn of_two_sessions_of_a_node_the_newer_one_stays() {
    let dir = tempdir().unwrap();
    let index = Index::start(dir.path()).await;
    let mut node = Node::new(1).await;
    let mut old = node.join(index.address).await;
    let files = [file("a", 1)];
    old.register(files.to_vec()).await;
    let (mut new, list) = node.connect(index.address).await;
    assert_eq!(list, sum(&files));
    assert_eq!(old.notice().await, Notice::Replaced);
    old.ends().await;
    assert_eq!(new.summary(Request::Renew).await, sum(&files));
    index.stop().await;
}
