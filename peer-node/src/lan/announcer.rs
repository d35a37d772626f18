use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{Announcement, Card, Variant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::socket::targets;
use super::{Bell, ChunkFolder, News, Settings};

/// The most chunks that are announced.
const MAX_CHUNKS: usize = 4096;

/// The pause between two datagrams: a receiver lets so many in and no more.
const PAUSE: Duration = Duration::from_millis(25);

/// Announces the chunks of a folder, whatever lies in it at the moment, until the future is dropped.
pub(crate) async fn announce(
    socket: UdpSocket,
    folder: Arc<ChunkFolder>,
    settings: Settings,
    bell: Bell,
    news: mpsc::Sender<News>,
) {
    let (mut failing, mut told) = (HashSet::new(), 0);
    loop {
        let announcement = gather(&folder, &settings, &news).await;
        let (chunks, to) = (announcement.chunks.len(), targets(&settings));
        if chunks != told {
            told = chunks;
            if chunks >= MAX_CHUNKS {
                let _ = news.send(News::TooMany { announced: chunks }).await;
            }
            let _ = news.send(News::Announcing { chunks, to: to.clone(), period: settings.period }).await;
        }
        if chunks > 0 {
            for datagram in announcement.datagrams() {
                for target in &to {
                    send(&socket, &datagram, *target, &mut failing, &news).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        let _ = tokio::time::timeout(settings.period, bell.notified()).await;
    }
}

/// Collects the chunks that are there, each with its digest.
async fn gather(folder: &Arc<ChunkFolder>, settings: &Settings, news: &mpsc::Sender<News>) -> Announcement {
    let folder = Arc::clone(folder);
    let gathered = tokio::task::spawn_blocking(move || {
        let mut digests = BTreeMap::new();
        for chunk in folder.chunks(MAX_CHUNKS)? {
            // One that is gone meanwhile, or cannot be read, is not announced.
            if let Ok(Some(digest)) = folder.digest(&chunk) {
                digests.insert(chunk, digest);
            }
        }
        Ok::<_, std::io::Error>(digests)
    });
    let digests = match gathered.await {
        Ok(Ok(digests)) => digests,
        Ok(Err(error)) => {
            let _ = news.send(News::Trouble { what: format!("the chunks cannot be listed: {error}") }).await;
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    };
    let chunks = digests.keys().cloned().collect();
    let username = (settings.variant == Variant::Json).then(|| format!("peerdex-{}", settings.cookie));
    Announcement { chunks, card: Some(Card { digests, ..Card::of(settings.cookie) }), username }
}

/// Sends a datagram; that it cannot be sent is told once until it can be again.
async fn send(
    socket: &UdpSocket,
    datagram: &[u8],
    to: SocketAddrV4,
    failing: &mut HashSet<SocketAddrV4>,
    news: &mpsc::Sender<News>,
) {
    match socket.send_to(datagram, to).await {
        Ok(_) => drop(failing.remove(&to)),
        Err(error) => {
            if failing.insert(to) {
                let _ = news.send(News::NotSent { to, error }).await;
            }
        }
    }
}
