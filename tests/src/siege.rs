//! Hundreds of hostile connections to a node from many addresses, reopened whenever the node closes them.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use protocol::digest::Digest;
use protocol::frame::encode_frame;
use protocol::node_id::NodeId;
use protocol::peer::{BlockRef, PeerMessage};
use protocol::preamble::{PREAMBLE_LEN, Service, Version, encode};

use crate::content::PIECE_LENGTH;
use crate::wire::{FrameConnection, connect_stream_from};

/// Number of threads that drive the connections.
const DRIVER_COUNT: usize = 4;

/// Pause of a driver after it has processed all its connections.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// Hostile connections to a node; they end when this is dropped.
#[derive(Debug)]
pub struct Siege {
    state: Arc<SiegeState>,
    drivers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct SiegeState {
    stopped: AtomicBool,
    /// Connections opened, including those that the node closed again.
    opened: AtomicUsize,
    /// Connections that the node has not closed, as far as seen.
    held: AtomicUsize,
}

/// What a connection does to the node.
#[derive(Debug, Clone, Copy)]
enum AttackKind {
    /// Sends nothing.
    Mute,
    /// Sends a preamble and nothing more.
    Idle,
    /// Requests the same content repeatedly and reads nothing.
    Greedy(Digest),
    /// Sends random bytes after the preamble.
    Noise,
}

#[derive(Debug)]
struct Attacker {
    from: IpAddr,
    attack: AttackKind,
    stream: Option<TcpStream>,
}

impl Siege {
    /// Holds `connections` connections from `addresses` loopback addresses to a node that shares content.
    pub fn begin(peer: SocketAddr, connections: usize, addresses: u8, digest: Digest) -> Self {
        let attacks = [AttackKind::Mute, AttackKind::Idle, AttackKind::Greedy(digest), AttackKind::Noise];
        let each = connections.div_ceil(addresses.into());
        let addresses = (1..=addresses).map(|last| IpAddr::from([127, 0, 1, last]));
        // Every address uses every kind of attack.
        let of_address = |from| attacks.into_iter().cycle().take(each).map(move |attack| (from, attack));
        let mut rest: Vec<Attacker> = addresses
            .flat_map(of_address)
            .take(connections)
            .map(|(from, attack)| Attacker { from, attack, stream: None })
            .collect();
        let state = Arc::new(SiegeState::default());
        let share = connections.div_ceil(DRIVER_COUNT);
        let drivers = (0..DRIVER_COUNT)
            .map(|_| {
                let (state, mine) = (Arc::clone(&state), rest.split_off(rest.len().saturating_sub(share)));
                thread::spawn(move || drive(peer, mine, &state))
            })
            .collect();
        Self { state, drivers }
    }

    /// Returns the number of connections opened so far, including those that were closed again.
    pub fn opened(&self) -> usize {
        self.state.opened.load(Ordering::SeqCst)
    }

    /// Returns the number of connections that the node has not closed, as far as seen.
    pub fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        for driver in self.drivers.drain(..) {
            // A panicked thread has already printed its message.
            let _ = driver.join();
        }
    }
}

/// Reopens closed connections and continues the others until stopped.
fn drive(peer: SocketAddr, mut attackers: Vec<Attacker>, state: &SiegeState) {
    while !state.stopped.load(Ordering::SeqCst) {
        for attacker in &mut attackers {
            if !attacker.continue_attack() {
                let was_connected = attacker.stream.is_some();
                // The node may refuse the connection.
                attacker.stream = attacker.open(peer).ok();
                state.opened.fetch_add(1, Ordering::SeqCst);
                match (was_connected, attacker.stream.is_some()) {
                    (false, true) => drop(state.held.fetch_add(1, Ordering::SeqCst)),
                    (true, false) => drop(state.held.fetch_sub(1, Ordering::SeqCst)),
                    _ => {}
                }
            }
            if state.stopped.load(Ordering::SeqCst) {
                return;
            }
        }
        thread::park_timeout(ROUND_INTERVAL);
    }
}

impl Attacker {
    fn open(&self, peer: SocketAddr) -> Result<TcpStream> {
        let stream = match self.attack {
            AttackKind::Mute | AttackKind::Noise => {
                let mut stream = connect_stream_from(self.from, peer)?;
                if matches!(self.attack, AttackKind::Noise) {
                    let preamble: [u8; PREAMBLE_LEN] = encode(Service::Peer, Version::One);
                    stream.write_all(&preamble)?;
                }
                stream
            }
            AttackKind::Idle | AttackKind::Greedy(_) => {
                let mut wire = FrameConnection::connect_from(self.from, peer)?;
                wire.greet(NodeId::from_bytes([9; 32]), 40_000)?;
                if let AttackKind::Greedy(digest) = self.attack {
                    wire.send(&PeerMessage::Open { channel: 1, digest })?;
                }
                wire.stream().try_clone()?
            }
        };
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// Attacks once more; returns false if the connection is closed.
    fn continue_attack(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let payload = match self.attack {
            AttackKind::Mute | AttackKind::Idle => Vec::new(),
            AttackKind::Noise => vec![0x5a; 4096],
            AttackKind::Greedy(_) => {
                let length = u32::try_from(PIECE_LENGTH).expect("a small number");
                let block = BlockRef { channel: 1, piece: 0, begin: 0, length };
                let mut bytes = Vec::new();
                encode_frame(&PeerMessage::Request(block), &mut bytes).expect("a short message");
                bytes
            }
        };
        if stream.write(&payload).is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            return false;
        }
        if matches!(self.attack, AttackKind::Greedy(_)) {
            return true;
        }
        match stream.read(&mut [0; 4096]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
