//! Requests and answers as HTTP.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use protocol::tracker::TrackerFailure;
use tracing::debug;

use super::HttpTracker;
use crate::net::http::{plain_text, with_connection_close};

/// Answers a request. What is wrong with a question is told as clients expect it: as an answer that is a failure.
pub(super) fn respond(
    tracker: &HttpTracker,
    from: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    if request.body().size_hint().exact() != Some(0) {
        return with_connection_close(plain_text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "a question to a tracker has no body\n",
        ));
    }
    let path = request.uri().path();
    if !matches!(path, "/announce" | "/scrape") {
        return plain_text(StatusCode::NOT_FOUND, "this is a tracker: /announce or /scrape\n");
    }
    if request.method() != Method::GET {
        let mut response = plain_text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return with_connection_close(response);
    }
    let (query, now) = (request.uri().query().unwrap_or_default(), Instant::now());
    let answered = tracker.admit(now, from).and_then(|()| match path {
        // Without randomness the peers are merely not random.
        "/announce" => tracker.announce(now, from, query, getrandom::u64().unwrap_or_default()),
        _ => tracker.scrape(from, query),
    });
    let body = answered.unwrap_or_else(|failure| {
        let TrackerFailure { reason } = &failure;
        debug!(reason, "refused");
        failure.encode()
    });
    plain_text(StatusCode::OK, body)
}
