use tokio::net::TcpListener;

use super::*;

fn local_node(number: u8) -> LocalNode {
    LocalNode { node: NodeId::from_bytes([number; 32]), port: u16::from(number), features: FEATURES }
}

async fn pair() -> (PeerStream, PeerStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, dialled) = tokio::join!(listener.accept(), dialled);
    (PeerStream::Plain(accepted.unwrap().0), PeerStream::Plain(dialled.unwrap()))
}

/// Receives a greeting with its preamble.
async fn accept(stream: &mut PeerStream) -> Result<IncomingConnection, LinkGreetingError> {
    let mut preamble = [0; PREAMBLE_LEN];
    stream.read_exact(&mut preamble).await?;
    receive(stream, preamble, local_node(1)).await
}

#[tokio::test]
async fn two_nodes_greet_in_either_version() {
    for (version, features) in [(Version::One, PeerFeatures::NONE), (Version::Two, FEATURES)] {
        let (mut accepted, mut dialled) = pair().await;
        let (incoming, greeted) = tokio::join!(
            accept(&mut accepted),
            greet(&mut dialled, local_node(2), version, None, GREETING_TIMEOUT)
        );
        let Ok(IncomingConnection::Peer(incoming)) = incoming else { panic!("{incoming:?}") };
        assert_eq!((incoming.node, incoming.port), (local_node(2).node, 2));
        assert_eq!((incoming.version, incoming.features), (version, features));
        let greeted = greeted.unwrap();
        assert_eq!((greeted.node, greeted.port), (local_node(1).node, 1));
        assert_eq!((greeted.version, greeted.features), (version, features));
    }
}

#[tokio::test]
async fn bytes_behind_the_greeting_are_kept() {
    let (mut accepted, mut dialled) = pair().await;
    let open = PeerMessage::OpenWithManifest { channel: 0, digest: Digest::from_bytes([3; 32]), states: 4 };
    let (incoming, _) = tokio::join!(
        accept(&mut accepted),
        greet(&mut dialled, local_node(2), Version::Two, Some(&open), GREETING_TIMEOUT)
    );
    let Ok(IncomingConnection::Peer(mut incoming)) = incoming else { panic!("{incoming:?}") };
    assert_eq!(incoming.rest.next_message(), Ok(Some(open)));
    assert_eq!(incoming.rest.pending(), 0);
}

#[tokio::test]
async fn a_listener_of_version_1_is_recognised() {
    let (mut accepted, mut dialled) = pair().await;
    let old = async {
        // It closes with our greeting unread, so that its preamble and a reset arrive together.
        let mut theirs = [0; PREAMBLE_LEN];
        accepted.read_exact(&mut theirs).await.unwrap();
        accepted.write_all(&preamble::encode(Service::Peer, Version::One)).await.unwrap();
        drop(accepted);
    };
    let (greeted, ()) =
        tokio::join!(greet(&mut dialled, local_node(2), Version::Two, None, GREETING_TIMEOUT), old);
    let error = greeted.unwrap_err();
    assert!(error.suggests_version_1(), "{error}");
    assert!(!LinkGreetingError::NotAGreeting.suggests_version_1());
    assert!(!LinkGreetingError::OtherVersion(Version::Two).suggests_version_1());
}

#[tokio::test]
async fn greeting_of_another_version_is_refused() {
    for (version, message) in [
        (Version::One, local_node(2).greeting(Version::Two)),
        (Version::Two, local_node(2).greeting(Version::One)),
        (Version::Two, PeerMessage::KeepAlive),
    ] {
        let (mut accepted, mut dialled) = pair().await;
        let mut bytes = preamble::encode(Service::Peer, version).to_vec();
        encode_frame(&message, &mut bytes).unwrap();
        dialled.write_all(&bytes).await.unwrap();
        let refused = accept(&mut accepted).await;
        assert!(matches!(refused, Err(LinkGreetingError::NotAGreeting)), "{refused:?}");
    }
}

#[tokio::test]
async fn connection_to_oneself_is_detected_on_both_sides() {
    for version in [Version::One, Version::Two] {
        let (mut accepted, mut dialled) = pair().await;
        let accepting = async {
            let incoming = accept(&mut accepted).await;
            drop(accepted);
            incoming
        };
        let (incoming, greeted) =
            tokio::join!(accepting, greet(&mut dialled, local_node(1), version, None, GREETING_TIMEOUT));
        assert!(matches!(incoming, Err(LinkGreetingError::SelfConnection)), "{incoming:?}");
        // The accepting side may close before its own greeting is read.
        assert!(
            matches!(greeted, Err(LinkGreetingError::SelfConnection | LinkGreetingError::Io(_))),
            "{greeted:?}"
        );
    }
}

#[tokio::test]
async fn other_versions_and_services_get_our_preamble() {
    for theirs in [*b"PDEXP\0\0\0", *b"PDEXP\0\xff\xff", preamble::encode(Service::Index, Version::Two)] {
        let (mut accepted, mut dialled) = pair().await;
        dialled.write_all(&theirs).await.unwrap();
        let refused = accept(&mut accepted).await;
        assert!(matches!(refused, Err(LinkGreetingError::Preamble(_))), "{refused:?}");
    }
}
