//! The further connections of a link over which the other side sends blocks to us. We open them when it asks for that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use protocol::features::PeerFeatures;
use protocol::frame::FrameBuffer;
use protocol::limits::{MAX_CONNECTIONS_PER_LINK, MAX_FRAME};
use protocol::peer::{ConnectionKey, PeerMessage};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::block_reader::{BlockIntake, BlockReader};
use super::greeting::{self, FEATURES, GreetingError};
use super::link::LinkState;
use super::reader::LinkError;
use crate::source_address::SourceAddress;
use crate::transport::{PathGauge, Ticket, Transport, Tuner};

/// Connections are opened at most this often, whatever the other side asks for.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a further connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How much is read at a time while messages are expected.
const READ: usize = 4 << 10;

/// Opens the further connections of one link.
#[derive(Debug)]
pub(super) struct FurtherReaders {
    pub(super) intake: BlockIntake,
    pub(super) transport: Transport,
    pub(super) tracker: TaskTracker,
    /// When connections were last opened.
    pub(super) opened: Option<Instant>,
}

/// The place of one connection that is open or being opened.
#[derive(Debug)]
struct FurtherPlace {
    state: Arc<LinkState>,
    _ticket: Ticket,
}

impl FurtherReaders {
    /// Returns true if both sides have announced that they know of further connections.
    pub(super) fn are_announced(&self) -> bool {
        let both = PeerFeatures::PARALLEL_CONNECTIONS;
        FEATURES.contains(both) && self.intake.link.features().contains(both)
    }

    /// Opens as many connections as the other side wants and the limits allow.
    pub(super) fn widen(&mut self, key: ConnectionKey, connections: usize, now: Instant) {
        if self.opened.is_some_and(|opened| now.saturating_duration_since(opened) < PAUSE) {
            return;
        }
        self.opened = Some(now);
        let wanted = connections.min(MAX_CONNECTIONS_PER_LINK);
        while self.intake.link.connections() < wanted
            && let Some(ticket) = self.transport.admission().further()
        {
            let place = FurtherPlace::take(&self.intake.link.shared, ticket);
            let intake = self.intake.clone();
            self.tracker.spawn(run(intake, key, place, self.transport.source()));
        }
    }
}

impl FurtherPlace {
    fn take(state: &Arc<LinkState>, ticket: Ticket) -> Self {
        state.further_in.fetch_add(1, Ordering::Relaxed);
        Self { state: Arc::clone(state), _ticket: ticket }
    }
}

impl Drop for FurtherPlace {
    fn drop(&mut self) {
        self.state.further_in.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a connection and reads blocks from it until the other side closes it. If it breaks, nobody knows which blocks are lost:
/// then the whole link is closed.
async fn run(intake: BlockIntake, key: ConnectionKey, place: FurtherPlace, source: SourceAddress) {
    let (state, address) = (Arc::clone(&place.state), intake.link.address());
    let reading = async {
        let (stream, buffer) = match open(&intake, key, source).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%address, %error, "further connection not opened");
                return Ok(());
            }
        };
        tracing::debug!(%address, "further connection opened");
        // Only answers of the system are written on it.
        let _tuner = Tuner::begin(&stream, address.ip(), Arc::<PathGauge>::default());
        let (stream, _write_half) = stream.into_split();
        let mut blocks = BlockReader { stream, buffer, intake };
        blocks.buffer.set_limit(MAX_FRAME);
        read(&mut blocks).await
    };
    if let Some(Err(error)) = state.closed.run_until_cancelled(reading).await {
        tracing::info!(%address, %error, "further connection broke; link closed");
        state.closed.cancel();
    }
}

async fn open(
    intake: &BlockIntake,
    key: ConnectionKey,
    source: SourceAddress,
) -> Result<(TcpStream, FrameBuffer), GreetingError> {
    let connecting = tokio::time::timeout(CONNECT_DEADLINE, source.connect(intake.link.address()));
    let mut stream = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let buffer = greeting::join(&mut stream, key).await?;
    Ok((stream, buffer))
}

/// Reads blocks until the other side closes the connection between two of them.
async fn read(blocks: &mut BlockReader) -> Result<(), LinkError> {
    loop {
        while let Some(message) = blocks.buffer.next_message()? {
            match message {
                PeerMessage::Block(reference) => blocks.receive(reference).await?,
                PeerMessage::KeepAlive => {}
                _ => {
                    return Err(LinkError::Violation {
                        what: "it sent more than blocks on a further connection",
                    });
                }
            }
        }
        let mut bytes = [0; READ];
        let count = blocks.stream.read(&mut bytes).await?;
        if count == 0 {
            return if blocks.buffer.pending() == 0 { Ok(()) } else { Err(LinkError::Closed) };
        }
        blocks.buffer.extend(bytes.get(..count).unwrap_or_default());
    }
}
