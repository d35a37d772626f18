//! Converts tracker requests and replies from and to HTTP.

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

/// Answers a request. Errors in the query are reported as a tracker failure, as clients expect.
pub(super) fn respond(
    tracker: &HttpTracker,
    from: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    if request.body().size_hint().exact() != Some(0) {
        return with_connection_close(plain_text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "requests must have no body\n",
        ));
    }
    let path = request.uri().path();
    if !matches!(path, "/announce" | "/scrape") {
        return plain_text(StatusCode::NOT_FOUND, "not found: this tracker has /announce and /scrape\n");
    }
    if request.method() != Method::GET {
        let mut response = plain_text(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return with_connection_close(response);
    }
    let (query, now) = (request.uri().query().unwrap_or_default(), Instant::now());
    let answered = tracker.admit(now, from).and_then(|()| match path {
        // Without randomness the selection of peers is merely not random.
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
