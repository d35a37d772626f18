//! What a node does beyond sharing: connections of both dialects, the index, downloads.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NodeOptions;
use crate::bittorrent::{Wires, WiresConfig};
use crate::download::{Downloads, DownloadsConfig, FolderSyncs, PartFolders, Reservations};
use crate::finder::Finder;
use crate::front_door::FrontDoor;
use crate::identity::Identity;
use crate::index_client::{IndexClient, IndexConfig, NodeShares, ProbeKey};
use crate::lan::{Neighbours, NeighboursConfig, Settings};
use crate::library::Library;
use crate::native::{Links, LinksConfig};
use crate::partials::Partials;
use crate::source_address::SourceAddress;
use crate::state_dir::StateDir;
use crate::torrent::offers::{Offers, OffersConfig};
use crate::torrent::{Bridge, TorrentConfig, fresh_peer_id};
use crate::transport::Transport;

/// What the services stand on.
#[derive(Debug, Clone)]
pub(super) struct Ground {
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
    pub(super) offers: Offers,
}

impl Services {
    /// Starts them all; from then on peers are accepted.
    pub(super) async fn start(options: NodeOptions, listener: TcpListener, ground: Ground) -> Self {
        let transport = Transport::new(options.bounds(), &ground.tracker, ground.cancel.clone());
        let (probe_key, partials) = (ProbeKey::default(), Partials::default());
        let links = ground.links(&transport, &partials, (&probe_key, options.finds_neighbours));
        let wires = Wires::new(WiresConfig {
            peer_id: fresh_peer_id(),
            transport: transport.clone(),
            tracker: ground.tracker.clone(),
            cancel: ground.cancel.clone(),
        });
        let door = FrontDoor {
            transport: transport.clone(),
            links: Some(links.clone()),
            wires: wires.clone(),
            tracker: ground.tracker.clone(),
            cancel: ground.cancel.clone(),
        };
        ground.tracker.spawn(door.keep(listener));
        let index = ground.index(options.index, &partials, probe_key);
        let neighbours = options.finds_neighbours.then(|| ground.neighbours(options.lan, &links));
        let finder = Finder::new(index.clone(), neighbours.clone());
        let folders = ground.part_folders();
        let config = DownloadsConfig {
            root: ground.share_dir.clone(),
            list: ground.state.downloads(),
            max_active: options.max_active_downloads,
            transport: transport.clone(),
            links: links.clone(),
            index: index.clone(),
            finder: finder.clone(),
            library: ground.library.clone(),
            partials,
            torrents: TorrentConfig {
                wires: wires.clone(),
                transport: transport.clone(),
                port: ground.address.port(),
                bridge: Some(Bridge {
                    links: links.clone(),
                    finder: finder.clone(),
                    library: ground.library.clone(),
                }),
                tracker: ground.tracker.clone(),
            },
            torrent_dir: ground.state.torrents(),
            folder_syncs: FolderSyncs::default(),
            folders,
            reservations: Reservations::default(),
            tracker: ground.tracker.clone(),
            cancel: ground.cancel.clone(),
        };
        let downloads = Downloads::open(config).await;
        ground.tracker.spawn(downloads.clone().keep_listed(ground.state.health()));
        let offers = ground.offers(&index, &downloads, &wires);
        Self { index, finder, neighbours, transport, links, wires, downloads, offers }
    }
}

impl Ground {
    fn part_folders(&self) -> PartFolders {
        let (own, list) = (self.state.partials(), self.state.partial_folders());
        PartFolders::open(self.share_dir.clone(), own, list, self.identity.node_id())
    }

    fn neighbours(&self, settings: Settings, links: &Links) -> Neighbours {
        let config = NeighboursConfig {
            settings,
            node: self.identity.node_id(),
            port: self.address.port(),
            library: self.library.clone(),
            links: links.clone(),
        };
        Neighbours::start(config, &self.tracker, &self.cancel)
    }

    fn links(
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

    fn offers(&self, index: &IndexClient, downloads: &Downloads, wires: &Wires) -> Offers {
        let offers = Offers::new(OffersConfig {
            folder: self.state.torrents().join("offered"),
            library: self.library.clone(),
            index: index.clone(),
            downloads: downloads.clone(),
            wires: wires.clone(),
            tracker: self.tracker.clone(),
            cancel: self.cancel.clone(),
        });
        wires.set_resolver(Arc::new(offers.clone()));
        let (recalled, cancel) = (offers.clone().recall(), self.cancel.clone());
        self.tracker.spawn(async move {
            cancel.run_until_cancelled(recalled).await;
        });
        offers
    }

    fn index(&self, address: String, partials: &Partials, probe_key: ProbeKey) -> IndexClient {
        let agent = concat!("peer-node/", env!("CARGO_PKG_VERSION")).to_owned();
        let source = SourceAddress::of_listener(self.address.ip());
        let config = IndexConfig { address, source, port: self.address.port(), agent };
        let shares = NodeShares { library: self.library.clone(), partials: partials.clone() };
        let identity = Arc::clone(&self.identity);
        IndexClient::start(config, identity, shares, probe_key, &self.tracker, self.cancel.clone())
    }
}
