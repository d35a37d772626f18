//! A bounded HTTP server: accepts connections, limits their lifetime and shuts them down. The [tracker](crate::tracker) and the
//! [metrics](crate::metrics) provide the responses.

mod slots;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::address_group::address_group;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info_span, warn};

use crate::limits::HttpLimits;
use crate::net::ACCEPT_RETRY_DELAY;
use crate::net::socket::{canonical, configure};
use slots::{ConnectionSlot, ConnectionSlots};

/// Maximum buffer per connection in bytes: a request and pipelined ones behind it.
const MAX_BUFFER_LEN: usize = 16 << 10;

/// Maximum number of headers per request.
const MAX_HEADERS: usize = 64;

/// Maximum time for the last response of a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoints {
    /// The client's address.
    pub(crate) client: SocketAddr,
    /// The local address to which the client connected.
    pub(crate) local: SocketAddr,
}

/// Called for each evicted connection.
pub(crate) type EvictionHook = Arc<dyn Fn() + Send + Sync>;

/// The configuration of an HTTP service.
#[derive(Clone)]
pub(crate) struct HttpServerConfig {
    /// The name of the service in the log.
    pub(crate) name: &'static str,
    pub(crate) limits: HttpLimits,
    /// Counts evicted connections.
    pub(crate) on_eviction: EvictionHook,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the connections are to end gracefully.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the remaining connections are to be dropped.
    pub(crate) drop: CancellationToken,
}

/// Accepts and serves connections until dropped; the connections are tasks of their own and end as `config` says.
pub(crate) async fn serve<A>(listener: TcpListener, config: HttpServerConfig, answer: A)
where
    A: Fn(Endpoints, &Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let name = config.name;
    let slots = ConnectionSlots::new(&config.limits);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(service = name, %error, "cannot accept a connection");
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let from = canonical(from);
        // A client that has already disconnected is merely closed.
        let (Ok(()), Ok(to)) = (configure(&stream), stream.local_addr()) else { continue };
        let (slot, has_evicted) = slots.acquire(address_group(from.ip()));
        if has_evicted {
            (config.on_eviction)();
        }
        let (ends, answer, config) =
            (Endpoints { client: from, local: canonical(to) }, answer.clone(), config.clone());
        let span = info_span!("http client", service = name, %from);
        config.tasks.clone().spawn(
            async move {
                tokio::select! {
                    () = serve_connection(stream, |request| answer(ends, request), &slot, &config) => {}
                    () = slot.evicted() => debug!("connection evicted for a new one"),
                    () = config.drop.cancelled() => {}
                }
            }
            .instrument(span),
        );
    }
}

/// Serves one connection. It ends when the client closes it, does not complete a request in time, has reached its maximum
/// lifetime, or when the service stops.
async fn serve_connection<A>(stream: TcpStream, answer: A, slot: &ConnectionSlot, config: &HttpServerConfig)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
{
    let limits = &config.limits;
    let respond = service_fn(|request| {
        slot.touch();
        let response = answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.request_timeout);
    builder.max_buf_size(MAX_BUFFER_LEN).max_headers(MAX_HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(limits.connection_lifetime) => None,
        () = config.stop.cancelled() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        // A client that does not accept the last response is dropped.
        timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        debug!(%error, "connection closed");
    }
}

/// Returns a plain-text response.
pub(crate) fn plain_text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Marks a response to close the connection, so that further input is not read.
pub(crate) fn with_connection_close(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
