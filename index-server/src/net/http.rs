//! HTTP connections: accepted within bounds, served for a while, ended in order. What a request is answered is said by
//! who listens: the [tracker](crate::tracker) or the [metrics](crate::metrics).

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

/// The most bytes of a request, and of those behind it that are read with it.
const MAX_BUFFER_LEN: usize = 16 << 10;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

/// How long the last answer of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoints {
    /// Where the client is.
    pub(crate) client: SocketAddr,
    /// Which address of ours it has called.
    pub(crate) local: SocketAddr,
}

/// Counts a connection that is closed to make room for another.
pub(crate) type EvictionHook = Arc<dyn Fn() + Send + Sync>;

/// What connections go by.
#[derive(Clone)]
pub(crate) struct HttpServerConfig {
    /// The name of the service in the log.
    pub(crate) name: &'static str,
    pub(crate) limits: HttpLimits,
    /// Called for each connection that is closed to make room for another.
    pub(crate) on_eviction: EvictionHook,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the connections are to end.
    pub(crate) stop: CancellationToken,
    /// Cancelled when those that have not ended by then are dropped.
    pub(crate) drop: CancellationToken,
}

/// Serves clients until it is dropped; the connections end by their terms.
pub(crate) async fn serve<A>(listener: TcpListener, terms: HttpServerConfig, answer: A)
where
    A: Fn(Endpoints, &Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let name = terms.name;
    let places = ConnectionSlots::new(&terms.limits);
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
        // Who is gone already is merely closed.
        let (Ok(()), Ok(to)) = (configure(&stream), stream.local_addr()) else { continue };
        let (place, has_made_room) = places.acquire(address_group(from.ip()));
        if has_made_room {
            (terms.on_eviction)();
        }
        let (ends, answer, terms) =
            (Endpoints { client: from, local: canonical(to) }, answer.clone(), terms.clone());
        let span = info_span!("http client", service = name, %from);
        terms.tasks.clone().spawn(
            async move {
                tokio::select! {
                    () = serve_connection(stream, |request| answer(ends, request), &place, &terms) => {}
                    () = place.evicted() => debug!("connection closed for a new one"),
                    () = terms.drop.cancelled() => {}
                }
            }
            .instrument(span),
        );
    }
}

/// Serves one connection. It ends when the client ends it, begins a request and does not finish it in time, has been
/// here for long enough, or when the service stops.
async fn serve_connection<A>(stream: TcpStream, answer: A, place: &ConnectionSlot, terms: &HttpServerConfig)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
{
    let limits = &terms.limits;
    let respond = service_fn(|request| {
        place.touch();
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
        () = terms.stop.cancelled() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        // One that takes no answers is dropped.
        timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        debug!(%error, "connection closed");
    }
}

/// Makes a response of plain text.
pub(crate) fn plain_text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Ends the connection behind a response, so that nobody reads what else was sent.
pub(crate) fn with_connection_close(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
