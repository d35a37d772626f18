use std::net::{Ipv4Addr, SocketAddr};

use protocol::tracker::udp::{AddressFamily, UdpRequest, UdpResponse};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// A UDP tracker that answers each request with the datagrams returned by its script.
struct ScriptedUdpTracker {
    url: String,
    _tasks: JoinSet<()>,
}

impl ScriptedUdpTracker {
    async fn start(script: impl Fn(UdpRequest) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("udp://{}", socket.local_addr().unwrap());
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut datagram = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
                let request = UdpRequest::decode(&datagram[..length]).unwrap();
                // A forged reply from another socket arrives first; it must be ignored.
                let forged = refusal(request.transaction(), "forged");
                stranger.send_to(&forged, from).await.unwrap();
                for answer in script(request) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { url, _tasks: tasks }
    }
}

fn refusal(transaction: u32, words: &str) -> Vec<u8> {
    UdpResponse::Error { transaction, message: words.to_owned() }.encode(AddressFamily::V4)
}

/// Replies like a working tracker.
fn good_reply(request: &UdpRequest, peers: &[SocketAddr]) -> Vec<u8> {
    good_reply_at(request, b"", peers)
}

/// Replies like a working tracker whose URL has this path and query.
fn good_reply_at(question: &UdpRequest, expected_url_data: &[u8], peers: &[SocketAddr]) -> Vec<u8> {
    let answer = match question {
        UdpRequest::Connect { transaction } => {
            UdpResponse::Connect { transaction: *transaction, connection: 99 }
        }
        UdpRequest::Announce { connection: 99, transaction, request: asked, url_data } => {
            assert_eq!((asked, url_data.as_slice()), (&request(), expected_url_data));
            let peers = peers.to_vec();
            UdpResponse::Announce { transaction: *transaction, interval: 60, leechers: 1, seeders: 2, peers }
        }
        other => panic!("{other:?}"),
    };
    answer.encode(AddressFamily::V4)
}

#[tokio::test]
async fn a_udp_tracker_is_announced_to() {
    let peers: Vec<SocketAddr> = (1..=2000).map(|port| ([10, 0, 0, 1], port).into()).collect();
    let expected = peers.clone();
    let tracker = ScriptedUdpTracker::start(move |question| vec![good_reply(&question, &peers)]).await;
    let reply = announce_to(&tracker.url, TrackerTimeouts::default()).await.unwrap();
    assert_eq!((reply.interval, reply.complete, reply.incomplete), (60, Some(2), Some(1)));
    assert!(reply.peers.iter().map(|peer| peer.address).eq(expected));
}

#[tokio::test]
async fn the_path_and_query_of_the_url_are_sent() {
    let tracker = ScriptedUdpTracker::start(|question| {
        vec![good_reply_at(&question, b"/announce?passkey=s3cret", &[])]
    })
    .await;
    let url = format!("{}/announce?passkey=s3cret", tracker.url);
    assert_eq!(announce_to(&url, TrackerTimeouts::default()).await.unwrap().interval, 60);
}

#[tokio::test]
async fn unrelated_datagrams_are_ignored() {
    let tracker = ScriptedUdpTracker::start(|question| {
        let other = refusal(question.transaction().wrapping_add(1), "a reply to another request");
        vec![b"".to_vec(), b"rubbish".to_vec(), other, good_reply(&question, &[])]
    })
    .await;
    assert!(announce_to(&tracker.url, TrackerTimeouts::default()).await.unwrap().peers.is_empty());
}

#[tokio::test]
async fn a_udp_error_is_reported_escaped() {
    let tracker =
        ScriptedUdpTracker::start(|question| vec![refusal(question.transaction(), "not\there")]).await;
    assert_eq!(error_message(&tracker.url).await, "refused: not\\there");
}

#[tokio::test]
async fn a_silent_udp_tracker_times_out() {
    let tracker = ScriptedUdpTracker::start(|_| Vec::new()).await;
    assert_eq!(error_message(&tracker.url).await, "no answer within 0.15 seconds");
    let tracker = ScriptedUdpTracker::start(|_| vec![vec![0xff; 1500]]).await;
    let message = error_message(&tracker.url).await;
    assert!(message.starts_with("invalid tracker reply: "), "{message}");
}

#[tokio::test]
async fn an_unreachable_udp_port_fails_at_once() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    drop(socket);
    let message = announce_to(&url, TrackerTimeouts::default()).await.unwrap_err().to_string();
    assert!(message.starts_with("connection failed: "), "{message}");
}
