use crate::view::ContentId;
use protocol::digest::Digest;

use super::*;
use crate::transfer::view_publisher::ViewPublisher;
use crate::view::DiskSpace;

fn view(state: DownloadState) -> DownloadView {
    let content = ContentId::File(Digest::EMPTY);
    let (publisher, _receiver) = ViewPublisher::new(DownloadId(4), content, "a\u{7}".into(), None);
    DownloadView { state, ..publisher.view() }
}

fn changes(reporter: &mut DownloadReporter, state: DownloadState) -> Vec<DownloadChange> {
    reporter.news(&view(state)).into_iter().map(|event| event.change).collect()
}

fn done() -> DownloadState {
    DownloadState::Done { location: "/a".into(), renamed: None }
}

fn seeding() -> DownloadState {
    DownloadState::Seeding { location: "/a".into() }
}

fn failed() -> DownloadState {
    DownloadState::Failed { reason: "broken\u{7}".into() }
}

#[test]
fn each_state_is_reported_once() {
    let mut reporter = DownloadReporter::default();
    assert_eq!(changes(&mut reporter, DownloadState::Queued), [DownloadChange::Added]);
    assert_eq!(changes(&mut reporter, DownloadState::Queued), []);
    assert_eq!(changes(&mut reporter, DownloadState::Fetching), [DownloadChange::StateChanged]);
    let progress = DownloadView { bytes_done: 7, ..view(DownloadState::Fetching) };
    assert_eq!(reporter.news(&progress), []);
    assert_eq!(changes(&mut reporter, done()), [DownloadChange::Finished { is_seeding: false }]);
    assert_eq!(changes(&mut reporter, done()), []);
    let removed = reporter.removed(DownloadId(4)).unwrap();
    assert_eq!((removed.change, removed.state), (DownloadChange::Removed, "done"));
    assert_eq!(reporter.removed(DownloadId(4)), None);
}

#[test]
fn download_that_ended_at_once_is_added_and_finished() {
    let mut reporter = DownloadReporter::default();
    let expected = [DownloadChange::Added, DownloadChange::Finished { is_seeding: false }];
    assert_eq!(changes(&mut reporter, done()), expected);
}

#[test]
fn names_and_reasons_are_display_safe() {
    let mut reporter = DownloadReporter::default();
    reporter.know(&view(DownloadState::Fetching));
    let events = reporter.news(&view(failed()));
    let json = serde_json::to_value(&events).unwrap();
    assert_eq!(json[0]["name"], "a\\u{7}");
    assert_eq!(json[0]["change"], serde_json::json!({"type": "failed", "reason": "broken\\u{7}"}));
    assert_eq!(json[0]["content"], format!("sha256:{}", Digest::EMPTY));
    assert!(events.iter().all(|event| event.is_settled() && event.is_failed()));
}

#[test]
fn retry_of_a_failed_download_is_a_change() {
    let mut reporter = DownloadReporter::default();
    reporter.know(&view(failed()));
    assert_eq!(changes(&mut reporter, DownloadState::Queued), [DownloadChange::StateChanged]);
    assert_eq!(changes(&mut reporter, done()), [DownloadChange::Finished { is_seeding: false }]);
}

#[test]
fn torrent_finishes_once() {
    let mut reporter = DownloadReporter::default();
    reporter.know(&view(DownloadState::Finishing));
    assert_eq!(changes(&mut reporter, seeding()), [DownloadChange::Finished { is_seeding: true }]);
    assert_eq!(changes(&mut reporter, done()), [DownloadChange::StateChanged]);
}

#[test]
fn shortage_of_space_is_reported_once() {
    let mut reporter = DownloadReporter::default();
    reporter.know(&view(DownloadState::Fetching));
    let short = |free| DownloadState::AwaitingSpace(DiskSpace { folder: "/f".into(), needed: 9, free });
    let expected = SpaceChange::Short { folder: DisplayText::new("/f"), needed: 9, free: 1 };
    assert_eq!(changes(&mut reporter, short(1)), [DownloadChange::Space(expected)]);
    // The numbers change with every check of the disk.
    assert_eq!(changes(&mut reporter, short(2)), []);
    assert_eq!(changes(&mut reporter, DownloadState::Queued), [DownloadChange::StateChanged]);
    let available = DownloadChange::Space(SpaceChange::Available);
    assert_eq!(changes(&mut reporter, DownloadState::Verifying), [available]);
}
