//! Who abuses the key exchange (MSE) of a seed of ours is cut off, and the seed goes on giving to others.

use std::thread;
use std::time::{Duration, Instant};

use protocol::bittorrent::mse::{KEY_LEN, MAX_PADDING};
use protocol::infohash::Infohash;
use tests::eventually::SOON;
use tests::foreign::{Member, Scene, raw_exchange};
use tests::raw_client::RawClient;
use tests::torrent_peer::{TorrentPeer, address};

/// How soon somebody who is certainly wrong is cut off: before the deadline of a handshake.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Between two bytes of somebody who hopes to keep a connection by that.
const DRIP: Duration = Duration::from_millis(400);

/// Runs abuse against a seed; somebody honest fetches all then. Returns the seed.
fn is_survived(abuse: impl FnOnce(&Scene, &Member)) -> Member {
    let scene = Scene::by_hand(990);
    let seed = scene.seed_alone(&TorrentPeer::with(&["-v"]));
    abuse(&scene, &seed);
    let mut honest = scene.fetch_unseen(&TorrentPeer::default());
    scene.completes(&mut honest);
    seed
}

/// Waits until the seed gives a reason for refusing somebody.
fn refused_for(seed: &Member, reason: &str) {
    let output = seed.running.output();
    let found = output.find(0, SOON, |line| line.contains("connection refused") && line.contains(reason));
    assert!(found.is_some(), "no {reason:?} in {}", output.text());
}

fn connect(seed: &Member) -> RawClient {
    RawClient::connect(address(&seed.running))
}

/// Sends bytes and is cut off at once; returns how much came back.
fn is_cut_off(client: &mut RawClient, bytes: &[u8]) -> usize {
    client.send(bytes);
    let heard = client.hear(AT_ONCE);
    assert!(heard.closed, "{} bytes came, and it is still open", heard.bytes.len());
    heard.bytes.len()
}

#[test]
fn endless_padding_is_cut_off() {
    let seed = is_survived(|_, seed| {
        let endless = [0x97; KEY_LEN + 2 * MAX_PADDING];
        is_cut_off(&mut connect(seed), &endless);
    });
    refused_for(&seed, "no synchronisation within 512 bytes");
}

#[test]
fn keys_that_give_the_secret_away_are_not_answered() {
    let seed = is_survived(|_, seed| {
        let mut one = [0; KEY_LEN];
        one[KEY_LEN - 1] = 1;
        for key in [[0; KEY_LEN], one, [0xff; KEY_LEN]] {
            assert_eq!(is_cut_off(&mut connect(seed), &key), 0);
        }
    });
    refused_for(&seed, "the public key is invalid");
}

#[test]
fn a_wrong_verification_constant_is_cut_off() {
    let seed = is_survived(|scene, seed| {
        let mut client = connect(seed);
        let mut offer = raw_exchange(&mut client, scene.infohash);
        // Behind the two hashes.
        offer[40] ^= 1;
        assert_eq!(is_cut_off(&mut client, &offer), 0);
    });
    refused_for(&seed, "the verification constant is wrong");
}

#[test]
fn no_method_that_is_known_is_cut_off() {
    let seed = is_survived(|scene, seed| {
        let mut client = connect(seed);
        let mut offer = raw_exchange(&mut client, scene.infohash);
        offer[51] ^= 3;
        assert_eq!(is_cut_off(&mut client, &offer), 0);
    });
    refused_for(&seed, "no known encryption method among 0x0");
}

#[test]
fn a_torrent_that_is_not_here_is_not_spoken_of_in_a_key_exchange() {
    let seed = is_survived(|_, seed| {
        let mut client = connect(seed);
        let offer = raw_exchange(&mut client, Infohash::from_bytes([7; 20]));
        assert_eq!(is_cut_off(&mut client, &offer), 0);
    });
    refused_for(&seed, "a torrent that is not here");
}

#[test]
fn an_honest_exchange_by_hand_is_answered() {
    is_survived(|scene, seed| {
        let mut client = connect(seed);
        let offer = raw_exchange(&mut client, scene.infohash);
        client.send(&offer);
        let begun = Instant::now();
        let mut bytes = Vec::new();
        // The selection, and the handshake in plaintext behind it.
        while bytes.len() < 14 + 68 {
            assert!(begun.elapsed() < SOON, "{} bytes", bytes.len());
            bytes.extend(client.hear(Duration::from_millis(100)).bytes);
        }
        assert_eq!(&bytes[14..34], b"\x13BitTorrent protocol");
        assert_eq!(&bytes[42..62], scene.infohash.as_bytes());
    });
}

#[test]
fn twenty_half_done_exchanges_disturb_nobody_and_end() {
    is_survived(|scene, seed| {
        let mut half_done: Vec<RawClient> = (0..20).map(|_| connect(seed)).collect();
        for client in &mut half_done {
            raw_exchange(client, scene.infohash);
        }
        let mut honest = scene.fetch_unseen(&TorrentPeer::default());
        scene.completes(&mut honest);
        for client in &mut half_done {
            assert!(client.hear(SOON).closed, "a half-done exchange stays");
        }
    });
}

#[test]
fn whoever_drips_bytes_is_cut_off_at_the_deadline() {
    is_survived(|_, seed| {
        let drip = |mut client: RawClient| {
            let begun = Instant::now();
            while client.send(&[0x9d]) && !client.hear(DRIP).closed {
                assert!(begun.elapsed() < SOON, "it is still spoken with");
            }
        };
        thread::scope(|scope| {
            for begun in [&[][..], &[0x9d; 21], &[0x9d; KEY_LEN]] {
                let mut client = connect(seed);
                client.send(begun);
                scope.spawn(move || drip(client));
            }
        });
    });
}
