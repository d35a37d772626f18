//! A whole node: its folder, its library, its connections, put together and taken apart in order.

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

use crate::download::Downloads;
use crate::finder::Finder;
use crate::identity::{ExposedKeyPolicy, Identity, IdentityError};
use crate::index_client::IndexClient;
use crate::lan::{LanSettings, Neighbours};
use crate::library::{Library, LibraryError};
use crate::shared_torrents::SharedTorrents;
use crate::source_address::SourceAddress;
use crate::state_dir::{self, StateDir};
use crate::throttle::Throttle;
use crate::transport::{AddressLimits, TransferTotals, TransportConfig};
use crate::view::UploadView;
use services::{NodeContext, Services};

/// How long the parts of a node may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The port on which it accepts peers; 0 for any that is free.
    pub port: u16,
    /// The index, as `host:port`.
    pub index: String,
    /// The address on which it accepts peers.
    pub listen_host: IpAddr,
    /// How many downloads may fetch at once.
    pub max_active_downloads: usize,
    /// How many bytes a second all peers together may be sent; none for no limit.
    pub max_upload_rate: Option<NonZeroU64>,
    /// How many bytes a second may be fetched from all peers together.
    pub max_download_rate: Option<NonZeroU64>,
    /// How many peers are served at once, besides one in turn.
    pub upload_slots: usize,
    /// How many connections to other peers there may be, whoever opens them.
    pub max_connections: usize,
    /// What the connections of one address may have together.
    pub per_address: AddressLimits,
    /// How nodes of the local network are found, or would be.
    pub(crate) lan: LanSettings,
    /// Whether they are to be found.
    pub finds_neighbours: bool,
    /// Patterns in the syntax of `.gitignore` that leave files out of everything that is shared.
    pub exclude: Vec<String>,
    /// Whether a key may be used that other users of this machine can read.
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

/// A node that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeStartError {
    /// Its identity cannot be read or made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What it shares cannot be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}; choose another port or address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A running node.
#[derive(Debug)]
pub struct Node {
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
    /// Starts a node in a folder that was opened; it goes on by itself whether there is an index or not.
    pub async fn start(options: NodeOptions, state: StateDir) -> Result<Self, NodeStartError> {
        let wanted = SocketAddr::new(options.listen_host, options.port);
        let failed = |source| NodeStartError::Listen { address: wanted, source };
        let state = Arc::new(state);
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
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

    /// Returns where the node accepts peers.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns who the node is.
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id()
    }

    /// Returns the folder whose files it shares, an absolute path.
    pub fn share_dir(&self) -> &Path {
        &self.share_dir
    }

    /// Returns where the node keeps what is its own.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Returns what it shares.
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// Returns its connection to the index.
    pub const fn index(&self) -> &IndexClient {
        &self.services.index
    }

    /// Returns what asks everybody who may know of a content.
    pub const fn finder(&self) -> &Finder {
        &self.services.finder
    }

    /// Returns how nodes of the local network are found, or would be.
    pub(crate) const fn lan_settings(&self) -> &LanSettings {
        &self.lan
    }

    /// Returns the nodes that are heard on the local network, if they are listened for.
    pub(crate) const fn neighbours(&self) -> Option<&Neighbours> {
        self.services.neighbours.as_ref()
    }

    /// Returns its downloads.
    pub const fn downloads(&self) -> &Downloads {
        &self.services.downloads
    }

    /// Returns the torrents of its files.
    pub const fn shared_torrents(&self) -> &SharedTorrents {
        &self.services.shared_torrents
    }

    /// Returns what others fetch from it.
    pub fn uploads(&self) -> Vec<UploadView> {
        self.services.transport.uploads().views()
    }

    /// Returns the limit on what is sent, which may be changed at any time.
    pub fn upload_limit(&self) -> &Throttle {
        self.services.transport.upload_limit()
    }

    /// Returns the limit on what is fetched, which may be changed at any time.
    pub fn download_limit(&self) -> &Throttle {
        self.services.transport.download_limit()
    }

    /// Returns what it has sent and received since it was started.
    pub fn totals(&self) -> TransferTotals {
        let Services { transport, links, wires, .. } = &self.services;
        transport.uploads().totals(links.connected() + wires.total_connections())
    }

    /// Stops everything in order: downloads note what they have, connections are closed.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("node stopped before all its tasks had ended");
        }
        tracing::info!("node stopped");
    }
}
