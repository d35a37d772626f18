use protocol::index::{Refusal, Share};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::*;

fn file(path: &str) -> FileRecord {
    FileRecord { path: path.into(), size: 1, digest: Digest::from_bytes([1; 32]), share: Share::Complete }
}

fn hit(names: &[&str]) -> Hit {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Hit { digest: Digest::from_bytes([1; 32]), size: 1, names, complete: 1, partial: 0 }
}

fn search(limit: u16, reply: Reply) -> Result<SearchPage, IndexViolation> {
    let (answer, mut response) = oneshot::channel();
    Command::Search { query: "x".into(), after: None, limit, answer }.answer(reply)?;
    Ok(response.try_recv().unwrap().unwrap())
}

fn browse(
    after: Option<&str>,
    limit: u16,
    paths: &[&str],
    more: bool,
) -> Result<PeerListing, IndexViolation> {
    let (answer, mut response) = oneshot::channel();
    let source = NodeId::from_bytes([1; 32]);
    let reply = Reply::Listing { source, files: paths.iter().map(|path| file(path)).collect(), more };
    let peer = PeerRef::Node(source);
    Command::Browse { peer, after: after.map(str::to_owned), limit, answer }.answer(reply)?;
    Ok(response.try_recv().unwrap().unwrap())
}

#[test]
fn impossible_hits_are_dropped() {
    let impossible = Hit { size: 0, ..hit(&["a"]) };
    let enormous = Hit { size: u64::MAX, ..hit(&["a"]) };
    let hits = vec![hit(&["../x", "a"]), hit(&["/etc/passwd"]), impossible, enormous, hit(&["b"])];
    let SearchPage { hits, is_truncated, .. } =
        search(9, Reply::Hits { hits, more: None, truncated: true }).unwrap();
    assert!(is_truncated);
    assert_eq!(hits, [hit(&["a"]), hit(&["b"])]);
}

#[test]
fn pages_are_no_longer_than_requested() {
    let cursor = SearchCursor { sent: vec![1] };
    let page = |hits: usize| {
        let more = Some(cursor.clone());
        Reply::Hits { hits: vec![hit(&["a"]); hits], more, truncated: false }
    };
    assert_eq!(search(2, page(2)).unwrap().more, Some(cursor.clone()));
    assert_eq!(search(2, page(0)).unwrap().more, None, "an empty page has no cursor");
    assert_eq!(search(2, page(3)), Err(IndexViolation::LimitExceeded { what: "hits", got: 3, limit: 2 }));
    let names = vec!["a"; MAX_HIT_NAMES + 1];
    assert!(search(2, Reply::Hits { hits: vec![hit(&names)], more: None, truncated: false }).is_err());
    assert!(browse(None, 1, &["a", "b"], false).is_err());
}

#[test]
fn number_of_sources_per_hit_is_limited() {
    let source = ContentSource {
        node: NodeId::from_bytes([1; 32]),
        address: "192.0.2.1:7".parse().unwrap(),
        share: Share::Complete,
    };
    let sourced = |count: usize| HitWithSources { hit: hit(&["a"]), sources: vec![source.clone(); count] };
    let page = |hits: Vec<HitWithSources>| Reply::HitsWithSources { hits, more: None, truncated: false };
    let found = search(9, page(vec![sourced(2), sourced(0)])).unwrap();
    assert_eq!(found.hits, [hit(&["a"]), hit(&["a"])]);
    assert_eq!(found.sources, [(hit(&["a"]).digest, vec![source.clone(); 2])]);
    assert!(search(9, page(vec![sourced(MAX_HIT_SOURCES + 1)])).is_err());
    assert!(search(99, page(vec![sourced(1); MAX_SOURCED_HITS])).is_ok());
    assert!(search(99, page(vec![sourced(1); MAX_SOURCED_HITS + 1])).is_err());
}

#[test]
fn listing_must_be_sorted_and_make_progress() {
    assert_eq!(browse(Some("a"), 9, &["b", "c"], true).unwrap().1.len(), 2);
    assert!(!browse(None, 9, &[], false).unwrap().2);
    for (after, paths) in
        [(Some("b"), &["b"][..]), (None, &["b", "a"]), (None, &["a", "a"]), (None, &["../a"])]
    {
        assert!(
            matches!(browse(after, 9, paths, false), Err(IndexViolation::BadListing { .. })),
            "{paths:?}"
        );
    }
    assert!(browse(Some("a"), 9, &[], true).is_err());
}

#[test]
fn refusal_is_an_answer_and_other_replies_are_violations() {
    let (answer, mut response) = oneshot::channel();
    let command = Command::Locate { digest: Digest::EMPTY, limit: 1, answer };
    command.answer(Reply::Refused(Refusal::NoSuchPeer)).unwrap();
    assert_eq!(response.try_recv().unwrap(), Err(IndexError::Refused(Refusal::NoSuchPeer)));
    let (answer, mut response) = oneshot::channel();
    let command = Command::Locate { digest: Digest::EMPTY, limit: 1, answer };
    let violation = command.answer(Reply::Statistics(Statistics::default())).unwrap_err();
    assert_eq!(violation, IndexViolation::WrongReply { expected: "sources" });
    assert!(matches!(response.try_recv(), Ok(Err(IndexError::Offline { .. }))));
}

#[test]
fn abandoned_call_is_detected() {
    let (answer, mut response) = oneshot::channel();
    let command = Command::Statistics { answer };
    assert_eq!((command.is_abandoned(), response.try_recv()), (false, Err(TryRecvError::Empty)));
    drop(response);
    assert!(command.is_abandoned());
    command.fail(IndexError::Stopped);
}
