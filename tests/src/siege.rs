//! Hundreds of hostile connections to a peer, from many addresses, which come back whenever they are closed.

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

/// How many threads drive the connections.
const DRIVER_COUNT: usize = 4;

/// How long a driver pauses after it has seen to all its connections.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// Connections that are held against a peer; they end when this is dropped.
#[derive(Debug)]
pub struct Siege {
    state: Arc<SiegeState>,
    drivers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct SiegeState {
    stopped: AtomicBool,
    /// How many were opened, those that the peer closed again included.
    opened: AtomicUsize,
    /// How many the peer has not closed, as far as was seen.
    held: AtomicUsize,
}

/// What a connection does to the peer.
#[derive(Debug, Clone, Copy)]
enum AttackKind {
    /// It says nothing.
    Mute,
    /// It greets and says nothing more.
    Idle,
    /// It asks for the same content over and over and reads nothing.
    Greedy(Digest),
    /// It sends noise behind the preamble.
    Noise,
}

#[derive(Debug)]
struct Attacker {
    from: IpAddr,
    attack: AttackKind,
    stream: Option<TcpStream>,
}

impl Siege {
    /// Holds so many connections from so many addresses of the loopback against a peer that shares a content.
    pub fn begin(peer: SocketAddr, connections: usize, addresses: u8, digest: Digest) -> Self {
        let attacks = [AttackKind::Mute, AttackKind::Idle, AttackKind::Greedy(digest), AttackKind::Noise];
        let each = connections.div_ceil(addresses.into());
        let addresses = (1..=addresses).map(|last| IpAddr::from([127, 0, 1, last]));
        // Every address attacks in every way.
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

    /// Returns how many connections were opened so far, those that were closed again included.
    pub fn opened(&self) -> usize {
        self.state.opened.load(Ordering::SeqCst)
    }

    /// Returns how many the peer has not closed, as far as was seen.
    pub fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        for driver in self.drivers.drain(..) {
            // A thread that panicked has said so.
            let _ = driver.join();
        }
    }
}

/// Opens the connections anew that are closed, and goes on with the others, until it is over.
fn drive(peer: SocketAddr, mut attackers: Vec<Attacker>, state: &SiegeState) {
    while !state.stopped.load(Ordering::SeqCst) {
        for attacker in &mut attackers {
            if !attacker.continue_attack() {
                let had_one = attacker.stream.is_some();
                // The peer may refuse it.
                attacker.stream = attacker.open(peer).ok();
                state.opened.fetch_add(1, Ordering::SeqCst);
                match (had_one, attacker.stream.is_some()) {
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

    /// Does its worst once more, and returns false if it has no connection.
    fn continue_attack(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let said = match self.attack {
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
        if stream.write(&said).is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
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
