use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::frame::FrameBuffer;
use protocol::index::{ListSummary, Statistics};
use protocol::limits::MAX_FRAME;
use tokio::sync::oneshot;

use super::super::model_list::file;
use super::super::pending_requests::CALL_TIMEOUT;
use super::*;

/// The reply to the proof.
fn welcome() -> Reply {
    Reply::Welcome { you: "10.0.0.1:7".parse().unwrap(), lease: 90, list: ListSummary::default() }
}

/// Returns a session whose proof has not been answered.
fn unproven_session(list: &mut ListSync, features: IndexFeatures, now: Instant) -> IndexSessionCore<'_> {
    let index_info = IndexInfo { features, clock_ahead: None };
    IndexSessionCore::with_proof(list, index_info, Request::Proof { signature: [1; 64] }, now).unwrap()
}

/// Returns a session after the welcome.
fn welcomed_session(list: &mut ListSync, now: Instant) -> IndexSessionCore<'_> {
    let mut session = unproven_session(list, IndexFeatures::NONE, now);
    let proof = take_sent(&mut session, now);
    assert!(matches!(proof[..], [RequestEnvelope { id: 2, request: Request::Proof { .. } }]), "{proof:?}");
    session.handle_message(now, reply(2, welcome())).unwrap();
    session
}

/// Returns the requests sent since the last call.
fn take_sent(session: &mut IndexSessionCore<'_>, now: Instant) -> Vec<RequestEnvelope> {
    session.queue_requests(now).unwrap();
    let mut frames = FrameBuffer::with_limit(MAX_FRAME);
    frames.extend(session.outgoing());
    session.mark_sent(now, session.outgoing().len());
    std::iter::from_fn(|| frames.next_message().unwrap()).collect()
}

fn ask(
    session: &mut IndexSessionCore<'_>,
    now: Instant,
) -> oneshot::Receiver<Result<Statistics, IndexError>> {
    let (answer, response) = oneshot::channel();
    session.call(now, Command::Statistics { answer });
    response
}

fn reply(id: RequestId, reply: Reply) -> IndexMessage {
    IndexMessage::Reply { id, reply }
}

fn statistics() -> Reply {
    Reply::Statistics(Statistics::default())
}

#[test]
fn concurrent_calls_are_answered_in_any_order() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let (mut one, mut two) = (ask(&mut session, now), ask(&mut session, now));
    let ids: Vec<_> = take_sent(&mut session, now).iter().map(|message| message.id).collect();
    assert_eq!(ids, [3, 4]);
    let busy = Statistics { online: 9, ..Statistics::default() };
    session.handle_message(now, reply(4, Reply::Statistics(busy))).unwrap();
    session.handle_message(now, reply(3, statistics())).unwrap();
    assert_eq!(one.try_recv().unwrap(), Ok(Statistics::default()));
    assert_eq!(two.try_recv().unwrap(), Ok(busy));
}

#[test]
fn number_of_pending_calls_is_bounded() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let mut callers = Vec::new();
    while session.has_capacity() {
        callers.push(ask(&mut session, now));
    }
    assert_eq!(callers.len(), 64);
    session.handle_message(now, reply(3, statistics())).unwrap();
    assert!(session.has_capacity());
}

#[test]
fn call_times_out_and_a_late_reply_is_ignored() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let mut response = ask(&mut session, now);
    take_sent(&mut session, now);
    assert_eq!(session.deadline(), now + CALL_TIMEOUT);
    session.tick(now + CALL_TIMEOUT - Duration::from_millis(1)).unwrap();
    assert!(response.try_recv().is_err());
    session.tick(now + CALL_TIMEOUT).unwrap();
    assert_eq!(response.try_recv().unwrap(), Err(IndexError::TimedOut { after: CALL_TIMEOUT }));
    session.handle_message(now + CALL_TIMEOUT * 2, reply(3, statistics())).unwrap();
    let twice = session.handle_message(now + CALL_TIMEOUT * 2, reply(3, statistics()));
    assert!(matches!(twice, Err(IndexSessionError::Violation(IndexViolation::UnknownReply { id: 3 }))));
}

#[test]
fn stalled_index_that_owes_a_reply_is_disconnected() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let response = ask(&mut session, now);
    take_sent(&mut session, now);
    session.tick(now + SILENCE_TIMEOUT - Duration::from_secs(1)).unwrap();
    assert!(matches!(session.tick(now + SILENCE_TIMEOUT), Err(IndexSessionError::Silent { .. })));
    drop(response);
}

#[test]
fn active_index_that_never_replies_is_disconnected() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let (began, _answered) = (now, ask(&mut session, now));
    while session.tick(now).is_ok() {
        now += Duration::from_secs(5);
        drop(ask(&mut session, now));
        session.mark_sent(now, 1);
    }
    assert_eq!(now - began, REPLY_TIMEOUT);
}

