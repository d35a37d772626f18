//! A complete node: starts its folder, library, connections and services, and stops them in order.

mod services;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::node_id::NodeId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::discovery::finder::Finder;
use crate::discovery::index_client::IndexClient;
use crate::discovery::neighbours::Neighbours;
use crate::download::Downloads;
use crate::identity::{ExposedKeyPolicy, Identity, IdentityError};
use crate::lan::LanSettings;
use crate::library::{Library, LibraryError};
use crate::shared_torrents::SharedTorrents;
use crate::source_address::SourceAddress;
use crate::state_dir::{self, StateDir};
use crate::throttle::Throttle;
use crate::transport::{AddressLimits, TransferTotals, TransportConfig};
use crate::view::UploadView;
use services::{NodeContext, Services};

/// How long the tasks of a node may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// Settings of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    /// Port on which the node accepts peers; 0 for any free port.
    pub port: u16,
    /// The index server, as `host:port`.
    pub index: String,
    /// Address on which the node accepts peers.
    pub listen_host: IpAddr,
    /// Maximum number of simultaneously active downloads.
    pub max_active_downloads: usize,
    /// Maximum total upload rate in bytes/s; `None` for unlimited.
    pub max_upload_rate: Option<NonZeroU64>,
    /// Maximum total download rate in bytes/s; `None` for unlimited.
    pub max_download_rate: Option<NonZeroU64>,
    /// Number of peers that are served at once, not counting the optimistic unchoke.
    pub upload_slots: usize,
    /// Maximum number of peer connections, incoming and outgoing.
    pub max_connections: usize,
    /// Limits per peer address.
    pub per_address: AddressLimits,
    /// Settings of the LAN discovery, used if it is enabled.
    pub(crate) lan: LanSettings,
    /// Whether LAN discovery is enabled.
    pub finds_neighbours: bool,
    /// Patterns in `.gitignore` syntax for files that are never shared.
    pub exclude: Vec<String>,
    /// Whether a key that other users of this machine can read is accepted.
    pub exposed_key: ExposedKeyPolicy,
}

impl NodeOptions {
    fn transport_config(&self) -> TransportConfig {
        TransportConfig {
            upload_slots: self.upload_slots,
            max_connections: self.max_connections,
            per_address: self.per_address,
            upload: Throttle::new(self.max_upload_rate, None),
            download: Throttle::new(self.max_download_rate, None),
            source_address: SourceAddress::from_listener(self.listen_host),
        }
    }
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeStartError {
    /// The identity cannot be read or created.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The library cannot be opened.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The listener cannot be opened.
    #[error("cannot listen on {address}: {source}; choose another port or address")]
    Listen {
        /// Address and port of the listener.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    address: SocketAddr,
    share_dir: PathBuf,
    identity: Arc<Identity>,
    state: Arc<StateDir>,
    library: Library,
    lan: LanSettings,
    services: Services,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Node {
    /// Starts a node in an opened state folder. The node runs with or without a connection to the index.
    pub(crate) async fn start(options: NodeOptions, state: StateDir) -> Result<Self, NodeStartError> {
        let listen = SocketAddr::new(options.listen_host, options.port);
        let failed = |source| NodeStartError::Listen { address: listen, source };
        let state = Arc::new(state);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let identity = Arc::new(Identity::load_or_create(&state.identity_key(), options.exposed_key)?);
        let share_dir =
            std::fs::canonicalize(state.share_dir()).unwrap_or_else(|_| state.share_dir().to_owned());
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let (root, patterns) = (share_dir.clone(), options.exclude.clone());
        let library = Library::open(Arc::clone(&state), root, patterns, &tracker, cancel.clone()).await?;
        tracker.spawn(state_dir::run_watchdog(Arc::clone(&state), Arc::clone(&identity), cancel.clone()));
        let context = NodeContext {
            address,
            share_dir: share_dir.clone(),
            identity: Arc::clone(&identity),
            state: Arc::clone(&state),
            library: library.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        };
        let lan = options.lan.clone();
        let services = Services::start(options, listener, context).await;
        tracing::info!(%address, node = %identity.node_id(), folder = %share_dir.display(), "node started");
        Ok(Self { address, share_dir, identity, state, library, lan, services, tracker, cancel })
    }

    /// Returns the address at which the node accepts peers.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the node's id.
    pub(crate) fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Returns the share folder, an absolute path.
    pub(crate) fn share_dir(&self) -> &Path {
        &self.share_dir
    }

    /// Returns the state folder.
    pub(crate) fn state(&self) -> &StateDir {
        &self.state
    }

    /// Returns the library.
    pub(crate) const fn library(&self) -> &Library {
        &self.library
    }

    /// Returns the index client.
    pub(crate) const fn index(&self) -> &IndexClient {
        &self.services.index
    }

    /// Returns the finder, which searches the index and the local network for sources.
    pub(crate) const fn finder(&self) -> &Finder {
        &self.services.finder
    }

    /// Returns the settings of the LAN discovery, which may be disabled.
    pub(crate) const fn lan_settings(&self) -> &LanSettings {
        &self.lan
    }

    /// Returns the nodes on the local network; `None` if LAN discovery is disabled.
    pub(crate) const fn neighbours(&self) -> Option<&Neighbours> {
        self.services.neighbours.as_ref()
    }

    /// Returns the downloads.
    pub(crate) const fn downloads(&self) -> &Downloads {
        &self.services.downloads
    }

    /// Returns the torrents created from shared files.
    pub(crate) const fn shared_torrents(&self) -> &SharedTorrents {
        &self.services.shared_torrents
    }

    /// Returns the current uploads.
    pub(crate) fn uploads(&self) -> Vec<UploadView> {
        self.services.transport.uploads().views()
    }

    /// Returns the number of upload slots.
    pub(crate) fn upload_slots(&self) -> usize {
        self.services.transport.slots().count()
    }

    /// Changes the number of upload slots.
    pub(crate) fn set_upload_slots(&self, slots: usize) {
        self.services.transport.slots().set_count(slots);
    }

    /// Returns the upload rate limit, which may be changed at any time.
    pub(crate) fn upload_limit(&self) -> &Throttle {
        self.services.transport.upload_limit()
    }

    /// Returns the download rate limit, which may be changed at any time.
    pub(crate) fn download_limit(&self) -> &Throttle {
        self.services.transport.download_limit()
    }

    /// Returns the total bytes sent and received since the node started.
    pub(crate) fn totals(&self) -> TransferTotals {
        let Services { transport, links, wires, .. } = &self.services;
        transport.uploads().totals(links.connected() + wires.total_connections())
    }

    /// Runs a task until it ends or the node stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            cancel.run_until_cancelled(task).await;
        });
    }

    /// Stops everything in order: downloads record what they have, then connections close.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("node stopped before all its tasks ended");
        }
        tracing::info!("node stopped");
    }
}
