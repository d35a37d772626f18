//! Serves the metrics over HTTP to clients that use a host name of this machine.

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

use super::host::is_own_host;
use super::page::page;
use super::{Health, HttpService, IndexMetrics};
use crate::limits::HttpLimits;
use crate::net::http::{self, Endpoints, HttpServerConfig, plain_text, with_connection_close};

/// Few clients monitor an index.
const LIMITS: HttpLimits = HttpLimits {
    connections: 64,
    connections_per_address: 16,
    connection_lifetime: Duration::from_mins(5),
    request_timeout: Duration::from_secs(10),
};

/// Serves until dropped, together with its connections. `names` are additional host names of this machine.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<IndexMetrics>, names: Vec<String>) {
    let stop = CancellationToken::new();
    let _stopping = stop.clone().drop_guard();
    let config = HttpServerConfig {
        name: HttpService::Metrics.name(),
        limits: LIMITS,
        on_eviction: {
            let metrics = Arc::clone(&metrics);
            Arc::new(move || metrics.count_evicted(HttpService::Metrics))
        },
        tasks: TaskTracker::new(),
        drop: stop.clone(),
        stop,
    };
    let names: Arc<[String]> = names.into();
    let answer = move |ends, request: &Request<Incoming>| respond(&metrics, &names, ends, request);
    http::serve(listener, config, answer).await;
}

fn respond(
    metrics: &IndexMetrics,
    names: &[String],
    ends: Endpoints,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    if !is_own_host(request.uri(), request.headers(), ends.local.ip(), names) {
        return with_connection_close(plain_text(StatusCode::MISDIRECTED_REQUEST, "unknown host name\n"));
    }
    if request.body().size_hint().exact() != Some(0) {
        return with_connection_close(plain_text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "requests must have no body\n",
        ));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return with_connection_close(plain_text(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n"));
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = plain_text(StatusCode::OK, page(metrics));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/healthz" => plain_text(StatusCode::OK, "alive\n"),
        "/readyz" => readiness(metrics.health()),
        _ => plain_text(StatusCode::NOT_FOUND, "not found: available are /metrics, /healthz and /readyz\n"),
    }
}

fn readiness(health: Health) -> Response<Full<Bytes>> {
    let (status, text) = match health {
        Health::Ready => (StatusCode::OK, "ready\n"),
        Health::Loading => (StatusCode::SERVICE_UNAVAILABLE, "the store is being loaded\n"),
        Health::Degraded => {
            (StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable: registrations are refused\n")
        }
        Health::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"),
    };
    plain_text(status, text)
}
