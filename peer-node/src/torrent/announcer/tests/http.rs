use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::limits::MAX_TRACKER_WORDS;
use protocol::tracker::Failure;

use super::*;
use crate::torrent::announcer::tests::scripted::{Act, Scripted, response};

const PEERS: [&str; 2] = ["10.0.0.1:6881", "[2001:db8::1]:6882"];

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn said_of(status: &str, headers: &str, body: &[u8]) -> String {
    let tracker = Scripted::always(Act::Send(response(status, headers, body))).await;
    complaint(&tracker.url()).await
}

#[tokio::test]
async fn answers_of_all_forms_are_read() {
    let packed = response("200 OK", "Content-Encoding: gzip\r\n", &packed(&reply(&PEERS).encode(true, true)));
    let packed_by_its_old_name =
        response("200 OK", "Content-Encoding: X-Gzip\r\n", &self::packed(&reply(&PEERS).encode(true, true)));
    for answer in [
        packed_by_its_old_name,
        response("200 OK", "", &reply(&PEERS).encode(true, true)),
        response("200 OK", "Content-Type: text/plain\r\n", &reply(&PEERS).encode(false, false)),
        packed,
    ] {
        let mut tracker = Scripted::always(Act::Send(answer)).await;
        let answered = ask(&tracker.url(), Patience::default()).await.unwrap();
        assert_eq!(answered, reply(&PEERS));
        assert_eq!(tracker.next().await, format!("/announce?{}", request().query()));
    }
}

