//! A TCP proxy that delays every byte, to make round trips visible on the loopback.
//!
//! The proxy accepts connections itself, so connecting takes no time: of a program's round trips, those of the TCP
//! handshake are not delayed.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum number of chunks in flight in one direction.
const MAX_BUFFERS_IN_FLIGHT: usize = 1024;

/// Size of one read, in bytes.
const READ_BUFFER_SIZE: usize = 64 << 10;

/// A proxy in front of one address; it stops accepting when it is dropped.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

/// How a proxy forwards its connections.
#[derive(Debug, Clone, Copy)]
pub struct ProxyRoute {
    /// The address to forward to.
    pub to: SocketAddr,
    /// The source address of forwarded connections.
    pub from: Ipv4Addr,
    /// The delay of each byte, in each direction.
    pub delay: Duration,
}

impl DelayProxy {
    /// Starts a proxy that listens at an address.
    pub fn start(listen: SocketAddr, route: ProxyRoute) -> Self {
        let listener = TcpListener::bind(listen).expect("a free address");
        let address = listener.local_addr().expect("an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stopped);
        thread::spawn(move || {
            for accepted in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // If nothing listens there, the client is disconnected.
                if let Ok(forwarded) = connect(route) {
                    forward(&accepted, &forwarded, route.delay);
                }
            }
        });
        Self { address, stopped }
    }

    /// Returns the address of the proxy.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
    }
}

fn connect(route: ProxyRoute) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(route.from), 0).into())?;
    socket.connect(&route.to.into())?;
    Ok(socket.into())
}

/// Forwards both directions until both have ended.
fn forward(accepted: &TcpStream, forwarded: &TcpStream, delay: Duration) {
    for (from, to) in [(accepted, forwarded), (forwarded, accepted)] {
        let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
        let (sender, receiver) = sync_channel(MAX_BUFFERS_IN_FLIGHT);
        thread::spawn(move || read_with_times(from, &sender));
        thread::spawn(move || write_delayed(to, &receiver, delay));
    }
}

fn read_with_times(mut from: TcpStream, sender: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; READ_BUFFER_SIZE];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn write_delayed(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>, delay: Duration) {
    // Without this, waiting for acknowledgements would add a delay of its own.
    let _ = to.set_nodelay(true);
    while let Ok((read_at, bytes)) = receiver.recv() {
        thread::sleep((read_at + delay).saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The receiving side sees the end at the same position; the other direction continues.
    let _ = to.shutdown(Shutdown::Write);
}
