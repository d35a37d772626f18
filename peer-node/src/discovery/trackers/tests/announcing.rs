use protocol::bittorrent::PeerId;
use protocol::tracker::{NamedPeer, TrackerEvent, TrackerFailure};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::scripted_tracker::{ScriptedTracker, TrackerAct, response};
use super::*;
use crate::discovery::peer_event::{PeerEvent, PeerOrigin, peer_events};
use crate::discovery::trackers::interval_bounds::IntervalBounds;
use crate::discovery::trackers::{AnnounceConfig, AnnounceEvent, AnnounceStats, TrackerAnnouncer};
use crate::view::{ContentId, TrackerState};

pub(super) fn config(tiers: &[&[&str]], left: u64) -> AnnounceConfig {
    AnnounceConfig {
        infohash: Infohash::from_bytes([0xab; 20]),
        peer_id: PeerId::from_bytes(*b"-PX0001-abcdefghijkl"),
        source: SourceAddress::default(),
        port: 6881,
        tiers: tiers.iter().map(|tier| tier.iter().copied().map(str::to_owned).collect()).collect(),
        stats: AnnounceStats { left, ..AnnounceStats::default() },
        tracker: TaskTracker::new(),
        peers: peer_events().0,
        cancel: CancellationToken::new(),
    }
}

/// Starts an announcer almost without minimum intervals.
fn start_unpaced(config: AnnounceConfig) -> (TrackerAnnouncer, mpsc::Receiver<AnnounceEvent>) {
    let bounds = IntervalBounds {
        min: Duration::from_millis(1),
        after_refusal: Duration::from_millis(1),
        ..IntervalBounds::default()
    };
    TrackerAnnouncer::start_with(config, bounds, short_timeouts(), TlsTrust::System)
}

async fn working_tracker(interval: u32) -> ScriptedTracker {
    let reply = AnnounceReply { interval, ..reply(&["10.0.0.1:6881", "10.0.0.2:0"]) };
    ScriptedTracker::always(TrackerAct::Send(response("200 OK", "", &reply.encode(true, true)))).await
}

/// Returns the report of one peer of a tracker.
fn report(address: &str) -> Vec<PeerEvent> {
    let content = ContentId::Torrent(config(&[], 0).infohash);
    vec![PeerEvent::client(content, address.parse().unwrap(), PeerOrigin::Tracker)]
}

async fn next_request(tracker: &mut ScriptedTracker) -> AnnounceRequest {
    let path = tracker.next().await;
    AnnounceRequest::from_query(path.split_once('?').unwrap().1).unwrap()
}

#[tokio::test]
async fn started_completed_and_stopped_are_announced() {
    let mut tracker = working_tracker(1800).await;
    let (peers, mut found) = peer_events();
    let config = AnnounceConfig { peers, ..config(&[&[&tracker.url()]], 100) };
    let (announcer, mut events) = start_unpaced(config);
    let started = next_request(&mut tracker).await;
    assert_eq!((started.event, started.left, started.port), (Some(TrackerEvent::Started), 100, 6881));
    assert_eq!(found.recv().await.unwrap(), report("10.0.0.1:6881"));
    assert!(matches!(events.recv().await, Some(AnnounceEvent::Announced { .. })));
    announcer.report(AnnounceStats { uploaded: 1, downloaded: 100, left: 0 });
    announcer.completed();
    let completed = next_request(&mut tracker).await;
    assert_eq!(
        (completed.event, completed.downloaded, completed.left),
        (Some(TrackerEvent::Completed), 100, 0)
    );
    events.recv().await.unwrap();
    assert_eq!(announcer.views()[0].state, TrackerState::Working);
    announcer.completed();
    announcer.stop().await;
    let stopped = next_request(&mut tracker).await;
    assert_eq!(
        (stopped.event, stopped.numwant, stopped.key),
        (Some(TrackerEvent::Stopped), Some(0), started.key)
    );
    assert!(tracker.paths.try_recv().is_err(), "an event was announced twice");
}

#[tokio::test]
async fn announces_repeat_at_the_interval() {
    let mut tracker = working_tracker(0).await;
    let (announcer, _events) = start_unpaced(config(&[&[&tracker.url()]], 0));
    assert_eq!(next_request(&mut tracker).await.event, Some(TrackerEvent::Started));
    announcer.completed();
    for _ in 0..5 {
        assert_eq!(next_request(&mut tracker).await.event, None, "the torrent was complete from the start");
    }
    announcer.stop().await;
}