#[tokio::test]
async fn what_the_url_has_of_its_own_is_kept() {
    let mut tracker =
        Scripted::always(Act::Send(response("200 OK", "", &reply(&[]).encode(true, true)))).await;
    ask(&format!("{}?passkey=s%20t", tracker.url()), Patience::default()).await.unwrap();
    assert_eq!(tracker.next().await, format!("/announce?passkey=s%20t&{}", request().query()));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_trackers_words_made_safe() {
    let failure = |reason: &str| Failure { reason: reason.to_owned() }.encode();
    assert_eq!(said_of("200 OK", "", &failure("unknown torrent")).await, "it refuses: unknown torrent");
    assert_eq!(said_of("403 Forbidden", "", &failure("go away")).await, "it refuses: go away");
    assert_eq!(said_of("200 OK", "", &failure("\x1b[31mred")).await, "it refuses: \\u{1b}[31mred");
    let long = said_of("200 OK", "", &failure(&"x".repeat(1 << 19))).await;
    assert_eq!(long.len(), "it refuses: ".len() + MAX_TRACKER_WORDS);
}

#[tokio::test]
async fn errors_of_http_are_told_and_the_pause_they_ask_for_is_kept() {
    assert_eq!(said_of("404 Not Found", "", b"<html>").await, "it answers with HTTP status 404");
    let busy = response("503 Busy", "Retry-After: 120\r\n", b"");
    let tracker = Scripted::always(Act::Send(busy)).await;
    let error = ask(&tracker.url(), impatient()).await.unwrap_err();
    assert_eq!(error.setback().asked_pause, Some(Duration::from_mins(2)));
    for rubbish in ["-1", "soon", "99999999999999999999999"] {
        let headers = format!("Retry-After: {rubbish}\r\n");
        let tracker = Scripted::always(Act::Send(response("500 Broken", &headers, b""))).await;
        assert_eq!(ask(&tracker.url(), impatient()).await.unwrap_err().setback().asked_pause, None);
    }
}

#[tokio::test]
async fn rubbish_is_survived() {
    for (body, words) in [
        (b"".as_slice(), "not the answer of a tracker: the document breaks off at byte 0"),
        (b"<html></html>", "not the answer of a tracker: no value begins with `<` at byte 0"),
        (b"d8:interval", "not the answer of a tracker: the document breaks off at byte 11"),
        (&vec![b'l'; 100_000], "not the answer of a tracker: "),
    ] {
        let said = said_of("200 OK", "", body).await;
        assert!(said.starts_with(words), "{said}");
    }
    for bytes in [b"220 mail.example ESMTP\r\n".as_slice(), b"SSH-2.0-x\r\n", b"\0\0\0\0", b""] {
        let tracker = Scripted::always(Act::Send(bytes.to_vec())).await;
        let said = complaint(&tracker.url()).await;
        assert!(said.starts_with("no conversation: "), "{said}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_it() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let tracker = Scripted::always(Act::Endless(chunked, chunk)).await;
    let said = ask(&tracker.url(), Patience::default()).await.unwrap_err().to_string();
    assert_eq!(said, "an answer of more than 1048576 bytes");
    let until_closed = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let tracker = Scripted::always(Act::Endless(until_closed, vec![b'x'; 1 << 16])).await;
    let said = ask(&tracker.url(), Patience::default()).await.unwrap_err().to_string();
    assert_eq!(said, "an answer of more than 1048576 bytes");
    let headers = Act::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: more\r\n".repeat(100));
    let tracker = Scripted::always(headers).await;
    let said = ask(&tracker.url(), Patience::default()).await.unwrap_err().to_string();
    assert!(said.starts_with("no conversation: "), "{said}");
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let bomb = packed(&vec![b'0'; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    for name in ["gzip", "x-gzip"] {
        let headers = format!("Content-Encoding: {name}\r\n");
        let tracker = Scripted::always(Act::Send(response("200 OK", &headers, &bomb))).await;
        let said = ask(&tracker.url(), Patience::default()).await.unwrap_err().to_string();
        assert_eq!(said, "an answer of more than 1048576 bytes");
    }
    let said = said_of("200 OK", "Content-Encoding: x-gzip\r\n", b"d8:intervali60e5:peers0:e").await;
    assert!(said.starts_with("no conversation: "), "{said}");
}

#[tokio::test]
async fn a_length_that_lies_is_noticed() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nd8:intervali60e5:peers0:e".to_vec();
    let said = complaint(&Scripted::always(Act::Send(short)).await.url()).await;
    assert!(said.starts_with("no conversation: "), "{said}");
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec();
    let said = complaint(&Scripted::always(Act::Send(huge)).await.url()).await;
    assert!(said.starts_with("no conversation: "), "{said}");
}

#[tokio::test]
async fn who_is_slow_or_silent_is_given_up() {
    let slow = Act::Drip(response("200 OK", "", &reply(&[]).encode(true, true)), Duration::from_millis(100));
    for act in [Act::Silent, slow] {
        let tracker = Scripted::always(act).await;
        assert_eq!(complaint(&tracker.url()).await, "no answer within 0.3 seconds");
    }
}

#[tokio::test]
async fn who_hangs_up_or_is_not_there_is_told_of() {
    let tracker = Scripted::always(Act::Reset).await;
    let said = complaint(&tracker.url()).await;
    assert!(said.starts_with("no conversation: "), "{said}");
    let gone = { Scripted::always(Act::Silent).await.url() };
    tokio::task::yield_now().await;
    let said = complaint(&gone).await;
    assert!(said.starts_with("no conversation: "), "{said}");
    assert!(!said.contains("info_hash"), "what was asked is nobody's business: {said}");
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let found = |to: &str| Act::Send(response("302 Found", &format!("Location: {to}\r\n"), b""));
    let answer = Act::Send(response("200 OK", "", &reply(&PEERS).encode(true, true)));
    let tracker = Scripted::start(move |path| match path.split('?').next().unwrap_or_default() {
        "/announce" => found("/announce4"),
        "/announce4" => found("announce3?a=b"),
        "/announce3" => found("/announce2"),
        "/announce2" => found("/announce1"),
        "/announce1" => found("/announce0"),
        "/announce0" => answer.clone(),
        _ => found("/announce"),
    })
    .await;
    assert_eq!(ask(&tracker.url(), Patience::default()).await.unwrap(), reply(&PEERS));
    let said = complaint(&tracker.url().replace("/announce", "/announce-once-more")).await;
    assert_eq!(said, "it sends elsewhere more than 5 times");
    let looping = Act::Send(response("301 Moved", "Location: /announce\r\n", b""));
    let tracker = Scripted::always(looping).await;
    assert_eq!(complaint(&tracker.url()).await, "it sends elsewhere more than 5 times");
}

#[tokio::test]
async fn nobody_sends_us_where_a_torrent_must_not() {
    let inner = Scripted::always(Act::Send(b"secret".to_vec())).await;
    let service = format!("http://127.0.0.1:{}/admin", inner.port);
    for (to, words) in [
        ("file:///etc/passwd", "trackers of file are not spoken to"),
        ("ftp://127.0.0.1/announce", "trackers of ftp are not spoken to"),
        ("udp://127.0.0.1:6969", "trackers of udp are not spoken to"),
        ("http://me:pw@127.0.0.1/announce", "a URL with a user name in it is not followed"),
        ("http://0.0.0.0/announce", "no address is known for 0.0.0.0"),
        ("http://169.254.169.254/latest", "http://169.254.169.254 may not be asked"),
        ("http://[::1]:1/announce", "no address is known for [::1]"),
        (service.as_str(), "on this machine and link only trackers are asked"),
    ] {
        let moved = response("302 Found", &format!("Location: {to}\r\n"), b"");
        let tracker = Scripted::always(Act::Send(moved)).await;
        let said = complaint(&tracker.url()).await;
        assert!(said.contains(words), "{to}: {said}");
    }
    for url in [service.as_str(), "http://127.0.0.1:1313/"] {
        let said = complaint(url).await;
        assert!(said.contains("may not be asked"), "{said}");
    }
}
