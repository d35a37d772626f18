//! Connections of clients: accepted within bounds, served for a while, ended in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::{Instrument, debug, info_span, warn};

use super::Tracker;
use super::http::answer;
use crate::server::{ACCEPT_PAUSE, Admission, Service, canonical, prepare};

/// The most bytes of a request, and of those behind it that are read with it.
const BUFFER: usize = 16 << 10;

/// The most headers of a request.
const HEADERS: usize = 64;

/// How long the last answer of a connection may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves clients until it is dropped; the connections end with the service.
pub(crate) async fn serve(listener: TcpListener, service: &Arc<Service>) {
    let limits = &service.limits.tracker;
    let tracker = Arc::new(Tracker::new(service.directory.clone(), limits.clone()));
    let admission = Admission::new(limits.connections, limits.connections_per_address);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "tracker cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = canonical(from);
        // Who is not let in, or is gone already, is merely closed: clients come again by themselves.
        let Some(permit) = admission.admit(from.ip()) else { continue };
        if prepare(&stream).is_err() {
            continue;
        }
        let (tracker, shared) = (Arc::clone(&tracker), Arc::clone(service));
        let connection = async move {
            tokio::select! {
                () = attend(stream, from, tracker, &shared) => {}
                () = shared.drop.cancelled() => {}
            }
            drop(permit);
        };
        service.tasks.spawn(connection.instrument(info_span!("tracker client", %from)));
    }
}

/// Serves one connection. It ends when the client ends it, begins a request and does not finish it in time, has been
/// here for long enough, or when the index stops.
async fn attend(stream: TcpStream, from: SocketAddr, tracker: Arc<Tracker>, service: &Service) {
    let limits = tracker.limits.clone();
    let respond = service_fn(move |request| {
        let response = answer(&tracker, from, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.request);
    builder.max_buf_size(BUFFER).max_headers(HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(limits.connection) => None,
        () = service.stop.cancelled() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        // One that takes no answers is dropped.
        timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        debug!(%error, "connection closed");
    }
}
