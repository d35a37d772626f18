//! Clients of other people with their default settings, and with encryption required (MSE): they fetch from ours without being
//! dialled, and ours fetches from them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tests::namespaces::NamespaceNetwork;
use tests::programs::programs;
use tests::third_party::{
    Encryption, NetworkLocation, SwarmMember, TorrentClient, TorrentFixture, find_client_with,
};
use tests::torrent_peer::TorrentPeer;

/// How soon a client has fetched a few megabytes that one peer has.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(15);

/// The same of Transmission, which dials 3 s after it takes a torrent, lets up to ten seconds pass before it is interested in anybody, and
/// as many before it serves anybody: 12 to 18 s in all on a quiet machine.
const TRANSMISSION_TIMEOUT: Duration = Duration::from_secs(40);

/// Returns how long a transfer with a client may take.
fn transfer_timeout(name: &str) -> Duration {
    if name == "transmission" { TRANSMISSION_TIMEOUT } else { TRANSFER_TIMEOUT }
}

/// Returns how a connection of ours is encrypted, by what it logs.
fn logged_encryption(member: &SwarmMember, event: &str) -> String {
    let lines = member.client.output().lines_from(0);
    let line = lines.iter().find(|line| line.contains(event) && line.contains("encryption="));
    let line = line.unwrap_or_else(|| panic!("no connection in {lines:#?}"));
    let (_, value) = line.split_once("encryption=").expect("as found");
    value.chars().filter(|letter| *letter != '"').take_while(|letter| !letter.is_whitespace()).collect()
}

/// Tells a person how long it took, past the capture of what tests print.
fn print_duration(
    client: &dyn TorrentClient,
    encryption: Encryption,
    direction: &str,
    how: &str,
    took: Duration,
) {
    let name = client.name();
    let _ = writeln!(std::io::stderr(), "{name}, {encryption:?}, {direction}: {how}, {took:.1?}");
}

/// The tracker tells our seed of nobody, so it is the client that connects. Behind the key exchange we prefer plaintext.
fn client_fetches_from_us(name: &str, wanted: Encryption, expected: &[&str], place: &NetworkLocation) {
    let Some(client) = find_client_with(name, wanted, place) else { return };
    let scene = TorrentFixture::by_hand_at(1100, place);
    let seed = scene.start_only_seed(&TorrentPeer::with_options(&["-v"]).at(place));
    let begun = Instant::now();
    let mut theirs = scene.start_download_unseen(&*client);
    scene.wait_until_complete(&mut theirs);
    let (took, how) = (begun.elapsed(), logged_encryption(&seed, "a BitTorrent peer has connected"));
    print_duration(&*client, wanted, "fetches from us", &how, took);
    assert!(took < transfer_timeout(name), "{took:?}");
    assert!(expected.contains(&how.as_str()), "{how}");
}

fn we_fetch_from(name: &str, wanted: Encryption) {
    let place = NetworkLocation::default();
    let Some(client) = find_client_with(name, wanted, &place) else { return };
    let scene = TorrentFixture::by_hand(1110);
    let _seed = scene.start_only_seed(&*client);
    // Building them is not to count.
    programs();
    let begun = Instant::now();
    let mut ours = scene.start_download_unseen(&TorrentPeer::with_options(&["-v"]));
    scene.wait_until_complete(&mut ours);
    let (took, how) = (begun.elapsed(), logged_encryption(&ours, "connected to a BitTorrent peer"));
    print_duration(&*client, wanted, "we fetch from it", &how, took);
    scene.assert_only_files_in(&ours.folder);
    assert!(took < transfer_timeout(name), "{took:?}");
    if wanted == Encryption::Required {
        assert_ne!(how, "none");
    }
}

/// Transmission does not dial the loopback, so both are in a namespace. It offers RC4 alone, unless it is told to prefer plaintext.
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
