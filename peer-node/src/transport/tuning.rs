//! How the socket of a connection is set up, and how it follows what is measured on its path.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::congestion::{CongestionChoice, PathMeasurements};
use super::tcp_options::{TcpInfo, pace, tcp_info};

/// Congestion controls that do not pace, the best first. What a machine has and allows differs.
const UNPACED_CONTROLS: [&str; 2] = ["cubic", "reno"];

/// The receive buffer of a connection on this machine, in bytes; the system doubles it.
const LOOPBACK_RECEIVE_BUFFER: usize = 64 << 10;

/// The path is looked at again after so many bytes, or after so long if less was sent.
const CHECK_AFTER: (usize, Duration) = (256 << 10, Duration::from_millis(200));

/// From this round-trip time and this rate in bytes per second on, a congestion control that does not pace by itself is paced by the
/// kernel. Otherwise a window of a megabyte and more leaves in one burst, and the queue that it causes ends the slow start of the other
/// connections of the link. With less under way, pacing makes a slow start overshoot on a narrow line.
const PACING_THRESHOLD: (Duration, u64) = (Duration::from_millis(40), 3_000_000);

/// How much the socket may hold that was not sent yet: what the path carries in this time, within these bounds in bytes. Whatever
/// is written later, a message for instance, waits behind it.
const UNSENT_TIME: Duration = Duration::from_millis(50);
const UNSENT_BOUNDS: (u32, u32) = (32 << 10, 4 << 20);

/// The same before a rate is known.
const INITIAL_UNSENT: u32 = 128 << 10;

/// What was last measured on the path of a connection, shared by the tasks of the connection and its users.
#[derive(Debug, Default)]
pub(crate) struct PathGauge {
    /// The smoothed round-trip time in microseconds; 0 if unknown.
    rtt: AtomicU32,
    /// The shortest round-trip time of the last minutes in microseconds; 0 if unknown.
    min_rtt: AtomicU32,
    retransmitted: AtomicU64,
    is_loss_based: AtomicBool,
}

/// Keeps the socket of a connection in tune with its path. The task that writes to the connection owns it.
#[derive(Debug)]
pub(crate) struct SocketTuner {
    is_loopback: bool,
    gauge: Arc<PathGauge>,
    /// The congestion control that the system chose, once another one was taken.
    system_control: Option<Vec<u8>>,
    congestion: CongestionChoice,
    unsent: u32,
    is_paced: bool,
    last_check: LastCheck,
}

/// When the path was last looked at, and how many bytes were sent since.
#[derive(Debug)]
struct LastCheck {
    at: Instant,
    sent: usize,
}

impl PathGauge {
    /// Returns the smoothed round-trip time, if it is known.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        let micros = self.rtt.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// Returns the shortest round-trip time of the last minutes; zero if there is none yet.
    pub(crate) fn min_rtt(&self) -> Duration {
        Duration::from_micros(self.min_rtt.load(Ordering::Relaxed).into())
    }

    /// Returns how many segments were sent again.
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

impl SocketTuner {
    /// Sets up the socket of a connection to that address. Nothing of it is needed for correctness.
    pub(crate) fn begin(stream: &TcpStream, peer: IpAddr, gauge: Arc<PathGauge>) -> Self {
        let socket = SockRef::from(stream);
        let keepalive =
            TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(10));
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&keepalive);
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

    /// Counts bytes that were written, and looks at the path again if that is due.
    pub(crate) fn sent(&mut self, stream: &TcpStream, bytes: usize) {
        self.last_check.sent += bytes;
        // Nothing depends on how much was sent on this machine.
        let is_due = self.last_check.sent >= CHECK_AFTER.0 && !self.is_loopback;
        if is_due || self.last_check.at.elapsed() >= CHECK_AFTER.1 {
            self.check_path(stream);
        }
    }

