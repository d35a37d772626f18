use std::net::{Ipv4Addr, SocketAddr};

use protocol::tracker::udp::{Family, UdpRequest, UdpResponse};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// A tracker over UDP that answers each datagram with those that its script returns.
struct Scripted {
    url: String,
    _tasks: JoinSet<()>,
}

impl Scripted {
    async fn start(script: impl Fn(UdpRequest) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("udp://{}", socket.local_addr().unwrap());
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut datagram = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
                let question = UdpRequest::decode(&datagram[..length]).unwrap();
                // Somebody else answers first; that is not heard.
                let forged = refusal(question.transaction(), "I am somebody else");
                stranger.send_to(&forged, from).await.unwrap();
                for answer in script(question) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { url, _tasks: tasks }
    }
}

fn refusal(transaction: u32, words: &str) -> Vec<u8> {
    UdpResponse::Error { transaction, message: words.to_owned() }.encode(Family::V4)
}

/// Answers as a good tracker does.
fn good(question: &UdpRequest, peers: &[SocketAddr]) -> Vec<u8> {
    good_at(question, b"", peers)
}

/// Answers as a good tracker does whose URL has this path and query.
fn good_at(question: &UdpRequest, expected_url_data: &[u8], peers: &[SocketAddr]) -> Vec<u8> {
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
    answer.encode(Family::V4)
}

#[tokio::test]
async fn a_tracker_over_udp_is_asked() {
    let peers: Vec<SocketAddr> = (1..=2000).map(|port| ([10, 0, 0, 1], port).into()).collect();
    let expected = peers.clone();
    let tracker = Scripted::start(move |question| vec![good(&question, &peers)]).await;
    let answered = ask(&tracker.url, Patience::default()).await.unwrap();
    assert_eq!((answered.interval, answered.complete, answered.incomplete), (60, Some(2), Some(1)));
    assert!(answered.peers.iter().map(|peer| peer.address).eq(expected));
}

#[tokio::test]
async fn path_and_query_of_the_url_are_sent() {
    let tracker =
        Scripted::start(|question| vec![good_at(&question, b"/announce?passkey=s3cret", &[])]).await;
    let url = format!("{}/announce?passkey=s3cret", tracker.url);
    assert_eq!(ask(&url, Patience::default()).await.unwrap().interval, 60);
}

#[tokio::test]
async fn what_does_not_answer_the_question_is_passed_over() {
    let tracker = Scripted::start(|question| {
        let other = refusal(question.transaction().wrapping_add(1), "an answer to another question");
        vec![b"".to_vec(), b"rubbish".to_vec(), other, good(&question, &[])]
    })
    .await;
    assert!(ask(&tracker.url, Patience::default()).await.unwrap().peers.is_empty());
}

#[tokio::test]
async fn a_refusal_over_udp_is_told() {
    let tracker = Scripted::start(|question| vec![refusal(question.transaction(), "not\there")]).await;
    assert_eq!(complaint(&tracker.url).await, "it refuses: not\\there");
}

#[tokio::test]
async fn who_says_nothing_over_udp_is_given_up() {
    let tracker = Scripted::start(|_| Vec::new()).await;
    assert_eq!(complaint(&tracker.url).await, "no answer within 0.15 seconds");
    let tracker = Scripted::start(|_| vec![vec![0xff; 1500]]).await;
    let said = complaint(&tracker.url).await;
    assert!(said.starts_with("not the answer of a tracker: "), "{said}");
}

#[tokio::test]
async fn nobody_at_the_port_is_noticed_at_once() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    drop(socket);
    let said = ask(&url, Patience::default()).await.unwrap_err().to_string();
    assert!(said.starts_with("no conversation: "), "{said}");
}
