use protocol::digest::Digest;
use protocol::features::IndexFeatures;
use protocol::frame::FrameBuffer;
use protocol::index::{ListSummary, Statistics};
use protocol::limits::MAX_FRAME;
use tokio::sync::oneshot;

use super::super::model_list::file;
use super::super::pending::CALL_TIMEOUT;
use super::*;

/// The reply to the proof.
fn welcome() -> Reply {
    Reply::Welcome { you: "10.0.0.1:7".parse().unwrap(), lease: 90, list: ListSummary::default() }
}

/// A conversation whose proof has not been answered.
fn proving(list: &mut ListSync, features: IndexFeatures, now: Instant) -> Conversation<'_> {
    let about = AboutIndex { features, clock_ahead: None };
    Conversation::with_proof(list, about, Request::Proof { signature: [1; 64] }, now).unwrap()
}

/// A conversation behind its welcome.
fn welcomed(list: &mut ListSync, now: Instant) -> Conversation<'_> {
    let mut conversation = proving(list, IndexFeatures::NONE, now);
    let proof = sent(&mut conversation, now);
    assert!(matches!(proof[..], [ToIndex { id: 2, request: Request::Proof { .. } }]), "{proof:?}");
    conversation.take_in(now, reply(2, welcome())).unwrap();
    conversation
}

/// What went out since the last look.
fn sent(conversation: &mut Conversation<'_>, now: Instant) -> Vec<ToIndex> {
    conversation.fill(now).unwrap();
    let mut frames = FrameBuffer::with_limit(MAX_FRAME);
    frames.extend(conversation.outgoing());
    conversation.sent(now, conversation.outgoing().len());
    std::iter::from_fn(|| frames.next_message().unwrap()).collect()
}

fn ask(
    conversation: &mut Conversation<'_>,
    now: Instant,
) -> oneshot::Receiver<Result<Statistics, IndexError>> {
    let (answer, answered) = oneshot::channel();
    conversation.ask(now, Command::Statistics { answer });
    answered
}

fn reply(id: RequestId, reply: Reply) -> FromIndex {
    FromIndex::Reply { id, reply }
}

fn statistics() -> Reply {
    Reply::Statistics(Statistics::default())
}

#[test]
fn many_questions_are_in_flight_and_answers_find_them_in_any_order() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let (mut one, mut two) = (ask(&mut conversation, now), ask(&mut conversation, now));
    let ids: Vec<_> = sent(&mut conversation, now).iter().map(|message| message.id).collect();
    assert_eq!(ids, [3, 4]);
    let busy = Statistics { online: 9, ..Statistics::default() };
    conversation.take_in(now, reply(4, Reply::Statistics(busy))).unwrap();
    conversation.take_in(now, reply(3, statistics())).unwrap();
    assert_eq!(one.try_recv().unwrap(), Ok(Statistics::default()));
    assert_eq!(two.try_recv().unwrap(), Ok(busy));
}

#[test]
fn no_more_callers_are_let_in_than_may_wait() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let mut callers = Vec::new();
    while conversation.has_room() {
        callers.push(ask(&mut conversation, now));
    }
    assert_eq!(callers.len(), 64);
    conversation.take_in(now, reply(3, statistics())).unwrap();
    assert!(conversation.has_room());
}

#[test]
fn a_caller_waits_ten_seconds_and_a_late_answer_does_no_harm() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let mut answered = ask(&mut conversation, now);
    sent(&mut conversation, now);
    assert_eq!(conversation.deadline(), now + CALL_TIMEOUT);
    conversation.tick(now + CALL_TIMEOUT - Duration::from_millis(1)).unwrap();
    assert!(answered.try_recv().is_err());
    conversation.tick(now + CALL_TIMEOUT).unwrap();
    assert_eq!(answered.try_recv().unwrap(), Err(IndexError::TimedOut { after: CALL_TIMEOUT }));
    conversation.take_in(now + CALL_TIMEOUT * 2, reply(3, statistics())).unwrap();
    let twice = conversation.take_in(now + CALL_TIMEOUT * 2, reply(3, statistics()));
    assert!(matches!(twice, Err(SessionError::Violation(Violation::UnknownReply { id: 3 }))));
}

#[test]
fn an_index_that_owes_an_answer_and_does_not_move_is_left() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let answered = ask(&mut conversation, now);
    sent(&mut conversation, now);
    conversation.tick(now + SILENCE - Duration::from_secs(1)).unwrap();
    assert!(matches!(conversation.tick(now + SILENCE), Err(SessionError::Silent { .. })));
    drop(answered);
}

#[test]
fn an_index_that_moves_but_does_not_answer_is_left_in_the_end() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let (began, _answered) = (now, ask(&mut conversation, now));
    while conversation.tick(now).is_ok() {
        now += Duration::from_secs(5);
        drop(ask(&mut conversation, now));
        conversation.sent(now, 1);
    }
    assert_eq!(now - began, LONGEST_REPLY);
}

