use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::limits::MAX_TRACKER_MESSAGE;
use protocol::tracker::TrackerFailure;

use super::*;
use crate::discovery::trackers::tests::scripted_tracker::{ScriptedTracker, TrackerAct, response};

const PEERS: [&str; 2] = ["10.0.0.1:6881", "[2001:db8::1]:6882"];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn error_for_response(status: &str, headers: &str, body: &[u8]) -> String {
    let tracker = ScriptedTracker::always(TrackerAct::Send(response(status, headers, body))).await;
    error_message(&tracker.url()).await
}

#[tokio::test]
async fn replies_in_all_encodings_are_read() {
    let packed = response("200 OK", "Content-Encoding: gzip\r\n", &gzip(&reply(&PEERS).encode(true, true)));
    let packed_by_its_old_name =
        response("200 OK", "Content-Encoding: X-Gzip\r\n", &gzip(&reply(&PEERS).encode(true, true)));
    for answer in [
        packed_by_its_old_name,
        response("200 OK", "", &reply(&PEERS).encode(true, true)),
        response("200 OK", "Content-Type: text/plain\r\n", &reply(&PEERS).encode(false, false)),
        packed,
    ] {
        let mut tracker = ScriptedTracker::always(TrackerAct::Send(answer)).await;
        let parsed = announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap();
        assert_eq!(parsed, reply(&PEERS));
        assert_eq!(tracker.next().await, format!("/announce?{}", request().query()));
    }
}

#[tokio::test]
async fn the_query_of_the_announce_url_is_kept() {
    let mut tracker =
        ScriptedTracker::always(TrackerAct::Send(response("200 OK", "", &reply(&[]).encode(true, true))))
            .await;
    announce_to(&format!("{}?passkey=s%20t", tracker.url()), TrackerTimeouts::default()).await.unwrap();
    assert_eq!(tracker.next().await, format!("/announce?passkey=s%20t&{}", request().query()));
}

#[tokio::test]
async fn a_failure_reason_is_reported_escaped() {
    let failure = |reason: &str| TrackerFailure { reason: reason.to_owned() }.encode();
    assert_eq!(
        error_for_response("200 OK", "", &failure("unknown torrent")).await,
        "refused: unknown torrent"
    );
    assert_eq!(error_for_response("403 Forbidden", "", &failure("go away")).await, "refused: go away");
    assert_eq!(error_for_response("200 OK", "", &failure("\x1b[31mred")).await, "refused: \\u{1b}[31mred");
    let long = error_for_response("200 OK", "", &failure(&"x".repeat(1 << 19))).await;
    assert_eq!(long.len(), "refused: ".len() + MAX_TRACKER_MESSAGE);
}

#[tokio::test]
async fn http_errors_are_reported_and_retry_after_is_kept() {
    assert_eq!(error_for_response("404 Not Found", "", b"<html>").await, "HTTP status 404");
    let busy = response("503 Busy", "Retry-After: 120\r\n", b"");
    let tracker = ScriptedTracker::always(TrackerAct::Send(busy)).await;
    let error = announce_to(&tracker.url(), short_timeouts()).await.unwrap_err();
    assert_eq!(error.to_failure().retry_after, Some(Duration::from_mins(2)));
    for value in ["-1", "soon", "99999999999999999999999"] {
        let headers = format!("Retry-After: {value}\r\n");
        let tracker = ScriptedTracker::always(TrackerAct::Send(response("500 Broken", &headers, b""))).await;
        assert_eq!(
            announce_to(&tracker.url(), short_timeouts()).await.unwrap_err().to_failure().retry_after,
            None
        );
    }
}

#[tokio::test]
async fn malformed_replies_are_errors() {
    for (body, expected) in [
        (b"".as_slice(), "invalid tracker reply: the document ends unexpectedly at byte 0"),
        (b"<html></html>", "invalid tracker reply: no value begins with `<` at byte 0"),
        (b"d8:interval", "invalid tracker reply: the document ends unexpectedly at byte 11"),
        (&vec![b'l'; 100_000], "invalid tracker reply: "),
    ] {
        let message = error_for_response("200 OK", "", body).await;
        assert!(message.starts_with(expected), "{message}");
    }
    for bytes in [b"220 mail.example ESMTP\r\n".as_slice(), b"SSH-2.0-x\r\n", b"\0\0\0\0", b""] {
        let tracker = ScriptedTracker::always(TrackerAct::Send(bytes.to_vec())).await;
        let message = error_message(&tracker.url()).await;
        assert!(message.starts_with("connection failed: "), "{message}");
    }
}

#[tokio::test]
async fn an_endless_reply_is_cut_off() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let tracker = ScriptedTracker::always(TrackerAct::Endless(chunked, chunk)).await;
    let message = announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap_err().to_string();
    assert_eq!(message, "the tracker's reply is longer than 1048576 bytes");
    let until_closed = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let tracker = ScriptedTracker::always(TrackerAct::Endless(until_closed, vec![b'x'; 1 << 16])).await;
    let message = announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap_err().to_string();
    assert_eq!(message, "the tracker's reply is longer than 1048576 bytes");
    let headers = TrackerAct::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: more\r\n".repeat(100));
    let tracker = ScriptedTracker::always(headers).await;
    let message = announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap_err().to_string();
    assert!(message.starts_with("connection failed: "), "{message}");
}

