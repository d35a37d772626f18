//! Accepts uTP connections (BEP 29) at the UDP port with the number of the TCP port.
//!
//! Many clients try uTP first, and Transmission 3.00 waits for minutes after a failure before it dials again. A
//! [`PeerStream`] is a TCP socket (`sendfile`, `TCP_INFO`), so each uTP connection is relayed through a pair of them. Outgoing
//! connections use only TCP.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use librqbit_utp::{SocketOpts, UtpSocketUdp, UtpSocketUdpOpts, UtpStream};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::PeerListener;
use crate::transport::{AdmissionPermit, PeerStream};

/// Maximum number of uTP connections. It is low because the source address of a request can be forged.
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(128).expect("not 0");

/// Maximum number of buffered bytes per connection and direction: 100 Mbit/s at a round-trip time of 40 ms.
const BUFFER_SIZE: NonZeroUsize = NonZeroUsize::new(512 << 10).expect("not 0");

/// Maximum time without data. Keep-alives come every two minutes, and the dialect has its own timeout.
const INACTIVITY_TIMEOUT: Duration = Duration::from_mins(5);

impl PeerListener {
    /// Accepts uTP connections until the node is stopped. Returns if the port cannot be bound, after logging that.
    pub(super) async fn accept_utp(self, listener: SocketAddr) {
        match bind(listener, self.cancel.clone()).await {
            Ok(socket) => self.accept_from(socket).await,
            Err(error) => tracing::info!(%listener, %error, "cannot bind the uTP port"),
        }
    }

    async fn accept_from(self, socket: Arc<UtpSocketUdp>) {
        while let Some(accepted) = self.cancel.run_until_cancelled(socket.accept()).await {
            let Ok(stream) = accepted else {
                tracing::warn!("uTP socket closed");
                return;
            };
            let remote = stream.remote_addr();
            let from = SocketAddr::new(remote.ip().to_canonical(), remote.port());
            let Some(permit) = self.transport.admission().admit_or_log(from) else { continue };
            let (cancel, relayed) = (self.cancel.clone(), Box::pin(self.clone().relay(stream, from, permit)));
            self.tracker.spawn(async move {
                if let Some(Err(error)) = cancel.run_until_cancelled_owned(relayed).await {
                    tracing::debug!(%from, %error, "uTP connection not relayed");
                }
            });
        }
    }

    /// Handles a connection as if it came over TCP. Returns when either side has closed it.
    async fn relay(self, stream: UtpStream, from: SocketAddr, permit: AdmissionPermit) -> io::Result<()> {
        tracing::debug!(%from, "uTP connection accepted");
        let (local, (mut receiver, mut sender)) = PeerStream::relayed(BUFFER_SIZE.get()).await?;
        let (mut from_peer, mut to_peer) = stream.split();
        let inbound = async {
            let copied = tokio::io::copy(&mut from_peer, &mut sender).await;
            tracing::debug!(%from, ?copied, "uTP peer closed the connection");
            let _ = sender.shutdown().await;
            // The handler then reads the end of the stream and closes its socket, which ends the other direction.
            std::future::pending::<()>().await;
        };
        let outbound = async {
            tokio::io::copy(&mut receiver, &mut to_peer).await?;
            to_peer.shutdown().await
        };
        let handling = async {
            self.handle_connection(local, from, permit).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = outbound => ended,
            () = inbound => Ok(()),
            () = handling => Ok(()),
        }
    }
}

async fn bind(address: SocketAddr, cancel: CancellationToken) -> librqbit_utp::Result<Arc<UtpSocketUdp>> {
    let options = SocketOpts {
        vsock_rx_bufsize_bytes: Some(BUFFER_SIZE),
        vsock_tx_bufsize_bytes_max: Some(BUFFER_SIZE),
        remote_inactivity_timeout: Some(INACTIVITY_TIMEOUT),
        max_live_vsocks: Some(MAX_CONNECTIONS),
        // Small messages must not wait for more data.
        disable_nagle: true,
        cancellation_token: cancel,
        ..SocketOpts::default()
    };
    UtpSocketUdp::new_udp_with_opts(address, options, UtpSocketUdpOpts::default()).await
}
