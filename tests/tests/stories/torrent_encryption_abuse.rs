//! Who abuses the key exchange (MSE) of a seed of ours is cut off, and the seed goes on giving to others.

use std::thread;
use std::time::{Duration, Instant};

use protocol::bittorrent::mse::{KEY_LEN, MAX_PADDING};
use protocol::infohash::Infohash;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::raw_client::RawClient;
use tests::third_party::{SwarmMember, TorrentFixture, raw_key_exchange};
use tests::torrent_peer::{TorrentPeer, listen_address};

/// How soon somebody who is certainly wrong is cut off: before the deadline of a handshake.
const CUTOFF_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two bytes of somebody who hopes to keep a connection by that.
const BYTE_INTERVAL: Duration = Duration::from_millis(400);

/// Runs abuse against a seed; somebody honest fetches all then. Returns the seed.
fn assert_survives(abuse: impl FnOnce(&TorrentFixture, &SwarmMember)) -> SwarmMember {
    let scene = TorrentFixture::by_hand(990);
    let seed = scene.start_only_seed(&TorrentPeer::with_options(&["-v"]));
    abuse(&scene, &seed);
    let mut honest = scene.start_download_unseen(&TorrentPeer::default());
    scene.wait_until_complete(&mut honest);
    seed
}

/// Waits until the seed gives a reason for refusing somebody.
fn wait_for_refusal(seed: &SwarmMember, reason: &str) {
    let output = seed.client.output();
    let found =
        output.find(0, DEFAULT_TIMEOUT, |line| line.contains("connection refused") && line.contains(reason));
    assert!(found.is_some(), "no {reason:?} in {}", output.text());
}

fn connect(seed: &SwarmMember) -> RawClient {
    RawClient::connect(listen_address(&seed.client))
}

/// Sends bytes and is cut off at once; returns how much came back.
fn assert_cut_off(client: &mut RawClient, bytes: &[u8]) -> usize {
    client.send(bytes);
    let heard = client.receive(CUTOFF_TIMEOUT);
    assert!(heard.closed, "{} bytes came, and it is still open", heard.bytes.len());
    heard.bytes.len()
}

#[test]
fn endless_padding_is_cut_off() {
    let seed = assert_survives(|_, seed| {
        let endless = [0x97; KEY_LEN + 2 * MAX_PADDING];
        assert_cut_off(&mut connect(seed), &endless);
    });
    wait_for_refusal(&seed, "no synchronisation within 512 bytes");
}

#[test]
fn weak_public_keys_are_not_answered() {
    let seed = assert_survives(|_, seed| {
        let mut one = [0; KEY_LEN];
        one[KEY_LEN - 1] = 1;
        for key in [[0; KEY_LEN], one, [0xff; KEY_LEN]] {
            assert_eq!(assert_cut_off(&mut connect(seed), &key), 0);
        }
    });
    wait_for_refusal(&seed, "the public key is invalid");
}

#[test]
fn wrong_verification_constant_is_cut_off() {
    let seed = assert_survives(|scene, seed| {
        let mut client = connect(seed);
        let mut offer = raw_key_exchange(&mut client, scene.infohash);
        // Behind the two hashes.
        offer[40] ^= 1;
        assert_eq!(assert_cut_off(&mut client, &offer), 0);
    });
    wait_for_refusal(&seed, "the verification constant is wrong");
}

#[test]
fn offer_without_a_known_method_is_cut_off() {
    let seed = assert_survives(|scene, seed| {
        let mut client = connect(seed);
        let mut offer = raw_key_exchange(&mut client, scene.infohash);
        offer[51] ^= 3;
        assert_eq!(assert_cut_off(&mut client, &offer), 0);
    });
    wait_for_refusal(&seed, "no known encryption method among 0x0");
}

#[test]
fn unknown_torrent_is_refused_in_the_key_exchange() {
    let seed = assert_survives(|_, seed| {
        let mut client = connect(seed);
        let offer = raw_key_exchange(&mut client, Infohash::from_bytes([7; 20]));
        assert_eq!(assert_cut_off(&mut client, &offer), 0);
    });
    wait_for_refusal(&seed, "a torrent that is not here");
}

#[test]
fn valid_scripted_key_exchange_is_answered() {
    assert_survives(|scene, seed| {
        let mut client = connect(seed);
        let offer = raw_key_exchange(&mut client, scene.infohash);
        client.send(&offer);
        let begun = Instant::now();
        let mut bytes = Vec::new();
        // The selection, and the handshake in plaintext behind it.
        while bytes.len() < 14 + 68 {
            assert!(begun.elapsed() < DEFAULT_TIMEOUT, "{} bytes", bytes.len());
            bytes.extend(client.receive(Duration::from_millis(100)).bytes);
        }
        assert_eq!(&bytes[14..34], b"\x13BitTorrent protocol");
        assert_eq!(&bytes[42..62], scene.infohash.as_bytes());
    });
}

#[test]
fn twenty_incomplete_exchanges_time_out_harmlessly() {
    assert_survives(|scene, seed| {
        let mut half_done: Vec<RawClient> = (0..20).map(|_| connect(seed)).collect();
        for client in &mut half_done {
            raw_key_exchange(client, scene.infohash);
        }
        let mut honest = scene.start_download_unseen(&TorrentPeer::default());
        scene.wait_until_complete(&mut honest);
        for client in &mut half_done {
            assert!(client.receive(DEFAULT_TIMEOUT).closed, "a half-done exchange stays");
        }
    });
}

#[test]
fn slow_sender_is_cut_off_at_the_deadline() {
    assert_survives(|_, seed| {
        let drip = |mut client: RawClient| {
            let begun = Instant::now();
            while client.send(&[0x9d]) && !client.receive(BYTE_INTERVAL).closed {
                assert!(begun.elapsed() < DEFAULT_TIMEOUT, "it is still spoken with");
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
