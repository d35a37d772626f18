use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use protocol::lan::{Card, LanAnnouncement, ReplyFormat};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::socket::broadcast_targets;
use super::{AnnounceTrigger, ChunkFolder, LanEvent, LanSettings};

/// Maximum number of announced chunks.
const MAX_CHUNKS: usize = 4096;

/// Delay between two datagrams, which respects the receivers' rate limit.
const DATAGRAM_INTERVAL: Duration = Duration::from_millis(25);

/// Announces the current chunks of a folder periodically. Runs until the future is dropped.
pub(crate) async fn announce(
    socket: UdpSocket,
    folder: Arc<ChunkFolder>,
    settings: LanSettings,
    trigger: AnnounceTrigger,
    events: mpsc::Sender<LanEvent>,
) {
    let (mut failing, mut announced) = (HashSet::new(), 0);
    loop {
        let announcement = collect_chunks(&folder, &settings, &events).await;
        let (chunks, to) = (announcement.chunks.len(), broadcast_targets(&settings));
        if chunks != announced {
            announced = chunks;
            if chunks >= MAX_CHUNKS {
                let _ = events.send(LanEvent::TooManyChunks { announced: chunks }).await;
            }
            let _ =
                events.send(LanEvent::Announcing { chunks, to: to.clone(), period: settings.period }).await;
        }
        if chunks > 0 {
            for datagram in announcement.datagrams() {
                for target in &to {
                    send_datagram(&socket, &datagram, *target, &mut failing, &events).await;
                }
                tokio::time::sleep(DATAGRAM_INTERVAL).await;
            }
        }
        let _ = tokio::time::timeout(settings.period, trigger.notified()).await;
    }
}

/// Collects the chunks of the folder with their digests.
async fn collect_chunks(
    folder: &Arc<ChunkFolder>,
    settings: &LanSettings,
    events: &mpsc::Sender<LanEvent>,
) -> LanAnnouncement {
    let folder = Arc::clone(folder);
    let gathered = tokio::task::spawn_blocking(move || {
        let mut digests = BTreeMap::new();
        for chunk in folder.chunks(MAX_CHUNKS)? {
            // Skips chunks that have disappeared or cannot be read.
            if let Ok(Some(digest)) = folder.digest(&chunk) {
                digests.insert(chunk, digest);
            }
        }
        Ok::<_, std::io::Error>(digests)
    });
    let digests = match gathered.await {
        Ok(Ok(digests)) => digests,
        Ok(Err(error)) => {
            let _ = events.send(LanEvent::Failed { what: format!("cannot list the chunks: {error}") }).await;
            BTreeMap::new()
        }
        Err(_) => BTreeMap::new(),
    };
    let chunks = digests.keys().cloned().collect();
    let username =
        (settings.reply_format == ReplyFormat::Json).then(|| format!("peerdex-{}", settings.cookie));
    LanAnnouncement { chunks, card: Some(Card { digests, ..Card::of(settings.cookie) }), username }
}

/// Sends a datagram. A failure is reported once until sending succeeds again.
async fn send_datagram(
    socket: &UdpSocket,
    datagram: &[u8],
    to: SocketAddrV4,
    failing: &mut HashSet<SocketAddrV4>,
    events: &mpsc::Sender<LanEvent>,
) {
    match socket.send_to(datagram, to).await {
        Ok(_) => drop(failing.remove(&to)),
        Err(error) => {
            if failing.insert(to) {
                let _ = events.send(LanEvent::AnnounceFailed { to, error }).await;
            }
        }
    }
}
