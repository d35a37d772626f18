//! Runs one torrent in a process of its own: no index, no library, no other downloads.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fresh_peer_id::fresh_peer_id;
use super::session::{TorrentConfig, TorrentSession};
use super::torrent_spec::TorrentSpec;
use crate::bittorrent::{Wires, WiresConfig};
use crate::listener::PeerListener;
use crate::transfer::queue::DownloadQueue;
use crate::transfer::scheduler::SlotLoad;
use crate::transport::{Transport, TransportConfig};
use crate::view::{DownloadId, DownloadView, Priority};

/// Time limit for stopping, including the last announce to trackers.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// A torrent that runs without a node.
#[derive(Debug)]
pub(crate) struct StandaloneTorrent {
    address: SocketAddr,
    view: watch::Receiver<DownloadView>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl StandaloneTorrent {
    /// Starts a torrent that accepts peers on `listener`.
    pub(crate) fn start(
        spec: TorrentSpec,
        listener: TcpListener,
        limits: TransportConfig,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let transport = Transport::new(limits, &tracker, cancel.clone());
        let wires = Wires::new(WiresConfig {
            peer_id: fresh_peer_id(),
            transport: transport.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        });
        let peer_listener = PeerListener {
            transport: transport.clone(),
            links: None,
            wires: wires.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        };
        tracker.spawn(peer_listener.run(listener));
        let id = DownloadId(1);
        let config =
            TorrentConfig { wires, transport, port: address.port(), bridge: None, tracker: tracker.clone() };
        let (session, view) = TorrentSession::new(id, spec, config, cancel.clone());
        let slot = DownloadQueue::new(1).join(id, Priority::Normal, SlotLoad::Full, false);
        tracker.spawn(async move {
            session.run(slot).await;
        });
        Ok(Self { address, view, tracker, cancel })
    }

    /// Returns the address that accepts peers.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the view of the transfer.
    pub(crate) const fn view(&mut self) -> &mut watch::Receiver<DownloadView> {
        &mut self.view
    }

    /// Stops the torrent and its connections gracefully.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("torrent stopped before all its tasks ended");
        }
    }
}
