//! Clients of other people with their default settings, and with encryption required (MSE): they fetch from ours without being
//! dialled, and ours fetches from them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tests::foreign::{Client, Encryption, Member, Place, Scene, client_with};
use tests::namespaces::Namespaces;
use tests::programs::programs;
use tests::torrent_peer::TorrentPeer;

/// How soon a client has fetched a few megabytes that one peer has.
const PROMPTLY: Duration = Duration::from_secs(15);

/// The same of Transmission, which dials 3 s after it takes a torrent, lets up to ten seconds pass before it is interested in anybody, and
/// as many before it serves anybody: 12 to 18 s in all on a quiet machine.
const TRANSMISSION: Duration = Duration::from_secs(40);

/// Returns how long a transfer with a client may take.
fn limit(name: &str) -> Duration {
    if name == "transmission" { TRANSMISSION } else { PROMPTLY }
}

/// Returns how a connection of ours is encrypted, by what it logs.
fn encryption(member: &Member, event: &str) -> String {
    let lines = member.running.output().since(0);
    let line = lines.iter().find(|line| line.contains(event) && line.contains("encryption="));
    let line = line.unwrap_or_else(|| panic!("no connection in {lines:#?}"));
    let (_, value) = line.split_once("encryption=").expect("as found");
    value.chars().filter(|letter| *letter != '"').take_while(|letter| !letter.is_whitespace()).collect()
}

/// Tells a person how long it took, past the capture of what tests print.
fn note(client: &dyn Client, encryption: Encryption, direction: &str, how: &str, took: Duration) {
    let name = client.name();
    let _ = writeln!(std::io::stderr(), "{name}, {encryption:?}, {direction}: {how}, {took:.1?}");
}

/// The tracker tells our seed of nobody, so it is the client that connects. Behind the key exchange we prefer plaintext.
fn fetches_from_us(name: &str, wanted: Encryption, expected: &[&str], place: &Place) {
    let Some(client) = client_with(name, wanted, place) else { return };
    let scene = Scene::by_hand_at(1100, place);
    let seed = scene.seed_alone(&TorrentPeer::with(&["-v"]).at(place));
    let begun = Instant::now();
    let mut theirs = scene.fetch_unseen(&*client);
    scene.completes(&mut theirs);
    let (took, how) = (begun.elapsed(), encryption(&seed, "a BitTorrent peer has connected"));
    note(&*client, wanted, "fetches from us", &how, took);
    assert!(took < limit(name), "{took:?}");
    assert!(expected.contains(&how.as_str()), "{how}");
}

fn we_fetch_from(name: &str, wanted: Encryption) {
    let place = Place::default();
    let Some(client) = client_with(name, wanted, &place) else { return };
    let scene = Scene::by_hand(1110);
    let _seed = scene.seed_alone(&*client);
    // Building them is not to count.
    programs();
    let begun = Instant::now();
    let mut ours = scene.fetch_unseen(&TorrentPeer::with(&["-v"]));
    scene.completes(&mut ours);
    let (took, how) = (begun.elapsed(), encryption(&ours, "connected to a BitTorrent peer"));
    note(&*client, wanted, "we fetch from it", &how, took);
    scene.is_tidy(&ours.home);
    assert!(took < limit(name), "{took:?}");
    if wanted == Encryption::Required {
        assert_ne!(how, "none");
    }
}

/// Transmission does not dial the loopback, so both are in a namespace. It offers RC4 alone, unless it is told to prefer plaintext.
fn transmission_fetches_from_us(wanted: Encryption) {
    let Some(network) = Namespaces::new(1) else { return };
    fetches_from_us("transmission", wanted, &["rc4"], &Place::host(&network, 0));
}

#[test]
fn transmission_as_it_comes_fetches_from_us() {
    transmission_fetches_from_us(Encryption::Default);
}

#[test]
fn transmission_that_requires_encryption_fetches_from_us() {
    transmission_fetches_from_us(Encryption::Required);
}

#[test]
fn aria2_as_it_comes_fetches_from_us() {
    fetches_from_us("aria2", Encryption::Default, &["handshake"], &Place::default());
}

#[test]
fn aria2_that_requires_encryption_fetches_from_us() {
    fetches_from_us("aria2", Encryption::Required, &["rc4"], &Place::default());
}

#[test]
fn libtorrent_as_it_comes_fetches_from_us() {
    fetches_from_us("libtorrent", Encryption::Default, &["none", "handshake"], &Place::default());
}

#[test]
fn libtorrent_that_requires_encryption_fetches_from_us() {
    fetches_from_us("libtorrent", Encryption::Required, &["rc4"], &Place::default());
}

#[test]
fn we_fetch_from_transmission_as_it_comes() {
    we_fetch_from("transmission", Encryption::Default);
}

#[test]
fn we_fetch_from_transmission_that_requires_encryption() {
    we_fetch_from("transmission", Encryption::Required);
}

#[test]
fn we_fetch_from_aria2_as_it_comes() {
    we_fetch_from("aria2", Encryption::Default);
}

#[test]
fn we_fetch_from_aria2_that_requires_encryption() {
    we_fetch_from("aria2", Encryption::Required);
}

#[test]
fn we_fetch_from_libtorrent_as_it_comes() {
    we_fetch_from("libtorrent", Encryption::Default);
}

#[test]
fn we_fetch_from_libtorrent_that_requires_encryption() {
    we_fetch_from("libtorrent", Encryption::Required);
}