#[tokio::test]
async fn the_next_tier_is_used_while_the_first_fails() {
    let refusing = TrackerFailure { reason: "no room\r\n".to_owned() }.encode();
    let refusing = ScriptedTracker::always(TrackerAct::Send(response("200 OK", "", &refusing))).await;
    let silent = ScriptedTracker::always(TrackerAct::Silent).await;
    let mut working = working_tracker(1800).await;
    let tiers: [&[&str]; 4] =
        [&["ftp://t.example/"], &[&refusing.url()], &[&silent.url()], &[&working.url()]];
    let (announcer, mut events) = start_unpaced(config(&tiers, 1));
    let failure = events.recv().await.unwrap();
    let AnnounceEvent::Failed { tracker, reason, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!(*tracker, format!("http://127.0.0.1:{}", refusing.port));
    assert_eq!(reason, "refused: no room\\r\\n");
    let failure = events.recv().await.unwrap();
    assert!(matches!(failure, AnnounceEvent::Failed { .. }), "{failure:?}");
    assert_eq!(next_request(&mut working).await.event, Some(TrackerEvent::Started));
    events.recv().await.unwrap();
    let states: Vec<_> = announcer.views().iter().map(|view| view.state.clone()).collect();
    assert!(matches!(states[0], TrackerState::Unusable { .. }), "{states:?}");
    assert!(matches!(states[1], TrackerState::Failing { .. }), "{states:?}");
    assert_eq!(states[3], TrackerState::Working);
    announcer.stop().await;
    assert_eq!(next_request(&mut working).await.event, Some(TrackerEvent::Stopped));
}

#[tokio::test]
async fn a_silent_tracker_does_not_delay_stopping() {
    let mut tracker = ScriptedTracker::start(|path| {
        if path.contains("event=started") {
            TrackerAct::Send(response("200 OK", "", &reply(&[]).encode(true, true)))
        } else {
            TrackerAct::Silent
        }
    })
    .await;
    let config = config(&[&[&tracker.url()]], 1);
    let (tasks, cancel) = (config.tracker.clone(), config.cancel.clone());
    let (_announcer, mut events) = start_unpaced(config);
    events.recv().await.unwrap();
    let start = Instant::now();
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(next_request(&mut tracker).await.event, Some(TrackerEvent::Started));
    assert_eq!(next_request(&mut tracker).await.event, Some(TrackerEvent::Stopped));
}

#[tokio::test]
async fn dropping_the_announcer_sends_stopped() {
    let mut tracker = working_tracker(1800).await;
    let (announcer, mut events) = start_unpaced(config(&[&[&tracker.url()]], 1));
    events.recv().await.unwrap();
    drop((announcer, events));
    assert_eq!(next_request(&mut tracker).await.event, Some(TrackerEvent::Started));
    assert_eq!(next_request(&mut tracker).await.event, Some(TrackerEvent::Stopped));
}

#[tokio::test]
async fn without_a_usable_tracker_nothing_is_announced() {
    for tiers in [&[&["wss://t.example/"][..]][..], &[]] {
        let (announcer, mut events) = start_unpaced(config(tiers, 1));
        announcer.request_peers();
        announcer.stop().await;
        assert_eq!(events.recv().await, None);
    }
}

#[tokio::test]
async fn peers_given_by_name_are_resolved() {
    let named = |host: &str| NamedPeer { host: host.to_owned(), port: 7 };
    let named_peers = ["10.2", "127.1", "localhost"].map(named).to_vec();
    let reply = AnnounceReply { named_peers, ..reply(&["10.0.0.1:6881"]) };
    let tracker =
        ScriptedTracker::always(TrackerAct::Send(response("200 OK", "", &reply.encode(false, true)))).await;
    let (peers, mut found) = peer_events();
    let config = AnnounceConfig { peers, ..config(&[&[&tracker.url()]], 1) };
    let (announcer, mut events) = start_unpaced(config);
    assert_eq!(found.recv().await.unwrap(), report("10.0.0.1:6881"));
    assert!(matches!(events.recv().await, Some(AnnounceEvent::Announced { .. })));
    assert_eq!(found.recv().await.unwrap(), report("10.0.0.2:7"));
    announcer.stop().await;
}

#[tokio::test]
async fn a_warning_is_reported_escaped() {
    let warning = AnnounceReply { warning: Some("use \x07 the other one".to_owned()), ..reply(&[]) };
    let tracker =
        ScriptedTracker::always(TrackerAct::Send(response("200 OK", "", &warning.encode(true, true)))).await;
    let (announcer, mut events) = start_unpaced(config(&[&[&tracker.url()]], 1));
    let name = format!("http://127.0.0.1:{}", tracker.port);
    let text = "use \\u{7} the other one".to_owned();
    assert_eq!(events.recv().await, Some(AnnounceEvent::Warning { tracker: name, text }));
    announcer.stop().await;
}
