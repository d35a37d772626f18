//! Clients that abuse the key exchange (MSE) of our seed are disconnected, and the seed continues to serve others.

use std::thread;
use std::time::{Duration, Instant};

use protocol::bittorrent::mse::{KEY_LEN, MAX_PADDING};
use protocol::infohash::Infohash;
use tests::eventually::DEFAULT_TIMEOUT;
use tests::raw_client::RawClient;
use tests::third_party::{SwarmMember, TorrentFixture, raw_key_exchange};
use tests::torrent_peer::{TorrentPeer, listen_address};

/// Time limit for disconnecting a client after a definite error: less than the handshake timeout.
const CUTOFF_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval between the bytes of a client that tries to keep its connection open.
const BYTE_INTERVAL: Duration = Duration::from_millis(400);

/// Runs abuse against a seed and then checks that an honest client downloads everything. Returns the seed.
fn assert_survives(abuse: impl FnOnce(&TorrentFixture, &SwarmMember)) -> SwarmMember {
    let fixture = TorrentFixture::by_hand(990);
    let seed = fixture.start_only_seed(&TorrentPeer::with_options(&["-v"]));
    abuse(&fixture, &seed);
    let mut honest = fixture.start_download_unseen(&TorrentPeer::default());
    fixture.wait_until_complete(&mut honest);
    seed
}

/// Waits until the seed logs a reason for refusing a connection.
fn wait_for_refusal(seed: &SwarmMember, reason: &str) {
    let output = seed.client.output();
    let found =
        output.find(0, DEFAULT_TIMEOUT, |line| line.contains("connection refused") && line.contains(reason));
    assert!(found.is_some(), "no {reason:?} in {}", output.text());
}

fn connect(seed: &SwarmMember) -> RawClient {
    RawClient::connect(listen_address(&seed.client))
}

/// Sends bytes and checks that the seed closes the connection at once. Returns the number of bytes received.
fn assert_cut_off(client: &mut RawClient, bytes: &[u8]) -> usize {
    client.send(bytes);
    let response = client.receive(CUTOFF_TIMEOUT);
    assert!(response.closed, "received {} bytes, and the connection is still open", response.bytes.len());
    response.bytes.len()
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
    let seed = assert_survives(|fixture, seed| {
        let mut client = connect(seed);
        let mut offer = raw_key_exchange(&mut client, fixture.infohash);
        // After the two hashes.
        offer[40] ^= 1;
        assert_eq!(assert_cut_off(&mut client, &offer), 0);
    });
    wait_for_refusal(&seed, "the verification constant is wrong");
}

#[test]
fn offer_without_a_known_method_is_cut_off() {
    let seed = assert_survives(|fixture, seed| {
        let mut client = connect(seed);
        let mut offer = raw_key_exchange(&mut client, fixture.infohash);
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
    wait_for_refusal(&seed, "unknown torrent");
}

#[test]
fn valid_scripted_key_exchange_is_answered() {
    assert_survives(|fixture, seed| {
        let mut client = connect(seed);
        let offer = raw_key_exchange(&mut client, fixture.infohash);
        client.send(&offer);
        let start = Instant::now();
        let mut bytes = Vec::new();
        // The selected method, followed by the handshake in plaintext.
        while bytes.len() < 14 + 68 {
            assert!(start.elapsed() < DEFAULT_TIMEOUT, "{} bytes", bytes.len());
            bytes.extend(client.receive(Duration::from_millis(100)).bytes);
        }
        assert_eq!(&bytes[14..34], b"\x13BitTorrent protocol");
        assert_eq!(&bytes[42..62], fixture.infohash.as_bytes());
    });
}

#[test]
fn twenty_incomplete_exchanges_time_out_harmlessly() {
    assert_survives(|fixture, seed| {
        let mut half_done: Vec<RawClient> = (0..20).map(|_| connect(seed)).collect();
        for client in &mut half_done {
            raw_key_exchange(client, fixture.infohash);
        }
        let mut honest = fixture.start_download_unseen(&TorrentPeer::default());
        fixture.wait_until_complete(&mut honest);
        for client in &mut half_done {
            assert!(client.receive(DEFAULT_TIMEOUT).closed, "an incomplete key exchange stays open");
        }
    });
}

#[test]
fn slow_sender_is_cut_off_at_the_deadline() {
    assert_survives(|_, seed| {
        let drip = |mut client: RawClient| {
            let start = Instant::now();
            while client.send(&[0x9d]) && !client.receive(BYTE_INTERVAL).closed {
                assert!(start.elapsed() < DEFAULT_TIMEOUT, "the connection is still open");
            }
        };
        thread::scope(|scope| {
            for start in [&[][..], &[0x9d; 21], &[0x9d; KEY_LEN]] {
                let mut client = connect(seed);
                client.send(start);
                scope.spawn(move || drip(client));
            }
        });
    });
}
