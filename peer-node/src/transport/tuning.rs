//! Configures the socket of a connection, and adapts it to the measurements of its path.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::congestion::{CongestionChoice, PathMeasurements};
use crate::platform::{
    TcpInfo, congestion_control, limit_unacknowledged, limit_unsent, pace, set_congestion_control, tcp_info,
};

/// Congestion controls without pacing, in order of preference. Not every machine has or allows all of them.
const UNPACED_CONTROLS: [&str; 2] = ["cubic", "reno"];

/// Receive buffer of a loopback connection in bytes. The system doubles it.
const LOOPBACK_RECEIVE_BUFFER: usize = 64 << 10;

/// The path is checked after this many bytes, or after this time if less was sent.
const CHECK_AFTER: (usize, Duration) = (256 << 10, Duration::from_millis(200));

/// Round-trip time and rate in bytes per second from which the kernel paces a congestion control without pacing of its own.
/// Otherwise a window of a megabyte or more leaves in one burst, and the resulting queue ends the slow start of the link's
/// other connections. With less data in flight, pacing would make a slow start overshoot on a narrow line.
const PACING_THRESHOLD: (Duration, u64) = (Duration::from_millis(40), 3_000_000);

/// Maximum unsent data in the socket: the amount that the path carries in this time, within these bounds in bytes. Later
/// writes, for instance messages, wait behind it.
const UNSENT_TIME: Duration = Duration::from_millis(50);
const UNSENT_BOUNDS: (u32, u32) = (32 << 10, 4 << 20);

/// The same limit before a rate is known.
const INITIAL_UNSENT: u32 = 128 << 10;

/// Maximum time for the peer's system to acknowledge data; the writers of all dialects wait as long for the peer itself.
const MAX_UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// The latest measurements of a connection's path, shared by its tasks and users.
#[derive(Debug, Default)]
pub(crate) struct PathGauge {
    /// Smoothed round-trip time in microseconds; 0 if unknown.
    rtt: AtomicU32,
    /// Minimum round-trip time of the last minutes in microseconds; 0 if unknown.
    min_rtt: AtomicU32,
    retransmitted: AtomicU64,
    is_loss_based: AtomicBool,
}

/// Adapts the socket of a connection to its path. Owned by the task that writes to the connection.
#[derive(Debug)]
pub(crate) struct SocketTuner {
    is_loopback: bool,
    gauge: Arc<PathGauge>,
    /// Congestion control chosen by the system, while another one is in use.
    system_control: Option<Vec<u8>>,
    congestion: CongestionChoice,
    unsent: u32,
    is_paced: bool,
    last_check: LastCheck,
}

/// Time of the last check, and bytes sent since.
#[derive(Debug)]
struct LastCheck {
    at: Instant,
    sent: usize,
}

impl PathGauge {
    /// Returns the smoothed round-trip time, if known.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        let micros = self.rtt.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// Returns the minimum round-trip time of the last minutes; zero if unknown.
    pub(crate) fn min_rtt(&self) -> Duration {
        Duration::from_micros(self.min_rtt.load(Ordering::Relaxed).into())
    }

    /// Returns the number of retransmitted segments.
    pub(crate) fn retransmitted(&self) -> u64 {
        self.retransmitted.load(Ordering::Relaxed)
    }

    /// Returns true if the congestion control slows down at every loss, as all but BBR do.
    pub(crate) fn is_loss_based(&self) -> bool {
        self.is_loss_based.load(Ordering::Relaxed)
    }

