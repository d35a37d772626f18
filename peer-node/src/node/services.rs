//! The services that a node runs besides its library: connections in both dialects, the index client, downloads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NodeOptions;
use crate::bittorrent::{Wires, WiresConfig};
use crate::discovery::finder::Finder;
use crate::discovery::index_client::{IndexClient, IndexConfig, NodeShares};
use crate::discovery::neighbours::{Neighbours, NeighboursConfig};
use crate::download::{Downloads, DownloadsConfig, FolderSyncer, NameReservations, PartFolders};
use crate::identity::Identity;
use crate::lan::LanSettings;
use crate::library::Library;
use crate::listener::PeerListener;
use crate::native::ProbeKey;
use crate::native::partials::Partials;
use crate::native::{Links, LinksConfig};
use crate::shared_torrents::{SharedTorrents, SharedTorrentsConfig};
use crate::source_address::SourceAddress;
use crate::state_dir::StateDir;
use crate::torrent::{NativeBridge, TorrentConfig, fresh_peer_id};
use crate::transport::Transport;

/// What the services need from the node.
#[derive(Debug, Clone)]
pub(super) struct NodeContext {
    pub(super) address: SocketAddr,
    pub(super) share_dir: PathBuf,
    pub(super) identity: Arc<Identity>,
    pub(super) state: Arc<StateDir>,
    pub(super) library: Library,
    pub(super) tracker: TaskTracker,
    pub(super) cancel: CancellationToken,
}

/// The services of a node.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) index: IndexClient,
    pub(super) finder: Finder,
    pub(super) neighbours: Option<Neighbours>,
    pub(super) transport: Transport,
    pub(super) links: Links,
    pub(super) wires: Wires,
    pub(super) downloads: Downloads,
    pub(super) shared_torrents: SharedTorrents,
}

impl Services {
    /// Starts all services. From then on the node accepts peers.
    pub(super) async fn start(options: NodeOptions, listener: TcpListener, context: NodeContext) -> Self {
        let transport = Transport::new(options.transport_config(), &context.tracker, context.cancel.clone());
        let (probe_key, partials) = (ProbeKey::default(), Partials::default());
        let links = context.start_links(&transport, &partials, (&probe_key, options.finds_neighbours));
        let wires = Wires::new(WiresConfig {
            peer_id: fresh_peer_id(),
            transport: transport.clone(),
            tracker: context.tracker.clone(),
            cancel: context.cancel.clone(),
        });
        let peer_listener = PeerListener {
            transport: transport.clone(),
            links: Some(links.clone()),
            wires: wires.clone(),
            tracker: context.tracker.clone(),
            cancel: context.cancel.clone(),
        };
        context.tracker.spawn(peer_listener.run(listener));
        let index = context.start_index_client(options.index, &partials, probe_key);
        let neighbours = options.finds_neighbours.then(|| context.start_neighbours(options.lan, &links));
        let finder = Finder::new(index.clone(), neighbours.clone());
        let folders = context.part_folders();
        let config = DownloadsConfig {
            root: context.share_dir.clone(),
            list_file: context.state.downloads(),
            max_active: options.max_active_downloads,
            transport: transport.clone(),
            links: links.clone(),
            index: index.clone(),
            finder: finder.clone(),
            library: context.library.clone(),
            partials,
            torrents: TorrentConfig {
                wires: wires.clone(),
                transport: transport.clone(),
                port: context.address.port(),
                bridge: Some(NativeBridge {
                    links: links.clone(),
                    finder: finder.clone(),
                    library: context.library.clone(),
                }),
                tracker: context.tracker.clone(),
            },
            torrent_dir: context.state.torrents(),
            folder_syncer: FolderSyncer::default(),
            part_folders: folders,
            reservations: NameReservations::default(),
            tracker: context.tracker.clone(),
            cancel: context.cancel.clone(),
        };
        let downloads = Downloads::open(config).await;
        context.tracker.spawn(downloads.clone().rewrite_lost_list(context.state.health()));
        let offers = context.start_shared_torrents(&index, &downloads, &wires);
        Self { index, finder, neighbours, transport, links, wires, downloads, shared_torrents: offers }
    }
}

impl NodeContext {
    fn part_folders(&self) -> PartFolders {
        let (own, list) = (self.state.partials(), self.state.partial_folders());
        PartFolders::open(self.share_dir.clone(), own, list, self.identity.node_id())
    }

    fn start_neighbours(&self, settings: LanSettings, links: &Links) -> Neighbours {
        let config = NeighboursConfig {
            settings,
            node: self.identity.node_id(),
            port: self.address.port(),
            library: self.library.clone(),
            links: links.clone(),
        };
        Neighbours::start(config, &self.tracker, &self.cancel)
    }

    fn start_links(
        &self,
        transport: &Transport,
        partials: &Partials,
        (probe_key, is_searchable): (&ProbeKey, bool),
    ) -> Links {
        Links::new(LinksConfig {
            node: self.identity.node_id(),
            port: self.address.port(),
            library: self.library.clone(),
            partials: partials.clone(),
            is_searchable,
            probe_key: probe_key.clone(),
            transport: transport.clone(),
            tracker: self.tracker.clone(),
            cancel: self.cancel.clone(),
        })
    }

    fn start_shared_torrents(
        &self,
        index: &IndexClient,
        downloads: &Downloads,
        wires: &Wires,
    ) -> SharedTorrents {
        let offers = SharedTorrents::new(SharedTorrentsConfig {
            folder: self.state.torrents().join("offered"),
            library: self.library.clone(),
            index: index.clone(),
            downloads: downloads.clone(),
            wires: wires.clone(),
            tracker: self.tracker.clone(),
            cancel: self.cancel.clone(),
        });
        wires.set_resolver(Arc::new(offers.clone()));
        let (recalled, cancel) = (offers.clone().restore(), self.cancel.clone());
        self.tracker.spawn(async move {
            cancel.run_until_cancelled(recalled).await;
        });
        offers
    }

    fn start_index_client(&self, address: String, partials: &Partials, probe_key: ProbeKey) -> IndexClient {
        let agent = concat!("peer-node/", env!("CARGO_PKG_VERSION")).to_owned();
        let source = SourceAddress::from_listener(self.address.ip());
        let config = IndexConfig { address, source, port: self.address.port(), agent };
        let shares = NodeShares { library: self.library.clone(), partials: partials.clone() };
        let identity = Arc::clone(&self.identity);
        IndexClient::start(config, identity, shares, probe_key, &self.tracker, self.cancel.clone())
    }
}