#[test]
fn the_lease_is_renewed_in_time_and_silence_then_noticed() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    for message in sent(&mut conversation, now) {
        conversation.take_in(now, reply(message.id, Reply::List(ListSummary::default()))).unwrap();
    }
    let then = now + Duration::from_secs(30);
    assert_eq!((conversation.deadline(), sent(&mut conversation, now).len()), (then, 0));
    let renewal = sent(&mut conversation, then);
    assert_eq!(renewal.iter().map(|message| &message.request).collect::<Vec<_>>(), [&Request::Renew]);
    assert!(sent(&mut conversation, then + SILENCE).is_empty(), "one renewal at a time");
    assert_eq!(conversation.deadline(), then + SILENCE);
    conversation.take_in(then, reply(renewal[0].id, Reply::List(ListSummary::default()))).unwrap();
    assert_eq!(conversation.deadline(), then + Duration::from_secs(30));
}

#[test]
fn no_lease_makes_us_busy_or_silent_for_long() {
    let now = Instant::now();
    for (lease, seconds) in [(0, 1), (9, 3), (u32::MAX, 60)] {
        let mut list = ListSync::default();
        let mut conversation = proving(&mut list, IndexFeatures::NONE, now);
        let you = "10.0.0.1:7".parse().unwrap();
        let welcome = Reply::Welcome { you, lease, list: ListSummary::default() };
        conversation.take_in(now, reply(2, welcome)).unwrap();
        assert_eq!(conversation.deadline(), now + Duration::from_secs(seconds), "{lease}");
    }
}

#[test]
fn answers_of_another_kind_end_the_session() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    list.share(Snapshot { generation: 1, records: vec![file("a", 1)], settled: true });
    let mut conversation = welcomed(&mut list, now);
    let mut answered = ask(&mut conversation, now);
    let wrong = conversation.take_in(now, reply(3, Reply::List(ListSummary::default())));
    assert!(matches!(wrong, Err(SessionError::Violation(Violation::WrongReply { .. }))));
    assert!(matches!(answered.try_recv().unwrap(), Err(IndexError::Offline { .. })));
    let begin =
        sent(&mut conversation, now).into_iter().find(|message| message.request == Request::BeginList);
    let wrong = conversation.take_in(now, reply(begin.unwrap().id, statistics()));
    assert!(matches!(wrong, Err(SessionError::Violation(Violation::WrongReply { .. }))));
}

#[test]
fn refusals_reach_their_callers_and_final_ones_end_the_session() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let (mut one, mut two) = (ask(&mut conversation, now), ask(&mut conversation, now));
    let refusal = Refusal::BadQuery { reason: "\u{1b}[2J".into() };
    conversation.take_in(now, reply(3, Reply::Refused(refusal))).unwrap();
    let shown = one.try_recv().unwrap().unwrap_err().to_string();
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let refusal = Refusal::Malformed { reason: "x".into() };
    let ended = conversation.take_in(now, reply(4, Reply::Refused(refusal.clone())));
    assert!(matches!(ended, Err(SessionError::Refused(_))));
    assert_eq!(two.try_recv().unwrap(), Err(IndexError::Refused(refusal)));
}

#[test]
fn notices_tell_whether_we_are_reachable_and_why_the_session_ends() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let address = "10.0.0.1:7".parse().unwrap();
    let mut reachable = |notice| {
        conversation.take_in(now, FromIndex::Notice(notice))?;
        match conversation.status() {
            Some(IndexStatus::Online { reachable, .. }) => Ok(reachable),
            other => panic!("{other:?}"),
        }
    };
    let reason = "no\nanswer".to_owned();
    let no = Reachability::No { reason: "no\\nanswer".into() };
    assert_eq!(reachable(Notice::Unreachable { address, reason }).unwrap(), no);
    assert_eq!(reachable(Notice::Reachable { address }).unwrap(), Reachability::Yes);
    assert!(matches!(reachable(Notice::Replaced), Err(SessionError::Replaced)));
    assert!(matches!(reachable(Notice::ShuttingDown), Err(SessionError::ShuttingDown)));
    let full = Refusal::Busy { retry_after: 5 };
    assert!(matches!(reachable(Notice::Refused(full)), Err(SessionError::Refused(Refusal::Busy { .. }))));
}

#[test]
fn a_question_too_long_for_a_frame_fails_alone() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let (answer, mut answered) = oneshot::channel();
    let peer = protocol::index::PeerRef::Address("10.0.0.1:7".parse().unwrap());
    let after = Some("x".repeat(MAX_FRAME));
    conversation.ask(now, Command::Browse { peer, after, limit: 1, answer });
    assert_eq!(answered.try_recv().unwrap(), Err(IndexError::TooLong { limit: MAX_FRAME }));
    let (answer, _answered) = oneshot::channel();
    conversation.ask(now, Command::Locate { digest: Digest::OF_NOTHING, limit: 1, answer });
    assert!(
        sent(&mut conversation, now).iter().any(|message| matches!(message.request, Request::Locate { .. }))
    );
}

fn too_fast(id: RequestId, retry_after: u32) -> FromIndex {
    reply(id, Reply::Refused(Refusal::TooFast { retry_after }))
}

