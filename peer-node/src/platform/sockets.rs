//! Measurements and options of TCP connections, and sending files.

use std::time::Duration;

pub(crate) use super::system::sockets::{
    congestion_control, limit_unacknowledged, limit_unsent, pace, send_file, send_more,
    set_congestion_control, share_port, tcp_info,
};

/// The kernel's measurements of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// Smoothed round-trip time.
    pub(crate) rtt: Duration,
    /// Minimum round-trip time of the last minutes; zero if unknown.
    pub(crate) min_rtt: Duration,
    /// Sent data segments, including retransmissions.
    pub(crate) segments: u64,
    /// Retransmitted segments.
    pub(crate) retransmitted: u64,
    /// Latest delivery rate in bytes per second; 0 if unknown.
    pub(crate) delivery_rate: u64,
}
