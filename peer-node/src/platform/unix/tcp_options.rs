//! The kernel's measurements of a TCP connection (`TCP_INFO`, see tcp(7)) and pacing (`SO_MAX_PACING_RATE`, see socket(7)). None
//! of the crates in use offers safe calls for these.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::net::TcpStream;

use super::super::TcpInfo;

/// Returns the kernel's measurements, if there are any.
pub(crate) fn tcp_info(stream: &TcpStream) -> Option<TcpInfo> {
    let info = read(stream)?;
    let micros = |value: u32| Duration::from_micros(value.into());
    Some(TcpInfo {
        rtt: micros(info.tcpi_rtt),
        // The maximum value means unknown.
        min_rtt: Some(info.tcpi_min_rtt).filter(|value| *value < u32::MAX).map_or(Duration::ZERO, micros),
        segments: info.tcpi_data_segs_out.into(),
        retransmitted: info.tcpi_total_retrans.into(),
        delivery_rate: info.tcpi_delivery_rate,
    })
}

fn read(stream: &TcpStream) -> Option<libc::tcp_info> {
    // SAFETY: the struct consists of integers, for which zeros are valid.
    #[expect(unsafe_code, reason = "no crate in use offers a safe call for TCP_INFO")]
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the descriptor is open as long as `stream` is borrowed. The kernel writes at most `length` bytes to `info`, any of
    // which are valid there; what an older kernel does not know stays zero.
    #[expect(unsafe_code, reason = "no crate in use offers a safe call for TCP_INFO")]
    let outcome = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    (outcome == 0).then_some(info)
}

/// Makes the kernel pace the connection, whatever its congestion control.
///
/// # Errors
///
/// Fails if the kernel refuses the option.
pub(crate) fn pace(stream: &TcpStream) -> io::Result<()> {
    // Any limit below the maximum value enables pacing; this one does not limit the rate.
    let limit: u32 = u32::MAX - 1;
    let length = libc::socklen_t::try_from(size_of::<u32>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open as long as `stream` is borrowed. The kernel reads `length` bytes of `limit`.
    #[expect(unsafe_code, reason = "no crate in use offers a safe call for SO_MAX_PACING_RATE")]
    let outcome = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const limit).cast(),
            length,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn loopback_connection_is_short_and_lossless() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (mut near, (mut far, _)) = (near.unwrap(), far.unwrap());
        near.write_all(&[7; 1000]).await.unwrap();
        far.read_exact(&mut [0; 1000]).await.unwrap();
        let info = tcp_info(&near).unwrap();
        assert!(info.rtt > Duration::ZERO && info.rtt < Duration::from_secs(1), "{info:?}");
        assert!(info.min_rtt <= info.rtt, "{info:?}");
        assert!(info.segments >= 1 && info.retransmitted == 0, "{info:?}");
        pace(&near).unwrap();
        near.write_all(&[7; 1000]).await.unwrap();
        far.read_exact(&mut [0; 1000]).await.unwrap();
    }
}