#[test]
fn a_question_that_comes_too_soon_is_asked_again_after_the_pause_and_holds_back_others() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let mut answer = ask(&mut conversation, now);
    assert_eq!(sent(&mut conversation, now).len(), 1);
    conversation.take_in(now, too_fast(3, 2000)).unwrap();
    assert!(!conversation.has_room());
    let again_at = conversation.deadline();
    assert!((2000..=4000).contains(&(again_at - now).as_millis()), "{:?}", again_at - now);
    now += Duration::from_millis(1999);
    assert!(sent(&mut conversation, now).is_empty());
    now = again_at;
    assert!(matches!(sent(&mut conversation, now)[..], [ToIndex { id: 4, request: Request::Statistics }]));
    assert!(conversation.has_room());
    conversation.take_in(now, reply(4, statistics())).unwrap();
    assert_eq!(answer.try_recv().unwrap(), Ok(Statistics::default()));
}

#[test]
fn a_caller_is_told_at_once_when_the_pause_would_be_too_long_for_it() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    let mut conversation = welcomed(&mut list, now);
    let mut answer = ask(&mut conversation, now);
    sent(&mut conversation, now);
    conversation.take_in(now, too_fast(3, u32::MAX)).unwrap();
    let refused = answer.try_recv().unwrap();
    assert_eq!(refused, Err(Refusal::TooFast { retry_after: u32::MAX }.into()));
    // And the index cannot silence us for weeks.
    assert!(conversation.deadline() - now <= Duration::from_mins(2));
}

#[test]
fn questions_go_with_the_proof_and_the_list_waits() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    list.share(Snapshot { generation: 1, records: vec![file("a", 1)], settled: true });
    let mut conversation = proving(&mut list, IndexFeatures::NONE, now);
    let mut answered = ask(&mut conversation, now);
    let requests = sent(&mut conversation, now);
    assert!(
        matches!(
            requests[..],
            [
                ToIndex { id: 2, request: Request::Proof { .. } },
                ToIndex { id: 3, request: Request::Statistics }
            ]
        ),
        "{requests:?}"
    );
    assert_eq!((conversation.status(), conversation.is_welcome()), (None, false));
    assert_eq!(conversation.deadline(), now + ANSWER);
    conversation.take_in(now, reply(2, welcome())).unwrap();
    conversation.take_in(now, reply(3, statistics())).unwrap();
    assert_eq!(answered.try_recv().unwrap(), Ok(Statistics::default()));
    assert!(matches!(conversation.status(), Some(IndexStatus::Online { .. })));
    // The index has nothing of the list, so that it is sent from the beginning.
    assert!(matches!(sent(&mut conversation, now)[0].request, Request::BeginList));
}

#[test]
fn a_proof_that_is_refused_or_not_answered_ends_the_session() {
    let now = Instant::now();
    let mut list = ListSync::default();
    let refused = proving(&mut list, IndexFeatures::NONE, now)
        .take_in(now, reply(2, Reply::Refused(Refusal::BadProof)));
    assert!(matches!(refused, Err(SessionError::Refused(Refusal::BadProof))), "{refused:?}");
    let wrong = proving(&mut list, IndexFeatures::NONE, now).take_in(now, reply(2, statistics()));
    assert!(matches!(wrong, Err(SessionError::Violation(Violation::WrongReply { .. }))), "{wrong:?}");
    let mut conversation = proving(&mut list, IndexFeatures::NONE, now);
    assert!(conversation.tick(now + ANSWER - Duration::from_millis(1)).is_ok());
    assert!(matches!(conversation.tick(now + ANSWER), Err(SessionError::Silent { .. })));
}

#[test]
fn a_search_asks_for_sources_if_the_index_gives_them() {
    let (mut list, now) = (ListSync::default(), Instant::now());
    for (features, expected) in [(IndexFeatures::NONE, false), (IndexFeatures::SEARCH_WITH_SOURCES, true)] {
        let mut conversation = proving(&mut list, features, now);
        let (answer, _answered) = oneshot::channel();
        conversation.ask(now, Command::Search { query: "x".into(), after: None, limit: 9, answer });
        let requests = sent(&mut conversation, now);
        let with_sources = matches!(requests[1].request, Request::SearchWithSources { .. });
        assert_eq!(with_sources, expected, "{requests:?}");
    }
}

#[test]
fn index_that_always_wants_the_list_later_is_seldom_sent_it() {
    let (mut list, mut now) = (ListSync::default(), Instant::now());
    list.share(Snapshot { generation: 1, records: vec![file("a", 1)], settled: true });
    let mut conversation = welcomed(&mut list, now);
    let (end, mut requests) = (now + Duration::from_mins(10), 0);
    while now < end {
        for ToIndex { id, request } in sent(&mut conversation, now) {
            let answer = match request {
                Request::Renew => reply(id, Reply::List(ListSummary::default())),
                _ => too_fast(id, 0),
            };
            requests += usize::from(request != Request::Renew);
            conversation.take_in(now, answer).unwrap();
        }
        now = conversation.deadline();
    }
    assert!((10..50).contains(&requests), "{requests} requests in ten minutes");
}
