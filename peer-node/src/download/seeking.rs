//! Finding sources: the index is asked, and the nodes that are heard, and whoever they name is dialled.

use std::collections::HashSet;
use std::net::SocketAddr;

use protocol::digest::Digest;
use protocol::limits::MAX_SOURCES;
use protocol::node_id::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::finder::Finder;
use crate::native::{DialError, Link, Links};

/// The most sources dialled at once.
const MAX_DIALS: usize = 8;

/// What a search for sources comes upon.
#[derive(Debug)]
pub(crate) enum Sighting {
    /// So many are known.
    Located(usize),
    /// One is connected.
    Reached(Link),
    /// One could not be connected.
    Unreachable { node: NodeId, address: SocketAddr, error: DialError },
    /// Nobody could be asked.
    IndexTrouble(String),
    /// Everybody was tried.
    Over,
}

/// Looks for sources once; those in `skip` are left alone.
pub(crate) async fn seek(
    finder: Finder,
    links: Links,
    digest: Digest,
    skip: HashSet<NodeId>,
    sightings: mpsc::Sender<Sighting>,
) {
    match finder.locate(digest, MAX_SOURCES).await {
        Ok(sources) => {
            let _ = sightings.send(Sighting::Located(sources.len())).await;
            let mut dials = JoinSet::new();
            for source in sources.into_iter().filter(|source| !skip.contains(&source.node)) {
                if dials.len() >= MAX_DIALS {
                    dials.join_next().await;
                }
                dials.spawn(dial(links.clone(), source.node, source.address, sightings.clone()));
            }
            while dials.join_next().await.is_some() {}
        }
        Err(error) => {
            let _ = sightings.send(Sighting::IndexTrouble(error.to_string())).await;
        }
    }
    let _ = sightings.send(Sighting::Over).await;
}

async fn dial(links: Links, node: NodeId, address: SocketAddr, sightings: mpsc::Sender<Sighting>) {
    let sighting = match links.to(node, address).await {
        Ok(link) => Sighting::Reached(link),
        Err(error) => Sighting::Unreachable { node, address, error },
    };
    let _ = sightings.send(sighting).await;
}
