//! The further connections of a link over which the peer sends blocks to us. We open them when the peer asks for them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};
use protocol::features::PeerFeatures;
use protocol::frame::FrameBuffer;
use protocol::limits::{MAX_CONNECTIONS_PER_LINK, MAX_FRAME};
use protocol::peer::{ConnectionKey, PeerMessage};
use tokio::io::AsyncReadExt;
use tokio_util::task::TaskTracker;

use super::block_reader::{BlockIntake, BlockReader};
use super::greeting::{self, FEATURES, LinkGreetingError};
use super::link::PeerLinkState;
use super::reader::LinkError;
use crate::source_address::SourceAddress;
use crate::transport::{AdmissionPermit, PeerStream, Transport};

/// Minimum and maximum delay between two attempts to open connections, however often the peer asks. The delay doubles while
/// no connection can be opened.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_mins(5));

/// Maximum time to establish a further connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Size of one read while messages are expected.
const READ_SIZE: usize = 4 << 10;

/// Opens the further connections of one link.
#[derive(Debug)]
pub(super) struct FurtherReaders {
    intake: BlockIntake,
    transport: Transport,
    tracker: TaskTracker,
    attempts: OpenAttempts,
}

/// Decides when the next attempt may start.
#[derive(Debug)]
struct OpenAttempts {
    backoff: Backoff,
    /// Earliest time of the next attempt.
    next_at: Option<Instant>,
    /// Whether a connection has been opened since the last attempt started.
    has_succeeded: Arc<AtomicBool>,
}

/// An open connection, with the bytes that were read ahead.
type OpenedConnection = Result<(PeerStream, FrameBuffer), LinkGreetingError>;

/// The permit of one connection that is open or being opened. Counts in [`PeerLinkState::further_in`].
#[derive(Debug)]
struct FurtherPermit {
    state: Arc<PeerLinkState>,
    _permit: AdmissionPermit,
}

impl Default for OpenAttempts {
    fn default() -> Self {
        let backoff = Backoff::new(RETRY_DELAYS);
        Self { backoff, next_at: None, has_succeeded: Arc::default() }
    }
}

impl OpenAttempts {
    /// Returns true, and counts the attempt, if one may start now. `random` adds jitter to the next delay.
    fn begin(&mut self, now: Instant, random: u64) -> bool {
        if self.next_at.is_some_and(|next| now < next) {
            return false;
        }
        if self.has_succeeded.swap(false, Ordering::Relaxed) {
            self.backoff.reset();
        }
        self.next_at = now.checked_add(self.backoff.next_delay(random));
        true
    }
}

impl FurtherReaders {
    pub(super) fn new(intake: BlockIntake, transport: Transport, tracker: TaskTracker) -> Self {
        Self { intake, transport, tracker, attempts: OpenAttempts::default() }
    }

    /// Returns true if both sides announced support for further connections.
    pub(super) fn is_supported(&self) -> bool {
        let both = PeerFeatures::PARALLEL_CONNECTIONS;
        FEATURES.contains(both) && self.intake.link.features().contains(both)
    }

    /// Opens as many connections as the peer wants and the limits allow. Opens none if the link fetches nothing, or if a
    /// download limit makes them useless.
    pub(super) fn open_connections(&mut self, key: ConnectionKey, connections: usize, now: Instant) {
        let wanted = connections.min(MAX_CONNECTIONS_PER_LINK);
        let is_useless =
            self.intake.link.shared.fetches.is_empty() || self.transport.download_limit().is_limited();
        if is_useless || self.intake.link.connections() >= wanted {
            return;
        }
        // Without randomness the delay only lacks jitter.
        if !self.attempts.begin(now, getrandom::u64().unwrap_or_default()) {
            return;
        }
        let address = self.intake.link.address().ip();
        while self.intake.link.connections() < wanted
            && let Some(permit) = self.transport.admission().admit_further(address)
        {
            let permit = FurtherPermit::new(&self.intake.link.shared, permit);
            let intake = self.intake.clone();
            let has_succeeded = Arc::clone(&self.attempts.has_succeeded);
            let opening = open(intake.link.address(), key, self.transport.source_address(), has_succeeded);
            self.tracker.spawn(run(intake, permit, opening));
        }
    }
}

impl FurtherPermit {
    fn new(state: &Arc<PeerLinkState>, permit: AdmissionPermit) -> Self {
        state.further_in.fetch_add(1, Ordering::Relaxed);
        Self { state: Arc::clone(state), _permit: permit }
    }
}

impl Drop for FurtherPermit {
    fn drop(&mut self) {
        self.state.further_in.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a connection and reads blocks from it until the peer closes it. If the connection breaks, it is unknown which
/// blocks were lost, so the whole link is closed.
async fn run(intake: BlockIntake, permit: FurtherPermit, opening: impl Future<Output = OpenedConnection>) {
    let (state, address) = (Arc::clone(&permit.state), intake.link.address());
    let reading = async {
        let (stream, buffer) = match opening.await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%address, %error, "further connection not opened");
                return Ok(());
            }
        };
        tracing::debug!(%address, "further connection opened");
        // Only keep-alives and acknowledgements of the system go out on this connection.
        let (stream, _write_half) = stream.split(address.ip(), Arc::default());
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
    address: SocketAddr,
    key: ConnectionKey,
    source: SourceAddress,
    has_succeeded: Arc<AtomicBool>,
) -> OpenedConnection {
    let mut stream = PeerStream::connect(source, address, CONNECT_TIMEOUT).await?;
    let buffer = greeting::join_link(&mut stream, key).await?;
    has_succeeded.store(true, Ordering::Relaxed);
    Ok((stream, buffer))
}

/// Reads blocks until the peer closes the connection between two blocks.
async fn read(blocks: &mut BlockReader) -> Result<(), LinkError> {
    loop {
        while let Some(message) = blocks.buffer.next_message()? {
            match message {
                PeerMessage::Block(reference) => blocks.receive(reference).await?,
                PeerMessage::KeepAlive => {}
                _ => {
                    return Err(LinkError::Violation {
                        what: "it sent a message other than a block on a further connection",
                    });
                }
            }
        }
        let mut bytes = [0; READ_SIZE];
        let count = blocks.stream.read(&mut bytes).await?;
        if count == 0 {
            return if blocks.buffer.pending() == 0 { Ok(()) } else { Err(LinkError::Closed) };
        }
        blocks.buffer.extend(bytes.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_until_a_connection_can_be_opened() {
        let (mut attempts, start) = (OpenAttempts::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(attempts.begin(at(0), 0) && !attempts.begin(start + Duration::from_millis(999), 0));
        assert!(attempts.begin(at(1), 0) && !attempts.begin(at(2), 0));
        assert!(attempts.begin(at(3), 0) && !attempts.begin(at(6), 0));
        attempts.has_succeeded.store(true, Ordering::Relaxed);
        assert!(attempts.begin(at(7), 0) && attempts.begin(at(8), 0) && !attempts.begin(at(9), 0));
    }
}