#[tokio::test]
async fn a_gzip_bomb_is_not_decompressed() {
    let bomb = gzip(&vec![b'0'; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    for name in ["gzip", "x-gzip"] {
        let headers = format!("Content-Encoding: {name}\r\n");
        let tracker = ScriptedTracker::always(TrackerAct::Send(response("200 OK", &headers, &bomb))).await;
        let message = announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap_err().to_string();
        assert_eq!(message, "the tracker's reply is longer than 1048576 bytes");
    }
    let message =
        error_for_response("200 OK", "Content-Encoding: x-gzip\r\n", b"d8:intervali60e5:peers0:e").await;
    assert!(message.starts_with("connection failed: "), "{message}");
}

#[tokio::test]
async fn a_wrong_content_length_is_an_error() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nd8:intervali60e5:peers0:e".to_vec();
    let message = error_message(&ScriptedTracker::always(TrackerAct::Send(short)).await.url()).await;
    assert!(message.starts_with("connection failed: "), "{message}");
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec();
    let message = error_message(&ScriptedTracker::always(TrackerAct::Send(huge)).await.url()).await;
    assert!(message.starts_with("connection failed: "), "{message}");
}

#[tokio::test]
async fn slow_and_silent_trackers_time_out() {
    let slow =
        TrackerAct::Drip(response("200 OK", "", &reply(&[]).encode(true, true)), Duration::from_millis(100));
    for act in [TrackerAct::Silent, slow] {
        let tracker = ScriptedTracker::always(act).await;
        assert_eq!(error_message(&tracker.url()).await, "no answer within 0.3 seconds");
    }
}

#[tokio::test]
async fn connection_failures_are_reported() {
    let tracker = ScriptedTracker::always(TrackerAct::Reset).await;
    let message = error_message(&tracker.url()).await;
    assert!(message.starts_with("connection failed: "), "{message}");
    let unreachable = { ScriptedTracker::always(TrackerAct::Silent).await.url() };
    tokio::task::yield_now().await;
    let message = error_message(&unreachable).await;
    assert!(message.starts_with("connection failed: "), "{message}");
    assert!(!message.contains("info_hash"), "the error must not reveal the query: {message}");
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let found = |to: &str| TrackerAct::Send(response("302 Found", &format!("Location: {to}\r\n"), b""));
    let answer = TrackerAct::Send(response("200 OK", "", &reply(&PEERS).encode(true, true)));
    let tracker = ScriptedTracker::start(move |path| match path.split('?').next().unwrap_or_default() {
        "/announce" => found("/announce4"),
        "/announce4" => found("announce3?a=b"),
        "/announce3" => found("/announce2"),
        "/announce2" => found("/announce1"),
        "/announce1" => found("/announce0"),
        "/announce0" => answer.clone(),
        _ => found("/announce"),
    })
    .await;
    assert_eq!(announce_to(&tracker.url(), TrackerTimeouts::default()).await.unwrap(), reply(&PEERS));
    let message = error_message(&tracker.url().replace("/announce", "/announce-once-more")).await;
    assert_eq!(message, "more than 5 redirects");
    let looping = TrackerAct::Send(response("301 Moved", "Location: /announce\r\n", b""));
    let tracker = ScriptedTracker::always(looping).await;
    assert_eq!(error_message(&tracker.url()).await, "more than 5 redirects");
}

#[tokio::test]
async fn forbidden_redirect_targets_are_refused() {
    let inner = ScriptedTracker::always(TrackerAct::Send(b"secret".to_vec())).await;
    let service = format!("http://127.0.0.1:{}/admin", inner.port);
    for (to, expected) in [
        ("file:///etc/passwd", "file trackers are not supported"),
        ("ftp://127.0.0.1/announce", "ftp trackers are not supported"),
        ("udp://127.0.0.1:6969", "udp trackers are not supported"),
        ("http://me:pw@127.0.0.1/announce", "URLs with user names are not supported"),
        ("http://0.0.0.0/announce", "cannot resolve 0.0.0.0"),
        ("http://169.254.169.254/latest", "refusing to contact http://169.254.169.254"),
        ("http://[::1]:1/announce", "cannot resolve [::1]"),
        (service.as_str(), "on local addresses only /announce paths are allowed"),
    ] {
        let moved = response("302 Found", &format!("Location: {to}\r\n"), b"");
        let tracker = ScriptedTracker::always(TrackerAct::Send(moved)).await;
        let message = error_message(&tracker.url()).await;
        assert!(message.contains(expected), "{to}: {message}");
    }
    for url in [service.as_str(), "http://127.0.0.1:1313/"] {
        let message = error_message(url).await;
        assert!(message.contains("refusing to contact"), "{message}");
    }
}