#[test]
fn lease_is_renewed_in_time_and_silence_detected() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    for message in take_sent(&mut session, now) {
        session.handle_message(now, reply(message.id, Reply::List(ListSummary::default()))).unwrap();
    }
    let then = now + Duration::from_secs(30);
    assert_eq!((session.deadline(), take_sent(&mut session, now).len()), (then, 0));
    let renewal = take_sent(&mut session, then);
    assert_eq!(renewal.iter().map(|message| &message.request).collect::<Vec<_>>(), [&Request::Renew]);
    assert!(take_sent(&mut session, then + SILENCE_TIMEOUT).is_empty(), "one renewal at a time");
    assert_eq!(session.deadline(), then + SILENCE_TIMEOUT);
    session.handle_message(then, reply(renewal[0].id, Reply::List(ListSummary::default()))).unwrap();
    assert_eq!(session.deadline(), then + Duration::from_secs(30));
}

#[test]
fn renewal_interval_is_bounded_for_any_lease() {
    let now = Instant::now();
    for (lease, seconds) in [(0, 1), (9, 3), (u32::MAX, 60)] {
        let mut list = ListSync::default();
        let mut session = unproven_session(&mut list, IndexFeatures::NONE, now);
        let you = "10.0.0.1:7".parse().unwrap();
        let welcome = Reply::Welcome { you, lease, list: ListSummary::default() };
        session.handle_message(now, reply(2, welcome)).unwrap();
        assert_eq!(session.deadline(), now + Duration::from_secs(seconds), "{lease}");
    }
}

#[test]
fn wrong_reply_ends_the_session() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    list.update_shares(ShareSnapshot::of(1, vec![file("a", 1)], true));
    let mut session = welcomed_session(&mut list, now);
    let mut response = ask(&mut session, now);
    let wrong = session.handle_message(now, reply(3, Reply::List(ListSummary::default())));
    assert!(matches!(wrong, Err(IndexSessionError::Violation(IndexViolation::WrongReply { .. }))));
    assert!(matches!(response.try_recv().unwrap(), Err(IndexError::Offline { .. })));
    let begin =
        take_sent(&mut session, now).into_iter().find(|message| message.request == Request::BeginList);
    let wrong = session.handle_message(now, reply(begin.unwrap().id, statistics()));
    assert!(matches!(wrong, Err(IndexSessionError::Violation(IndexViolation::WrongReply { .. }))));
}

#[test]
fn refusals_reach_callers_and_final_ones_end_the_session() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let (mut one, mut two) = (ask(&mut session, now), ask(&mut session, now));
    let refusal = Refusal::BadQuery { reason: "\u{1b}[2J".into() };
    session.handle_message(now, reply(3, Reply::Refused(refusal))).unwrap();
    let shown = one.try_recv().unwrap().unwrap_err().to_string();
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let refusal = Refusal::Malformed { reason: "x".into() };
    let ended = session.handle_message(now, reply(4, Reply::Refused(refusal.clone())));
    assert!(matches!(ended, Err(IndexSessionError::Refused(_))));
    assert_eq!(two.try_recv().unwrap(), Err(IndexError::Refused(refusal)));
}

#[test]
fn notices_report_reachability_and_the_end_of_the_session() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let address = "10.0.0.1:7".parse().unwrap();
    let mut reachable = |notice| {
        session.handle_message(now, IndexMessage::Notice(notice))?;
        match session.status() {
            Some(IndexStatus::Online { reachable, .. }) => Ok(reachable),
            other => panic!("{other:?}"),
        }
    };
    let reason = "no\nanswer".to_owned();
    let no = Reachability::No { reason: "no\\nanswer".into() };
    assert_eq!(reachable(Notice::Unreachable { address, reason }).unwrap(), no);
    assert_eq!(reachable(Notice::Reachable { address }).unwrap(), Reachability::Yes);
    assert!(matches!(reachable(Notice::Replaced), Err(IndexSessionError::Replaced)));
    assert!(matches!(reachable(Notice::ShuttingDown), Err(IndexSessionError::ShuttingDown)));
    let full = Refusal::Busy { retry_after: 5 };
    assert!(matches!(
        reachable(Notice::Refused(full)),
        Err(IndexSessionError::Refused(Refusal::Busy { .. }))
    ));
}

#[test]
fn oversized_call_fails_alone() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let (answer, mut response) = oneshot::channel();
    let peer = protocol::index::PeerRef::Address("10.0.0.1:7".parse().unwrap());
    let after = Some("x".repeat(MAX_FRAME));
    session.call(now, Command::Browse { peer, after, limit: 1, answer });
    assert_eq!(response.try_recv().unwrap(), Err(IndexError::TooLong { limit: MAX_FRAME }));
    let (answer, _answered) = oneshot::channel();
    session.call(now, Command::Locate { digest: Digest::EMPTY, limit: 1, answer });
    assert!(
        take_sent(&mut session, now).iter().any(|message| matches!(message.request, Request::Locate { .. }))
    );
}

fn too_fast(id: RequestId, retry_after: u32) -> IndexMessage {
    reply(id, Reply::Refused(Refusal::TooFast { retry_after }))
}