    /// Takes over what the kernel has measured.
    fn check_path(&mut self, stream: &TcpStream) {
        self.last_check = LastCheck { at: Instant::now(), sent: 0 };
        let Some(info) = tcp_info(stream) else {
            // Without measurements only this machine is known to be near.
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
            tracing::debug!(?outcome, "pacing switched on");
        }
        if !self.is_loopback {
            self.set_unsent(stream, unsent_limit(info.delivery_rate));
        }
    }

    /// Measured with `sendfile` over loopback on two busy cores, MB/s and CPU seconds per GiB of the sender and of the receiver:
    /// BBR 870, 0.48 and 0.45; cubic 3200, 0.14 and 0.20; reno 3370, 0.12 and 0.19. Larger socket buffers changed nothing, so
    /// they are left to the system, which grows them as needed.
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    fn set_congestion(&mut self, stream: &TcpStream, congestion: CongestionChoice) {
        if std::mem::replace(&mut self.congestion, congestion) == congestion {
            return;
        }
        let socket = SockRef::from(stream);
        let outcome = match congestion {
            CongestionChoice::Unpaced => {
                self.system_control = socket.tcp_congestion().ok();
                let mut outcomes =
                    UNPACED_CONTROLS.iter().map(|name| socket.set_tcp_congestion(name.as_bytes()));
                outcomes.find(Result::is_ok).unwrap_or_else(|| Err(std::io::ErrorKind::Unsupported.into()))
            }
            CongestionChoice::System => match self.system_control.take() {
                Some(name) => {
                    socket.set_tcp_congestion(name.split(|byte| *byte == 0).next().unwrap_or(&name))
                }
                None => Ok(()),
            },
        };
        tracing::debug!(?congestion, ?outcome, "congestion control set");
        self.note_control(stream);
    }

    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    fn set_congestion(&mut self, _stream: &TcpStream, congestion: CongestionChoice) {
        self.congestion = congestion;
    }

    /// Notes which kind of congestion control the socket has.
    fn note_control(&self, stream: &TcpStream) {
        #[cfg(any(target_os = "linux", target_os = "freebsd"))]
        let is_loss_based =
            SockRef::from(stream).tcp_congestion().is_ok_and(|name| !name.starts_with(b"bbr"));
        #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
        let (is_loss_based, _) = (false, stream);
        self.gauge.is_loss_based.store(is_loss_based, Ordering::Relaxed);
    }

    /// Bounds what the socket holds that was not sent yet, unless the bound is about right already.
    fn set_unsent(&mut self, stream: &TcpStream, unsent: u32) {
        if unsent.abs_diff(self.unsent) <= self.unsent / 4 {
            return;
        }
        self.unsent = unsent;
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(stream).set_tcp_notsent_lowat(unsent);
        #[cfg(not(target_os = "linux"))]
        let _ = stream;
    }
}

/// Returns how much a socket may hold unsent at a rate in bytes per second.
fn unsent_limit(rate: u64) -> u32 {
    if rate == 0 {
        return INITIAL_UNSENT;
    }
    let bytes = u128::from(rate) * UNSENT_TIME.as_millis() / 1000;
    u32::try_from(bytes).unwrap_or(u32::MAX).clamp(UNSENT_BOUNDS.0, UNSENT_BOUNDS.1)
}

/// Keeps the receive buffer of a connection to a program on this machine small, if that may send with a congestion control
/// that paces. It has something under way all the time then, so it waits for room instead of for its timer, and sends
/// what has gathered meanwhile. Measured with 1 GiB from four rqbit, whose sockets have BBR: 1.92 s instead of 2.13, and 1.33
/// instead of 1.87 CPU seconds of the four; buffers of 256 KiB and more change nothing. The buffer is full again within microseconds
/// here; on a real network it would have to hold what is on its way, so it is left to the system there.
pub(crate) fn shrink_receive_buffer(stream: &TcpStream, peer: IpAddr) {
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
