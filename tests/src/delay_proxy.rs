//! A TCP proxy that delays every byte, to make round trips visible on loopback.
//!
//! It accepts connections itself, so that connecting through it takes no time: of a program's round trips those for the handshakes of
//! TCP are not delayed.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most chunks of bytes on their way in one direction.
const MAX_BUFFERS_IN_FLIGHT: usize = 1024;

/// How much is read at once, in bytes.
const READ_BUFFER_SIZE: usize = 64 << 10;

/// A proxy in front of one address; it accepts nothing any more once it is dropped.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

/// How a proxy forwards what it accepts.
#[derive(Debug, Clone, Copy)]
pub struct ProxyRoute {
    /// Where connections are forwarded to.
    pub to: SocketAddr,
    /// From which address they seem to come there.
    pub from: Ipv4Addr,
    /// How long each byte is on its way, in each direction.
    pub delay: Duration,
}

impl DelayProxy {
    /// Listens at an address.
    pub fn start(listen: SocketAddr, route: ProxyRoute) -> Self {
        let listener = TcpListener::bind(listen).expect("a free address");
        let address = listener.local_addr().expect("an address");
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        thread::spawn(move || {
            for accepted in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // Where nobody listens, the caller is disconnected.
                if let Ok(forwarded) = connect(route) {
                    forward(&accepted, &forwarded, route.delay);
                }
            }
        });
        Self { address, stopped: over }
    }

    /// Returns where the proxy listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn connect(route: ProxyRoute) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(route.from), 0).into())?;
    socket.connect(&route.to.into())?;
    Ok(socket.into())
}

/// Forwards both directions until each has ended.
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
    // Not waiting for acknowledgements, which would add a delay of their own.
    let _ = to.set_nodelay(true);
    while let Ok((read_at, bytes)) = receiver.recv() {
        thread::sleep((read_at + delay).saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side sees the end where it was; the other direction goes on.
    let _ = to.shutdown(Shutdown::Write);
}
