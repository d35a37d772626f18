//! The numbers over HTTP, for those who call this machine by a name of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::is_ours;
use super::page::page;
use super::{Condition, HttpService, Metrics};
use crate::http::{self, Ends, Terms, closing, plain};
use crate::limits::HttpLimits;

/// Few watch an index.
const LIMITS: HttpLimits = HttpLimits {
    connections: 64,
    connections_per_address: 16,
    connection: Duration::from_mins(5),
    request: Duration::from_secs(10),
};

/// Serves until it is dropped, and its connections with it. `names` are those of this machine.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, names: Vec<String>) {
    let stop = CancellationToken::new();
    let _stopping = stop.clone().drop_guard();
    let terms = Terms {
        service: HttpService::Metrics,
        limits: LIMITS,
        metrics: Arc::clone(&metrics),
        tasks: TaskTracker::new(),
        drop: stop.clone(),
        stop,
    };
    let names: Arc<[String]> = names.into();
    let answer = move |ends, request: &Request<Incoming>| answer(&metrics, &names, ends, request);
    http::serve(listener, terms, answer).await;
}

fn answer(
    metrics: &Metrics,
    names: &[String],
    ends: Ends,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    if !is_ours(request.uri(), request.headers(), ends.to.ip(), names) {
        return closing(plain(StatusCode::MISDIRECTED_REQUEST, "this index has no such name\n"));
    }
    if request.body().size_hint().exact() != Some(0) {
        return closing(plain(StatusCode::PAYLOAD_TOO_LARGE, "no body is read here\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return closing(plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"));
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = plain(StatusCode::OK, page(metrics));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/healthz" => plain(StatusCode::OK, "it runs\n"),
        "/readyz" => readiness(metrics.condition()),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn readiness(condition: Condition) -> Response<Full<Bytes>> {
    let (status, text) = match condition {
        Condition::Ready => (StatusCode::OK, "ready\n"),
        Condition::Loading => (StatusCode::SERVICE_UNAVAILABLE, "the store is being read\n"),
        Condition::Broken => {
            (StatusCode::SERVICE_UNAVAILABLE, "the store is out of order: no registrations\n")
        }
        Condition::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "it is being stopped\n"),
    };
    plain(status, text)
}