    fn set(&self, info: &TcpInfo) {
        self.retransmitted.store(info.retransmitted, Ordering::Relaxed);
        for (gauge, time) in [(&self.rtt, info.rtt), (&self.min_rtt, info.min_rtt)] {
            gauge.store(u32::try_from(time.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }
}

/// Makes a connection fail within about half a minute once its peer is unreachable, for instance because the address of one end
/// has changed: both while data is on its way and while the connection is idle.
pub(crate) fn detect_dead_peer(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    limit_unacknowledged(stream, MAX_UNACKNOWLEDGED)
}

impl SocketTuner {
    /// Configures the socket of a connection to `peer`. All settings are optimizations; failures are ignored.
    pub(super) fn begin(stream: &TcpStream, peer: IpAddr, gauge: Arc<PathGauge>) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = detect_dead_peer(stream);
        let mut tuner = Self {
            is_loopback: peer.to_canonical().is_loopback(),
            gauge,
            system_control: None,
            congestion: CongestionChoice::System,
            unsent: 0,
            is_paced: false,
            last_check: LastCheck { at: Instant::now(), sent: 0 },
        };
        tuner.note_control(stream);
        tuner.check_path(stream);
        tuner
    }

    /// Counts written bytes, and checks the path if that is due.
    pub(super) fn sent(&mut self, stream: &TcpStream, bytes: usize) {
        self.last_check.sent += bytes;
        // On loopback the amount of sent data does not matter.
        let is_due = self.last_check.sent >= CHECK_AFTER.0 && !self.is_loopback;
        if is_due || self.last_check.at.elapsed() >= CHECK_AFTER.1 {
            self.check_path(stream);
        }
    }

    /// Reads the kernel's measurements and adapts the socket to them.
    fn check_path(&mut self, stream: &TcpStream) {
        self.last_check = LastCheck { at: Instant::now(), sent: 0 };
        let Some(info) = tcp_info(stream) else {
            // Without measurements only loopback is known to be a short path.
            if self.is_loopback {
                self.set_congestion(stream, CongestionChoice::Unpaced);
            }
            return;
        };
        self.gauge.set(&info);
        let TcpInfo { min_rtt, segments, retransmitted, .. } = info;
        let path = PathMeasurements { is_loopback: self.is_loopback, min_rtt, segments, retransmitted };
        self.set_congestion(stream, path.congestion());
        let is_wide = min_rtt >= PACING_THRESHOLD.0 && info.delivery_rate >= PACING_THRESHOLD.1;
        if !self.is_paced && is_wide && self.gauge.is_loss_based() {
            self.is_paced = true;
            let outcome = pace(stream);
            tracing::debug!(?outcome, "pacing enabled");
        }
        if !self.is_loopback {
            self.set_unsent(stream, unsent_limit(info.delivery_rate));
        }
    }

    /// Selects a congestion control. Over loopback, one without pacing needs much less CPU time; see docs/performance.md.
    /// Socket buffers are left to the system, which grows them as needed.
    fn set_congestion(&mut self, stream: &TcpStream, congestion: CongestionChoice) {
        if std::mem::replace(&mut self.congestion, congestion) == congestion {
            return;
        }
        let outcome = match congestion {
            CongestionChoice::Unpaced => {
                self.system_control = congestion_control(stream).ok();
                let mut outcomes =
                    UNPACED_CONTROLS.iter().map(|name| set_congestion_control(stream, name.as_bytes()));
                outcomes.find(Result::is_ok).unwrap_or_else(|| Err(io::ErrorKind::Unsupported.into()))
            }
            CongestionChoice::System => match self.system_control.take() {
                Some(name) => set_congestion_control(stream, &name),
                None => Ok(()),
            },
        };
        tracing::debug!(?congestion, ?outcome, "congestion control set");
        self.note_control(stream);
    }

    /// Records whether the socket's congestion control is loss-based.
    fn note_control(&self, stream: &TcpStream) {
        let is_loss_based = congestion_control(stream).is_ok_and(|name| !name.starts_with(b"bbr"));
        self.gauge.is_loss_based.store(is_loss_based, Ordering::Relaxed);
    }

    /// Sets the limit on unsent data, unless the current limit is close enough.
    fn set_unsent(&mut self, stream: &TcpStream, unsent: u32) {
        if unsent.abs_diff(self.unsent) <= self.unsent / 4 {
            return;
        }
        self.unsent = unsent;
        let _ = limit_unsent(stream, unsent);
    }
}

/// Returns the limit on unsent data for a rate in bytes per second.
fn unsent_limit(rate: u64) -> u32 {
    if rate == 0 {
        return INITIAL_UNSENT;
    }
    let bytes = u128::from(rate) * UNSENT_TIME.as_millis() / 1000;
    u32::try_from(bytes).unwrap_or(u32::MAX).clamp(UNSENT_BOUNDS.0, UNSENT_BOUNDS.1)
}

/// Shrinks the receive buffer of a loopback connection. If the sender's congestion control paces, a small buffer keeps data
/// in flight all the time: the sender then waits for room instead of its pacing timer, and sends larger batches. See
/// docs/performance.md. On a real network the buffer must hold the data in flight, so it is left to the system.
pub(super) fn shrink_receive_buffer(stream: &TcpStream, peer: IpAddr) {
    if peer.to_canonical().is_loopback() {
        let _ = SockRef::from(stream).set_recv_buffer_size(LOOPBACK_RECEIVE_BUFFER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_limit_follows_the_rate_within_bounds() {
        assert_eq!(unsent_limit(0), INITIAL_UNSENT);
        assert_eq!(unsent_limit(125_000), UNSENT_BOUNDS.0);
        assert_eq!(unsent_limit(12_500_000), 625_000);
        assert_eq!(unsent_limit(u64::MAX), UNSENT_BOUNDS.1);
    }
}