#[test]
fn throttled_call_is_retried_and_delays_the_others() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let mut answer = ask(&mut session, now);
    assert_eq!(take_sent(&mut session, now).len(), 1);
    session.handle_message(now, too_fast(3, 2000)).unwrap();
    assert!(!session.has_capacity());
    let again_at = session.deadline();
    assert!((2000..=4000).contains(&(again_at - now).as_millis()), "{:?}", again_at - now);
    now += Duration::from_millis(1999);
    assert!(take_sent(&mut session, now).is_empty());
    now = again_at;
    assert!(matches!(
        take_sent(&mut session, now)[..],
        [RequestEnvelope { id: 4, request: Request::Statistics }]
    ));
    assert!(session.has_capacity());
    session.handle_message(now, reply(4, statistics())).unwrap();
    assert_eq!(answer.try_recv().unwrap(), Ok(Statistics::default()));
}

#[test]
fn call_fails_at_once_if_the_pause_exceeds_its_timeout() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut session = welcomed_session(&mut list, now);
    let mut answer = ask(&mut session, now);
    take_sent(&mut session, now);
    session.handle_message(now, too_fast(3, u32::MAX)).unwrap();
    let refused = answer.try_recv().unwrap();
    assert_eq!(refused, Err(Refusal::TooFast { retry_after: u32::MAX }.into()));
    // The index cannot silence the node for weeks.
    assert!(session.deadline() - now <= Duration::from_mins(2));
}

#[test]
fn calls_follow_the_proof_and_the_list_waits() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    list.update_shares(ShareSnapshot::of(1, vec![file("a", 1)], true));
    let mut session = unproven_session(&mut list, IndexFeatures::NONE, now);
    let mut response = ask(&mut session, now);
    let requests = take_sent(&mut session, now);
    assert!(
        matches!(
            requests[..],
            [
                RequestEnvelope { id: 2, request: Request::Proof { .. } },
                RequestEnvelope { id: 3, request: Request::Statistics }
            ]
        ),
        "{requests:?}"
    );
    assert_eq!((session.status(), session.is_welcomed()), (None, false));
    assert_eq!(session.deadline(), now + ANSWER_TIMEOUT);
    session.handle_message(now, reply(2, welcome())).unwrap();
    session.handle_message(now, reply(3, statistics())).unwrap();
    assert_eq!(response.try_recv().unwrap(), Ok(Statistics::default()));
    assert!(matches!(session.status(), Some(IndexStatus::Online { .. })));
    // The index has none of the list, so the full list is sent.
    assert!(matches!(take_sent(&mut session, now)[0].request, Request::BeginList));
}

#[test]
fn refused_or_unanswered_proof_ends_the_session() {
    let now = Instant::now();
    let mut list = ListSync::default();
    let refused = unproven_session(&mut list, IndexFeatures::NONE, now)
        .handle_message(now, reply(2, Reply::Refused(Refusal::BadProof)));
    assert!(matches!(refused, Err(IndexSessionError::Refused(Refusal::BadProof))), "{refused:?}");
    let wrong =
        unproven_session(&mut list, IndexFeatures::NONE, now).handle_message(now, reply(2, statistics()));
    assert!(
        matches!(wrong, Err(IndexSessionError::Violation(IndexViolation::WrongReply { .. }))),
        "{wrong:?}"
    );
    let mut session = unproven_session(&mut list, IndexFeatures::NONE, now);
    assert!(session.tick(now + ANSWER_TIMEOUT - Duration::from_millis(1)).is_ok());
    assert!(matches!(session.tick(now + ANSWER_TIMEOUT), Err(IndexSessionError::Silent { .. })));
}

#[test]
fn search_requests_sources_if_the_index_supports_it() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    for (features, expected) in [(IndexFeatures::NONE, false), (IndexFeatures::SEARCH_WITH_SOURCES, true)] {
        let mut session = unproven_session(&mut list, features, now);
        let (answer, _answered) = oneshot::channel();
        session.call(now, Command::Search { query: "x".into(), after: None, limit: 9, answer });
        let requests = take_sent(&mut session, now);
        let with_sources = matches!(requests[1].request, Request::SearchWithSources { .. });
        assert_eq!(with_sources, expected, "{requests:?}");
    }
}

#[test]
fn index_that_keeps_postponing_is_sent_the_list_rarely() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    list.update_shares(ShareSnapshot::of(1, vec![file("a", 1)], true));
    let mut session = welcomed_session(&mut list, now);
    let (end, mut requests) = (now + Duration::from_mins(10), 0);
    while now < end {
        for RequestEnvelope { id, request } in take_sent(&mut session, now) {
            let answer = match request {
                Request::Renew => reply(id, Reply::List(ListSummary::default())),
                _ => too_fast(id, 0),
            };
            requests += usize::from(request != Request::Renew);
            session.handle_message(now, answer).unwrap();
        }
        now = session.deadline();
    }
    assert!((10..50).contains(&requests), "{requests} requests in ten minutes");
}
