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

use crate::content::PIECE;
use crate::wire::{Wire, connect_stream_from};

/// How many threads drive the connections.
const DRIVERS: usize = 4;

/// How long a driver pauses after it has seen to all its connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that are held against a peer; they end when this is dropped.
#[derive(Debug)]
pub struct Siege {
    state: Arc<State>,
    drivers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    is_over: AtomicBool,
    /// How many were opened, those that the peer closed again included.
    opened: AtomicUsize,
    /// How many the peer has not closed, as far as was seen.
    held: AtomicUsize,
}

/// What a connection does to the peer.
#[derive(Debug, Clone, Copy)]
enum Attack {
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
    attack: Attack,
    stream: Option<TcpStream>,
}

impl Siege {
    /// Holds so many connections from so many addresses of the loopback against a peer that shares a content.
    pub fn begin(peer: SocketAddr, connections: usize, addresses: u8, digest: Digest) -> Self {
        let attacks = [Attack::Mute, Attack::Idle, Attack::Greedy(digest), Attack::Noise];
        let each = connections.div_ceil(addresses.into());
        let addresses = (1..=addresses).map(|last| IpAddr::from([127, 0, 1, last]));
        // Every address attacks in every way.
        let of_address = |from| attacks.into_iter().cycle().take(each).map(move |attack| (from, attack));
        let mut rest: Vec<Attacker> = addresses
            .flat_map(of_address)
            .take(connections)
            .map(|(from, attack)| Attacker { from, attack, stream: None })
            .collect();
        let state = Arc::new(State::default());
        let share = connections.div_ceil(DRIVERS);
        let drivers = (0..DRIVERS)
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
        self.state.is_over.store(true, Ordering::SeqCst);
        for driver in self.drivers.drain(..) {
            // A thread that panicked has said so.
            let _ = driver.join();
        }
    }
}

/// Opens the connections anew that are closed, and goes on with the others, until it is over.
fn drive(peer: SocketAddr, mut attackers: Vec<Attacker>, state: &State) {
    while !state.is_over.load(Ordering::SeqCst) {
        for attacker in &mut attackers {
            if !attacker.goes_on() {
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
            if state.is_over.load(Ordering::SeqCst) {
                return;
            }
        }
        thread::park_timeout(PAUSE);
    }
}

impl Attacker {
    fn open(&self, peer: SocketAddr) -> Result<TcpStream> {
        let stream = match self.attack {
            Attack::Mute | Attack::Noise => {
                let mut stream = connect_stream_from(self.from, peer)?;
                if matches!(self.attack, Attack::Noise) {
                    let preamble: [u8; PREAMBLE_LEN] = encode(Service::Peer, Version::One);
                    stream.write_all(&preamble)?;
                }
                stream
            }
            Attack::Idle | Attack::Greedy(_) => {
                let mut wire = Wire::connect_from(self.from, peer)?;
                wire.greet(NodeId::from_bytes([9; 32]), 40_000)?;
                if let Attack::Greedy(digest) = self.attack {
                    wire.send(&PeerMessage::Open { channel: 1, digest })?;
                }
                wire.stream().try_clone()?
            }
        };
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// Does its worst once more, and returns false if it has no connection.
    fn goes_on(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let said = match self.attack {
            Attack::Mute | Attack::Idle => Vec::new(),
            Attack::Noise => vec![0x5a; 4096],
            Attack::Greedy(_) => {
                let length = u32::try_from(PIECE).expect("a small number");
                let block = BlockRef { channel: 1, piece: 0, begin: 0, length };
                let mut bytes = Vec::new();
                encode_frame(&PeerMessage::Request(block), &mut bytes).expect("a short message");
                bytes
            }
        };
        if stream.write(&said).is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            return false;
        }
        if matches!(self.attack, Attack::Greedy(_)) {
            return true;
        }
        match stream.read(&mut [0; 4096]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
