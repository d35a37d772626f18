//! Tests with opentracker, if it is installed.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use protocol::bittorrent::PeerId;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::announcing::config;
use super::*;
use crate::discovery::peer_event::{PeerContact, PeerEvent, peer_events};
use crate::discovery::trackers::{AnnounceConfig, AnnounceEvent, AnnounceStats, TrackerAnnouncer};

/// A running opentracker and its folder.
struct RunningOpentracker {
    port: u16,
    _child: Child,
    _folder: TempDir,
}

/// Starts opentracker, if it is installed, on a port that was free a moment ago.
async fn start_opentracker() -> Option<RunningOpentracker> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let probe = Infohash::from_bytes([0xcd; 20]);
    // When started by root, it switches to the user nobody. The Debian build serves listed torrents only.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("allowed"), format!("{}\n{probe}\n", request().infohash)).unwrap();
    let text = port.to_string();
    let started = Command::new("opentracker")
        .args(["-i", "127.0.0.1", "-p", &text, "-P", &text, "-w", "allowed", "-d"])
        .arg(folder.path())
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = started else {
        println!("SKIPPED: opentracker is not installed");
        return None;
    };
    let address = TrackerAddress::parse(&format!("http://127.0.0.1:{port}/announce")).unwrap();
    let probe = AnnounceRequest { infohash: probe, ..request() };
    let client = TrackerClient::new(short_timeouts(), TlsTrust::System, SourceAddress::default());
    let up = async {
        while client.announce(&address, &probe).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), up).await.expect("opentracker did not reply");
    Some(RunningOpentracker { port, _child: child, _folder: folder })
}

fn client_address(event: &PeerEvent) -> Option<SocketAddr> {
    match event.contact {
        PeerContact::Client(address) => Some(address),
        PeerContact::Node(_) => None,
    }
}

/// Starts announcing; returns the other peers in the tracker's first reply, which includes the announcing peer.
async fn announce_and_wait(url: &str, port: u16, left: u64) -> (TrackerAnnouncer, Vec<SocketAddr>) {
    let peer_id = PeerId::ours([u8::try_from(port % 256).unwrap(); 12]);
    let (peers, mut discovered) = peer_events();
    let config = AnnounceConfig { peer_id, port, peers, ..config(&[&[url]], left) };
    let (announcer, mut events) = TrackerAnnouncer::start(config);
    let event = events.recv().await.expect("the announcer has stopped");
    assert!(matches!(event, AnnounceEvent::Announced { .. }), "{event:?}");
    // The peers are reported before the event.
    let mut found: Vec<_> =
        discovered.try_recv().unwrap_or_default().iter().filter_map(client_address).collect();
    found.retain(|peer| peer.port() != port);
    (announcer, found)
}

async fn check_two_peers_find_each_other(url: impl Fn(u16) -> String) {
    let Some(tracker) = start_opentracker().await else { return };
    let url = url(tracker.port);
    let (seeder, _) = announce_and_wait(&url, 7001, 0).await;
    seeder.report(AnnounceStats { uploaded: 5, ..AnnounceStats::default() });
    let (leecher, found) = announce_and_wait(&url, 7002, 10).await;
    assert_eq!(found, [([127, 0, 0, 1], 7001).into()]);
    let view = leecher.views()[0].clone();
    assert_eq!((view.seeders, view.leechers), (Some(1), Some(1)));
    leecher.report(AnnounceStats::default());
    leecher.completed();
    seeder.stop().await;
    leecher.stop().await;
    let (last, found) = announce_and_wait(&url, 7003, 10).await;
    assert_eq!(found, [], "both peers have announced that they stopped");
    last.stop().await;
}

#[tokio::test]
async fn peers_find_each_other_through_opentracker_over_http() {
    check_two_peers_find_each_other(|port| format!("http://127.0.0.1:{port}/announce")).await;
}

#[tokio::test]
async fn peers_find_each_other_through_opentracker_over_udp() {
    check_two_peers_find_each_other(|port| format!("udp://127.0.0.1:{port}")).await;
}
