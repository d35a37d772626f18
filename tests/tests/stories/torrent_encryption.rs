//! Third-party clients with default settings, and with encryption required (MSE): they connect to our programs and
//! download, and our programs download from them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tests::namespaces::NamespaceNetwork;
use tests::programs::programs;
use tests::third_party::{
    Encryption, NetworkLocation, SwarmMember, TorrentClient, TorrentFixture, find_client_with,
};
use tests::torrent_peer::TorrentPeer;

/// Time limit for a client to download a few megabytes from one peer.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(15);

/// Time limit for Transmission. It dials 3 s after it adds a torrent, waits up to ten seconds before it becomes
/// interested in a peer, and as long before it unchokes one: 12 to 18 s in all on an idle machine.
const TRANSMISSION_TIMEOUT: Duration = Duration::from_secs(40);

/// Returns the time limit of a transfer with a client.
fn transfer_timeout(name: &str) -> Duration {
    if name == "transmission" { TRANSMISSION_TIMEOUT } else { TRANSFER_TIMEOUT }
}

/// Returns the encryption of one of our connections, from the log.
fn logged_encryption(member: &SwarmMember, event: &str) -> String {
    let lines = member.client.output().lines_from(0);
    let line = lines.iter().find(|line| line.contains(event) && line.contains("encryption="));
    let line = line.unwrap_or_else(|| panic!("no connection in {lines:#?}"));
    let (_, value) = line.split_once("encryption=").expect("as found");
    value.chars().filter(|letter| *letter != '"').take_while(|letter| !letter.is_whitespace()).collect()
}

/// Prints the duration for the user, past the test harness's capture.
fn print_duration(
    client: &dyn TorrentClient,
    encryption: Encryption,
    direction: &str,
    method: &str,
    took: Duration,
) {
    let name = client.name();
    let _ = writeln!(std::io::stderr(), "{name}, {encryption:?}, {direction}: {method}, {took:.1?}");
}

/// The tracker lists no peers for our seed, so the client must connect. After the key exchange we prefer plaintext.
fn client_fetches_from_us(name: &str, wanted: Encryption, expected: &[&str], location: &NetworkLocation) {
    let Some(client) = find_client_with(name, wanted, location) else { return };
    let fixture = TorrentFixture::by_hand_at(1100, location);
    let seed = fixture.start_only_seed(&TorrentPeer::with_options(&["-v"]).at(location));
    let start = Instant::now();
    let mut theirs = fixture.start_download_unseen(&*client);
    fixture.wait_until_complete(&mut theirs);
    let (took, method) = (start.elapsed(), logged_encryption(&seed, "a BitTorrent peer has connected"));
    print_duration(&*client, wanted, "fetches from us", &method, took);
    assert!(took < transfer_timeout(name), "{took:?}");
    assert!(expected.contains(&method.as_str()), "{method}");
}

fn we_fetch_from(name: &str, wanted: Encryption) {
    let location = NetworkLocation::default();
    let Some(client) = find_client_with(name, wanted, &location) else { return };
    let fixture = TorrentFixture::by_hand(1110);
    let _seed = fixture.start_only_seed(&*client);
    // Building the programs does not count.
    programs();
    let start = Instant::now();
    let mut ours = fixture.start_download_unseen(&TorrentPeer::with_options(&["-v"]));
    fixture.wait_until_complete(&mut ours);
    let (took, method) = (start.elapsed(), logged_encryption(&ours, "connected to a BitTorrent peer"));
    print_duration(&*client, wanted, "we fetch from it", &method, took);
    fixture.assert_only_files_in(&ours.folder);
    assert!(took < transfer_timeout(name), "{took:?}");
    if wanted == Encryption::Required {
        assert_ne!(method, "none");
    }
}

/// Transmission does not dial the loopback, so both run in a namespace. It offers only RC4 unless it is configured to
/// prefer plaintext.
fn transmission_fetches_from_us(wanted: Encryption) {
    let Some(network) = NamespaceNetwork::new(1) else { return };
    client_fetches_from_us("transmission", wanted, &["rc4"], &NetworkLocation::in_namespace(&network, 0));
}

#[test]
fn transmission_with_defaults_fetches_from_us() {
    transmission_fetches_from_us(Encryption::Default);
}

#[test]
fn transmission_requiring_encryption_fetches_from_us() {
    transmission_fetches_from_us(Encryption::Required);
}

#[test]
fn aria2_with_defaults_fetches_from_us() {
    client_fetches_from_us("aria2", Encryption::Default, &["handshake"], &NetworkLocation::default());
}

#[test]
fn aria2_requiring_encryption_fetches_from_us() {
    client_fetches_from_us("aria2", Encryption::Required, &["rc4"], &NetworkLocation::default());
}

#[test]
fn libtorrent_with_defaults_fetches_from_us() {
    client_fetches_from_us(
        "libtorrent",
        Encryption::Default,
        &["none", "handshake"],
        &NetworkLocation::default(),
    );
}

#[test]
fn libtorrent_requiring_encryption_fetches_from_us() {
    client_fetches_from_us("libtorrent", Encryption::Required, &["rc4"], &NetworkLocation::default());
}

#[test]
fn we_fetch_from_transmission_with_defaults() {
    we_fetch_from("transmission", Encryption::Default);
}

#[test]
fn we_fetch_from_transmission_requiring_encryption() {
    we_fetch_from("transmission", Encryption::Required);
}

#[test]
fn we_fetch_from_aria2_with_defaults() {
    we_fetch_from("aria2", Encryption::Default);
}

#[test]
fn we_fetch_from_aria2_requiring_encryption() {
    we_fetch_from("aria2", Encryption::Required);
}

#[test]
fn we_fetch_from_libtorrent_with_defaults() {
    we_fetch_from("libtorrent", Encryption::Default);
}

#[test]
fn we_fetch_from_libtorrent_requiring_encryption() {
    we_fetch_from("libtorrent", Encryption::Required);
}
